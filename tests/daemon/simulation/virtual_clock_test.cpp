#include "daemon/simulation/virtual_clock.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <utility>

namespace virtual_clock_test {

using namespace kith;
using namespace kith::daemon;
using namespace std::chrono_literals;

struct Clocked {
  net::awaitable<void> really_work(std::chrono::milliseconds time) {
    net::asio::steady_timer timer(io, time);
    co_await timer.async_wait(net::use_awaitable);
  }
  template <class Body>
  void start(Body body) {
    net::asio::co_spawn(io, std::move(body), net::rethrow);
  }
  void say(const std::string& what, std::size_t who) {
    said += what + "@" + std::to_string(clock.now(who).count()) + " ";
  }

  net::asio::io_context io;
  VirtualClock clock{io, 2};
  std::string said;
};

BOOST_FIXTURE_TEST_SUITE(virtual_clock_tests, Clocked)

BOOST_AUTO_TEST_CASE(time_does_not_pass_a_moment_at_which_one_at_work_may_act) {
  start([this]() -> net::awaitable<void> {
    clock.work_until(0, 10us);
    co_await really_work(60ms);  // slow in reality, quick in the simulation
    co_await clock.until(0, 10us);
    say("slow", 0);
    clock.leave(0);
  });
  start([this]() -> net::awaitable<void> {
    co_await clock.until(1, 20us);
    say("quick", 1);
    clock.leave(1);
  });
  io.run();
  BOOST_TEST(said == "slow@10 quick@20 ");
}

BOOST_AUTO_TEST_CASE(work_that_overlaps_is_done_at_once) {
  bool both = false;
  int working = 0;
  for (const std::size_t who : {0UL, 1UL}) {
    start([this, who, &working, &both]() -> net::awaitable<void> {
      clock.work_until(who, 100us + std::chrono::microseconds(who));
      ++working;
      co_await really_work(30ms);
      both = both || working == 2;
      --working;
      co_await clock.until(who, 100us + std::chrono::microseconds(who));
      clock.leave(who);
    });
  }
  io.run();
  BOOST_TEST(both);
}

BOOST_AUTO_TEST_CASE(one_that_waits_can_be_woken_earlier_and_never_later) {
  start([this]() -> net::awaitable<void> {
    co_await clock.until_woken(0, 100us);
    say("woken", 0);
    co_await clock.until(0, 200us);
    say("not", 0);
    clock.leave(0);
  });
  start([this]() -> net::awaitable<void> {
    co_await clock.until(1, 10us);
    clock.wake(0, 30us);
    clock.wake(0, 70us);
    say("sent", 1);
    co_await clock.until(1, 40us);
    clock.wake(0, 50us);  // it is busy with something else
    clock.leave(1);
  });
  io.run();
  BOOST_TEST(said == "sent@10 woken@30 not@200 ");
}

BOOST_AUTO_TEST_CASE(waiting_for_the_past_does_not_turn_time_back) {
  start([this]() -> net::awaitable<void> {
    co_await clock.until(0, 50us);
    co_await clock.until(0, 20us);
    say("first", 0);
    clock.leave(0);
  });
  start([this]() -> net::awaitable<void> {
    co_await clock.until(1, 60us);
    say("second", 1);
    clock.leave(1);
  });
  io.run();
  BOOST_TEST(said == "first@50 second@60 ");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace virtual_clock_test
