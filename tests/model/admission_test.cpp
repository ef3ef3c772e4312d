#include "model/admission.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>

namespace admission_test {

using namespace kith::model;

namespace data = boost::unit_test::data;

RelativeInfluence rho(double value, double half_width = 0.1) {
  return {.rho = value,
          .low = value - half_width,
          .high = value + half_width,
          .influence = {},
          .own = {},
          .yardstick = {},
          .against = Yardstick::own};
}

RelativeInfluence nothing() {
  auto result = rho(0, std::numeric_limits<double>::infinity());
  result.against = Yardstick::nothing;
  return result;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != text.npos;
}

/// Scores a peer named "p" with these rhos in rounds 1, 2, 3 ...; returns the last decision.
Admission::Decision after(Admission& admission, std::initializer_list<double> rhos) {
  std::uint64_t round = 0;
  for (const double value : rhos) (void)admission.score("p", ++round, rho(value));
  return *admission.find("p");
}

BOOST_AUTO_TEST_SUITE(admission_tests)

BOOST_AUTO_TEST_CASE(a_useful_peer_is_admitted_at_once_and_a_useless_one_is_not) {
  Admission admission;
  const auto useful = admission.score("useful", 3, rho(0.9));
  BOOST_TEST(useful.admitted);
  BOOST_TEST(useful.since == 3U);
  BOOST_TEST(useful.reason ==
             "admitted in round 3: its smoothed rho 0.9 is above 0.5 and its interval [0.8, 1] is "
             "above zero");
  const auto useless = admission.score("useless", 3, rho(0.2, 0.3));
  BOOST_TEST(!useless.admitted);
  BOOST_TEST(useless.reason ==
             "not admitted: its smoothed rho 0.2 (interval [-0.1, 0.5]) is not above 0.5");
}

BOOST_AUTO_TEST_CASE(a_high_rho_that_may_as_well_be_zero_is_not_admitted) {
  Admission admission;
  const auto decision = admission.score("p", 1, rho(0.9, 1.0));
  BOOST_TEST(!decision.admitted);
  BOOST_TEST(contains(decision.reason, "too uncertain"));
  BOOST_TEST(!admission.score("p", 2, rho(0.9, 0.85)).admitted);  // low: -0.1, then -0.025
  BOOST_TEST(admission.score("p", 3, rho(0.9, 0.85)).admitted);   // 0.0125
}

BOOST_AUTO_TEST_CASE(rho_and_bounds_are_smoothed_by_an_average_of_one_half) {
  Admission admission;
  const auto decision = after(admission, {0.8, 0.4, 0.2});
  BOOST_TEST(decision.rho == 0.4, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(decision.low == 0.3, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(decision.high == 0.5, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(decision.latest.rho == 0.2);
  BOOST_TEST(decision.scored == 3U);
  BOOST_TEST(decision.scores == 3U);
}

BOOST_AUTO_TEST_CASE(between_the_thresholds_a_peer_stays_what_it_was) {
  Admission in, out;
  BOOST_TEST(after(in, {0.9, 0.35, 0.42, 0.43}).admitted);
  BOOST_TEST(in.find("p")->since == 1U);
  BOOST_TEST(contains(in.find("p")->reason, "still admitted"));
  BOOST_TEST(!after(out, {0.1, 0.49, 0.49, 0.49, 0.49}).admitted);
}

BOOST_AUTO_TEST_CASE(a_peer_whose_smoothed_rho_sinks_is_dropped) {
  Admission admission;
  BOOST_TEST(after(admission, {0.6, 0.35}).admitted);             // 0.475
  const auto decision = admission.score("p", 3, rho(0.31, 0.1));  // 0.3925, newest high 0.41
  BOOST_TEST(!decision.admitted);
  BOOST_TEST(decision.since == 3U);
  BOOST_TEST(contains(decision.reason, "dropped in round 3: its smoothed rho 0.39"));
  BOOST_TEST(contains(decision.reason, "is below 0.4"));
}

BOOST_AUTO_TEST_CASE(
    a_peer_clearly_worse_than_training_alone_is_out_however_far_above_the_reference) {
  Admission admission;
  BOOST_TEST(after(admission, {0.9, 0.9}).admitted);
  RelativeInfluence stranger = rho(0.9);  // late, everybody is far better than M0
  stranger.objection =
      "its newest model is clearly worse on my validation data than the best I learnt alone";
  const auto dropped = admission.score("p", 3, stranger);
  BOOST_TEST(!dropped.admitted);
  BOOST_TEST(contains(dropped.reason, "dropped in round 3"));
  BOOST_TEST(
      contains(dropped.reason, "clearly worse on my validation data than the best I learnt"));
  BOOST_TEST(admission.score("p", 4, rho(0.9)).admitted);  // it may come back
}

BOOST_AUTO_TEST_CASE(a_peer_that_turns_harmful_is_dropped_in_the_same_round_whatever_its_past) {
  Admission admission;
  BOOST_TEST(after(admission, {2, 2, 2}).admitted);
  const auto decision = admission.score("p", 4, rho(-0.2));
  BOOST_TEST(decision.rho > 0.5);
  BOOST_TEST(!decision.admitted);
  BOOST_TEST(contains(decision.reason, "[-0.3, -0.1] of its newest score is wholly below 0.4"));
}

BOOST_AUTO_TEST_CASE(one_wild_round_is_forgotten_in_a_few) {
  Admission admission;
  (void)admission.score("p", 1, rho(-1e9));
  std::uint64_t round = 1;
  while (!admission.score("p", ++round, rho(1)).admitted) BOOST_TEST_REQUIRE(round < 10U);
  BOOST_TEST(round == 4U);  // -2, -0.5, 0.25, 0.625
}

BOOST_AUTO_TEST_CASE(after_a_gap_the_past_counts_as_much_less) {
  Admission admission;
  (void)admission.score("p", 1, rho(0));
  const auto decision = admission.score("p", 4, rho(0.8));
  BOOST_TEST(decision.rho == 0.8 * (1 - 0.125), boost::test_tools::tolerance(1e-12));
}

BOOST_AUTO_TEST_CASE(an_admitted_peer_that_is_not_scored_is_dropped_when_its_score_is_too_old) {
  Admission admission;
  (void)admission.score("p", 5, rho(0.9));
  (void)admission.score("q", 9, rho(0.9));
  BOOST_TEST(admission.expire(15).empty());
  const auto expired = admission.expire(16);
  BOOST_TEST_REQUIRE(expired.size() == 1U);
  BOOST_TEST(expired[0].peer == "p");
  BOOST_TEST(expired[0].reason ==
             "dropped in round 16: it was last scored in round 5, more than 10 rounds ago");
  BOOST_TEST(admission.admitted() == std::vector<std::string>{"q"},
             boost::test_tools::per_element());
  BOOST_TEST(admission.expire(16).empty());
  BOOST_TEST(admission.score("p", 17, rho(0.9)).admitted);
}

BOOST_AUTO_TEST_CASE(a_score_against_nothing_changes_nothing) {
  Admission admission;
  BOOST_TEST(!admission.score("new", 1, nothing()).admitted);
  BOOST_TEST(contains(admission.find("new")->reason, "nothing to compare with"));
  const auto before = after(admission, {0.9});
  const auto& decision = admission.score("p", 2, nothing());
  BOOST_TEST(decision.admitted);
  BOOST_TEST(decision.rho == before.rho);
  BOOST_TEST(decision.scored == 1U);
  BOOST_TEST(decision.reason == before.reason);
}

BOOST_AUTO_TEST_CASE(the_admitted_come_most_influential_first) {
  Admission admission;
  (void)admission.score("a", 1, rho(0.7));
  (void)admission.score("b", 1, rho(1.2));
  (void)admission.score("c", 1, rho(0.1));
  (void)admission.score("d", 1, rho(0.9));
  BOOST_TEST(admission.admitted() == (std::vector<std::string>{"b", "d", "a"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_forgotten_peer_starts_anew) {
  Admission admission;
  (void)admission.score("p", 1, rho(-2));
  admission.forget("p");
  admission.forget("never known");
  BOOST_TEST(admission.find("p") == nullptr);
  BOOST_TEST(admission.score("p", 2, rho(0.6)).admitted);
}

BOOST_DATA_TEST_CASE(a_restored_admission_goes_on_as_if_it_had_never_stopped, data::xrange(10U),
                     seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> value(0.5, 0.3);
  Admission original, restored;
  for (std::uint64_t round = 1; round <= 20; ++round) {
    if (round == 10) restored.restore(original.state());
    for (const std::string peer : {"p", "q", "r"}) {
      if (random() % 3 == 0) continue;
      const auto score = rho(value(random), 0.2);
      (void)original.score(peer, round, score);
      if (round >= 10) (void)restored.score(peer, round, score);
    }
    (void)original.expire(round);
    if (round >= 10) (void)restored.expire(round);
  }
  BOOST_TEST(original.admitted() == restored.admitted(), boost::test_tools::per_element());
  for (const auto& decision : original.state()) {
    BOOST_TEST(restored.find(decision.peer)->reason == decision.reason);
    BOOST_TEST(restored.find(decision.peer)->since == decision.since);
  }
}

BOOST_AUTO_TEST_CASE(damaged_state_is_refused_and_changes_nothing) {
  Admission admission;
  const auto good = after(admission, {0.9});
  auto not_a_number = good, twice = good, never_scored = good;
  not_a_number.rho = std::nan("");
  never_scored.scores = 0;
  BOOST_CHECK_THROW(admission.restore({not_a_number}), std::invalid_argument);
  BOOST_CHECK_THROW(admission.restore({never_scored}), std::invalid_argument);
  BOOST_CHECK_THROW(admission.restore({good, twice}), std::invalid_argument);
  BOOST_TEST(admission.find("p")->rho == 0.9);
}

BOOST_AUTO_TEST_CASE(senseless_settings_are_refused) {
  using Settings = Admission::Settings;
  for (const Settings& bad :
       {Settings{.drop_below = 0.6}, Settings{.smoothing = 0}, Settings{.smoothing = 1.5},
        Settings{.smoothing = std::nan("")}, Settings{.bound = 0.5}, Settings{.bound = HUGE_VAL}}) {
    BOOST_CHECK_THROW(Admission{bad}, std::invalid_argument);
  }
}

BOOST_DATA_TEST_CASE(whatever_the_scores_an_admitted_peer_was_never_condemned, data::xrange(20U),
                     seed) {
  std::mt19937 random(seed);
  std::cauchy_distribution<double> wild(0.4, 0.5);
  Admission admission;
  for (std::uint64_t round = 1; round <= 200; ++round) {
    const bool was_admitted = round > 1 && admission.find("p")->admitted;
    const auto score = rho(wild(random), std::abs(wild(random)));
    const auto& decision = admission.score("p", round, score);
    BOOST_TEST(std::abs(decision.rho) <= 2);
    BOOST_TEST(decision.low <= decision.rho);
    BOOST_TEST(decision.rho <= decision.high);
    if (!decision.admitted) continue;
    BOOST_TEST(score.high >= 0.4);
    BOOST_TEST(decision.rho >= 0.4);
    if (!was_admitted) BOOST_TEST((decision.rho > 0.5 && decision.low > 0));
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace admission_test
