#include "net/rate.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>

namespace rate_test {

using namespace std::chrono_literals;
using namespace kith::net;

BOOST_AUTO_TEST_SUITE(rate_tests)

BOOST_AUTO_TEST_CASE(steady_stream_shows_its_rate_from_the_first_seconds_on) {
  Instant now{1h};
  Rate rate(now);
  for (int second = 1; second <= 300; ++second) {
    now += 1s;
    rate.add(now, 1000);
    if (second >= 5) BOOST_TEST(rate.per_second(now) == 1000, boost::test_tools::tolerance(0.1));
  }
}

BOOST_AUTO_TEST_CASE(what_was_long_ago_fades) {
  Instant now{1h};
  Rate rate(now);
  rate.add(now + 1s, 1'000'000);
  BOOST_TEST(rate.per_second(now + 10s) > 10'000);
  BOOST_TEST(rate.per_second(now + 5min) < 100);
}

BOOST_AUTO_TEST_CASE(nothing_is_nothing) {
  const Rate rate(Instant{1h});
  BOOST_TEST(rate.per_second(Instant{1h}) == 0);
  BOOST_TEST(rate.per_second(Instant{2h}) == 0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace rate_test
