#pragma once

#include "net/asio/asio.hpp"

#include <functional>

namespace kith::daemon {

/// Runs `job`, which asks a worker of its own, to its end, on this thread.  Throws what it throws,
/// but what a worker refused, or how it was lost, as Failure.
void run_worker_job(net::asio::io_context& io, const std::function<net::awaitable<void>()>& job);

}  // namespace kith::daemon
