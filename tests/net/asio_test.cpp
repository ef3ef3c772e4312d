#include "net/asio/asio.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <stdexcept>
#include <thread>

namespace asio_test {

using namespace std::chrono_literals;
using namespace kith::net;

/// Runs one coroutine to completion on a fresh io_context; rethrows what it throws.
template <class Body>
void run(asio::io_context& io, Body body) {
  asio::co_spawn(io, std::move(body), [](const std::exception_ptr& error) {
    if (error) std::rethrow_exception(error);
  });
  io.run();
}

BOOST_AUTO_TEST_SUITE(deadline_tests)

BOOST_AUTO_TEST_CASE(expires_when_outlived) {
  asio::io_context io;
  int expired = 0;
  auto body = [&]() -> awaitable<void> {
    const Deadline deadline(io.get_executor(), 5ms, [&] { ++expired; });
    asio::steady_timer work(io, 50ms);
    co_await work.async_wait(use_awaitable);
  };
  run(io, std::move(body));
  BOOST_TEST(expired == 1);
}

BOOST_AUTO_TEST_CASE(is_disarmed_by_leaving_the_scope) {
  asio::io_context io;
  int expired = 0;
  auto body = [&]() -> awaitable<void> {
    {
      const Deadline deadline(io.get_executor(), 5ms, [&] { ++expired; });
    }
    asio::steady_timer work(io, 50ms);
    co_await work.async_wait(use_awaitable);
  };
  run(io, std::move(body));
  BOOST_TEST(expired == 0);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(offload_tests)

BOOST_AUTO_TEST_CASE(job_runs_elsewhere_and_resumes_here) {
  asio::io_context io;
  asio::thread_pool pool(1);
  auto body = [&pool]() -> awaitable<void> {
    const auto here = std::this_thread::get_id();
    auto job = [] { return std::make_unique<std::thread::id>(std::this_thread::get_id()); };
    const auto there = co_await offload(pool, job);
    BOOST_TEST((*there != here));
    BOOST_TEST((std::this_thread::get_id() == here));
  };
  run(io, std::move(body));
}

BOOST_AUTO_TEST_CASE(exception_reaches_the_caller) {
  asio::io_context io;
  asio::thread_pool pool(1);
  auto body = [&pool]() -> awaitable<void> {
    auto job = []() -> int { throw std::runtime_error("out of memory"); };
    BOOST_CHECK_THROW((void)co_await offload(pool, job), std::runtime_error);
    co_return;
  };
  // BOOST_CHECK_THROW expands to try/catch around an await: allowed, nothing awaits in a condition.
  run(io, std::move(body));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace asio_test
