#include "model/gate.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <limits>
#include <random>
#include <vector>

namespace gate_test {

using namespace kith::model;

namespace data = boost::unit_test::data;

/// Losses of sixteen examples with this mean, alternately `spread` above and below it; the first
/// one goes the way of `phase`.
std::vector<float> losses(double mean, double spread = 0, std::size_t phase = 0) {
  std::vector<float> all;
  for (std::size_t i = 0; i < 16; ++i) {
    all.push_back(static_cast<float>(mean + ((i + phase) % 2 == 0 ? spread : -spread)));
  }
  return all;
}

Served served(const std::vector<float>& baseline, const std::vector<float>& averaged,
              const std::vector<float>& partial) {
  return Gate().choose(1, {baseline, averaged, partial}).served;
}

BOOST_AUTO_TEST_SUITE(gate_tests)

BOOST_AUTO_TEST_CASE(where_there_is_no_doubt_the_lowest_loss_is_served) {
  BOOST_TEST((served(losses(0.5), losses(0.6), losses(0.7)) == Served::baseline));
  BOOST_TEST((served(losses(0.7), losses(0.5), losses(0.6)) == Served::averaged));
  BOOST_TEST((served(losses(0.7), losses(0.6), losses(0.5)) == Served::partial));
}

BOOST_AUTO_TEST_CASE(among_equals_the_averaged_wins_then_the_partial) {
  BOOST_TEST((served(losses(0.5), losses(0.5), losses(0.5)) == Served::averaged));
  BOOST_TEST((served(losses(0.5), losses(0.6), losses(0.5)) == Served::partial));
}

BOOST_AUTO_TEST_CASE(doubt_goes_in_favour_of_the_averaged_model) {
  // The paired difference has standard error 0.4 / sqrt(15) = 0.103.
  BOOST_TEST((served(losses(1), losses(1.19, 0.4), losses(1)) == Served::averaged));
  BOOST_TEST((served(losses(1), losses(1.23, 0.4), losses(1)) == Served::partial));
  BOOST_TEST((served(losses(1), losses(1.23, 0.4), losses(1.23, 0.4)) == Served::baseline));
}

BOOST_AUTO_TEST_CASE(doubt_is_about_pairs_of_examples) {
  // Two models that find the same examples hard: even a small difference is certain.
  const auto baseline = losses(1, 0.4), alike = losses(1.05, 0.4), unlike = losses(1.05, 0.4, 1);
  BOOST_TEST((served(baseline, alike, alike) == Served::baseline));
  BOOST_TEST((served(baseline, unlike, alike) == Served::averaged));
}

BOOST_AUTO_TEST_CASE(a_model_without_losses_or_with_infinite_ones_never_wins) {
  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    BOOST_TEST((served(losses(0.5), losses(bad), losses(bad)) == Served::baseline));
    BOOST_TEST((served(losses(bad), losses(0.5), losses(bad)) == Served::averaged));
    BOOST_TEST((served(losses(bad), losses(bad), losses(0.5)) == Served::partial));
    BOOST_TEST((served({}, losses(bad), losses(0.5)) == Served::partial));
    const auto nothing = losses(bad);
    const auto none = Gate().choose(1, {nothing, nothing, nothing});
    BOOST_TEST((none.served == Served::baseline));
    BOOST_TEST(none.reason.find("no model has a finite loss") != std::string::npos);
  }
  BOOST_TEST((served({}, losses(0.9), losses(0.5)) == Served::partial));
}

BOOST_DATA_TEST_CASE(what_is_served_is_never_clearly_worse_than_the_baseline, data::xrange(100U),
                     seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> loss(1, 0.5F);
  const auto draw = [&](float shift) {
    std::vector<float> all(30);
    for (float& one : all) one = loss(random) + shift;
    return all;
  };
  const auto baseline = draw(0), averaged = draw(0.1F), partial = draw(0.1F);
  const auto chosen = served(baseline, averaged, partial);
  const auto& its = chosen == Served::averaged  ? averaged
                    : chosen == Served::partial ? partial
                                                : baseline;
  BOOST_TEST(!clearly_worse(its, baseline));
}

BOOST_AUTO_TEST_CASE(what_one_round_cannot_tell_many_can) {
  // Within the doubt of a round, and the same in each.
  Gate gate;
  const auto baseline = losses(1), averaged = losses(1.1, 0.4);
  std::uint64_t round = 1;
  while (gate.choose(round, {baseline, averaged, averaged}).served == Served::averaged) {
    BOOST_TEST_REQUIRE(++round <= 12U);
  }
  BOOST_TEST(round > 2U);
  BOOST_TEST(
      (gate.choose(round + 1, {baseline, losses(0.9), averaged}).served == Served::averaged));
}

BOOST_AUTO_TEST_CASE(baseline_is_in_question_until_the_rounds_say_that_it_is_worse) {
  Gate gate;
  BOOST_TEST(gate.baseline_in_question());
  const auto averaged = losses(1), baseline = losses(1.15, 0.4);
  static_cast<void>(gate.choose(1, {baseline, averaged, averaged}));
  BOOST_TEST(gate.baseline_in_question());
  for (std::uint64_t round = 2; round <= 5; ++round) {
    static_cast<void>(gate.choose(round, {baseline, averaged, averaged}));
  }
  BOOST_TEST(!gate.baseline_in_question());
}

BOOST_AUTO_TEST_CASE(the_running_average_is_served_unless_another_is_clearly_better) {
  const auto served_with = [](const std::vector<float>& averaged, const std::vector<float>& running) {
    const auto baseline = losses(1), partial = losses(1);
    return Gate().choose(1, {baseline, averaged, partial, running}).served;
  };
  BOOST_TEST((served_with(losses(0.5), losses(0.4)) == Served::running));
  BOOST_TEST((served_with(losses(0.5), losses(0.5)) == Served::running));
  BOOST_TEST((served_with(losses(0.5), losses(0.55, 0.4)) == Served::running));
  BOOST_TEST((served_with(losses(0.5), losses(0.6)) == Served::averaged));
  BOOST_TEST((served_with(losses(1.2), losses(1.1)) == Served::partial));
  BOOST_TEST((served_with(losses(0.5), {}) == Served::averaged));
}

BOOST_AUTO_TEST_CASE(the_best_of_before_is_served_where_all_of_this_round_are_clearly_worse) {
  const auto served_with = [](const std::vector<float>& partial,
                              const std::vector<float>& baseline) {
    const auto averaged = losses(1), running = losses(1.1), best = losses(0.6);
    return Gate().choose(1, {baseline, averaged, partial, running, best}).served;
  };
  BOOST_TEST((served_with(losses(1.2), losses(1)) == Served::best));
  BOOST_TEST((served_with(losses(1.2), losses(0.65)) == Served::best));
  BOOST_TEST((served_with(losses(1.2), losses(0.5)) == Served::baseline));
  BOOST_TEST((served_with(losses(0.7, 0.9), losses(1)) == Served::partial));  // not clearly
}

BOOST_AUTO_TEST_CASE(what_gets_a_little_worse_in_each_round_is_left_for_the_best_of_before) {
  Gate gate;
  const auto baseline = losses(2), best = losses(0.6);
  const auto served_in = [&](std::uint64_t round, double loss) {
    const auto now = losses(loss, 0.4);
    return gate.choose(round, {baseline, now, now, now, best}).served;
  };
  BOOST_TEST((served_in(1, 0.7) == Served::running));  // by one standard error
  std::uint64_t round = 2;
  while (round < 20 && served_in(round, 0.7) == Served::running) ++round;
  BOOST_TEST(round < 10);
  BOOST_TEST((served_in(round + 1, 0.5) == Served::running));
}

BOOST_AUTO_TEST_CASE(the_reason_has_the_numbers) {
  const auto a = losses(0.75), b = losses(0.5), c = losses(0.625);
  BOOST_TEST(Gate().choose(1, {a, b, c}).reason ==
             "serving the averaged model, as none is clearly better (validation loss: baseline "
             "0.75, averaged 0.5, partial 0.625, on 16 examples)");
  BOOST_TEST(Gate().choose(1, {a, b, c, b}).reason ==
             "serving the running average of the rounds, as none is clearly better (validation "
             "loss: baseline 0.75, running average 0.5, averaged 0.5, partial 0.625, on 16 examples)");
  BOOST_TEST(Gate().choose(1, {a, b, c, a}).reason ==
             "serving the averaged model, as the running average is clearly worse (validation "
             "loss: baseline 0.75, running average 0.75, averaged 0.5, partial 0.625, on 16 examples)");
  const auto d = losses(0.25);
  BOOST_TEST(
      Gate().choose(1, {a, b, c, a, d}).reason ==
      "serving the best model of before, as those of this round are clearly worse (validation "
      "loss: baseline 0.75, running average 0.75, averaged 0.5, partial 0.625, best before "
      "0.25, on 16 examples)");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace gate_test
