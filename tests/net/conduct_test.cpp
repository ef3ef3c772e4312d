#include "net/conduct.hpp"

#include "net/limits.hpp"

#include <boost/test/unit_test.hpp>

namespace conduct_test {

using namespace kith;
using namespace kith::net;

BOOST_AUTO_TEST_SUITE(conduct_tests)

BOOST_AUTO_TEST_CASE(standing_rises_with_use_sinks_with_blame_and_fades) {
  Conduct conduct;
  const NodeId peer{};
  Instant now{};
  BOOST_TEST(conduct.standing(now, peer) == 0);
  conduct.praise(now, peer, 8 << 20);
  BOOST_TEST(conduct.standing(now, peer) == 8 * Conduct::kUsefulMebibyte);
  now += Conduct::kHalves;
  BOOST_TEST(conduct.standing(now, peer) == 4 * Conduct::kUsefulMebibyte);
  conduct.blame(now, peer, Conduct::kForgery);
  BOOST_TEST(conduct.standing(now, peer) == 4 * Conduct::kUsefulMebibyte - Conduct::kForgery);
}

BOOST_AUTO_TEST_CASE(standing_has_a_most_so_that_long_service_buys_no_long_mischief) {
  Conduct conduct;
  const NodeId peer{};
  const Instant now{};
  for (int i = 0; i < 1000; ++i) conduct.praise(now, peer, 8 << 20);
  BOOST_TEST(conduct.standing(now, peer) == Conduct::kMost);
  for (int i = 0; i < 1000; ++i) conduct.blame(now, peer, Conduct::kForgery);
  BOOST_TEST(conduct.standing(now, peer) == -Conduct::kMost);
}

BOOST_AUTO_TEST_CASE(effort_beyond_what_time_has_paid_off_is_refused) {
  Conduct conduct;
  const NodeId peer{};
  Instant now{};
  int afforded = 0;
  while (conduct.afford(now, peer, limits::kAccusationEffort)) ++afforded;
  BOOST_TEST(afforded == limits::kEffortAtOnce / limits::kAccusationEffort);
  now += limits::kAccusationEffort;
  BOOST_TEST(conduct.afford(now, peer, limits::kAccusationEffort));
  BOOST_TEST(!conduct.afford(now, peer, limits::kAccusationEffort));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace conduct_test
