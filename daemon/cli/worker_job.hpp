#pragma once

#include "net/asio/asio.hpp"

#include <functional>

namespace kith::daemon {

/// Runs `job`, which asks a worker of its own, to its end, on this thread; another may follow.
/// Throws what it throws, but what a worker refused, or how it was lost, as Failure.
void run_worker_job(net::asio::io_context& io, const std::function<net::awaitable<void>()>& job);

/// Throws Failure(EX_NOINPUT): a node that has finished no round serves no model.
[[noreturn]] void refuse_without_round();

}  // namespace kith::daemon
