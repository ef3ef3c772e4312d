#pragma once

// The one place in net/ that includes Boost.Asio.  Builds with Boost 1.74 and 1.81 and later.
// clang-format off
#include <utility>         // before Asio: awaitable.hpp in Boost 1.74 uses std::exchange without it
#include <boost/asio.hpp>
// clang-format on

#include "net/time.hpp"

#include <exception>
#include <functional>
#include <memory>
#include <type_traits>

namespace kith::net {

namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;
using boost::system::error_code;

/// For co_spawn() of a loop nobody waits for.  What it throws (a full disk, no memory, a bug)
/// leaves io_context::run(); asio::detached would drop it, and the rest of us would wait for a dead
/// loop.
inline constexpr auto rethrow = [](const std::exception_ptr& error) {
  if (error) std::rethrow_exception(error);
};

/// Runs `on_expiry` after `limit` unless destroyed first.
///
/// Declare it in the coroutine that awaits; `on_expiry` usually closes the socket being awaited.
/// Closing is how we cancel: Boost 1.74 cannot cancel one operation, and cancelling "everything on
/// this socket" from two places loses the reason.
/// Threads: construct, destroy and run `executor` on one thread.
class Deadline {
 public:
  Deadline(asio::any_io_executor executor, Duration limit, std::function<void()> on_expiry)
      : state_(std::make_shared<State>(State{{executor, limit}, std::move(on_expiry)})) {
    state_->timer.async_wait([weak = std::weak_ptr<State>(state_)](error_code ec) {
      const auto state = weak.lock();
      if (state && !ec) state->on_expiry();
    });
  }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

 private:
  struct State {
    asio::steady_timer timer;
    std::function<void()> on_expiry;
  };
  std::shared_ptr<State> state_;  // the timer holds only a weak_ptr: dropping this disarms it
};

/// Runs `job()` on `pool` and resumes the caller on its own executor with the result.
///
/// This is the only bridge between the network thread and the compute threads: whatever `job`
/// touches must be owned by it or left alone by the caller until the await returns.
/// Exceptions thrown by `job` are rethrown to the caller.
template <class Job>
awaitable<std::invoke_result_t<Job>> offload(asio::thread_pool& pool, Job job) {
  // Named, not written inline: g++ 12 destroys a capturing-lambda temporary twice (GCC PR101367).
  auto body = [job = std::move(job)]() mutable -> awaitable<std::invoke_result_t<Job>> {
    co_return job();
  };
  co_return co_await asio::co_spawn(pool, std::move(body), use_awaitable);
}

}  // namespace kith::net
