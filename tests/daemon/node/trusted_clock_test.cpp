#include "daemon/node/trusted_clock.hpp"

#include <boost/test/unit_test.hpp>

namespace trusted_clock_test {

using namespace kith::daemon;
using namespace std::chrono_literals;

/// A wall clock that can be set, beside one that only goes on.
struct Clocks {
  TrustedClock::Wall wall{std::chrono::hours(24 * 20'000)};
  TrustedClock::Steady steady{1000h};
  TrustedClock clock{wall, steady};

  TrustedClock::Look pass(std::chrono::seconds time) {
    wall += time;
    steady += time;
    return clock.look(wall, steady);
  }
};

BOOST_FIXTURE_TEST_SUITE(trusted_clock_tests, Clocks)

BOOST_AUTO_TEST_CASE(time_that_passes_as_it_should_is_believed) {
  for (int i = 0; i < 100; ++i) {
    const auto look = pass(1h);
    BOOST_TEST((look.now == wall));
    BOOST_TEST(!look.jumped);
  }
}

BOOST_AUTO_TEST_CASE(clock_that_is_slewed_is_followed) {
  for (int i = 0; i < 1000; ++i) {
    wall += 50ms;  // in a second
    const auto look = pass(1s);
    BOOST_TEST(!look.jumped);
    BOOST_TEST((look.now == wall));
  }
}

BOOST_AUTO_TEST_CASE(clock_that_jumps_for_two_seconds_is_not_believed) {
  const auto before = wall;
  wall += 24h * 400;
  const auto wrong = pass(1s);
  BOOST_TEST(wrong.jumped);
  BOOST_TEST((wrong.now == before + 1s));
  BOOST_TEST(!pass(1s).jumped);
  wall -= 24h * 400;
  const auto right = pass(1s);
  BOOST_TEST(right.jumped);
  BOOST_TEST((right.now == wall));
}

BOOST_AUTO_TEST_CASE(clock_that_stays_elsewhere_is_believed_after_a_day) {
  wall -= 24h * 30;
  BOOST_TEST(pass(1s).jumped);
  for (int i = 0; i < 23; ++i) BOOST_TEST((pass(1h).now > wall));
  (void)pass(1h);
  BOOST_TEST((pass(1h).now == wall));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace trusted_clock_test
