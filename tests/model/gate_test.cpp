#include "model/gate.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <limits>
#include <random>

using namespace kith::model;

namespace {

namespace data = boost::unit_test::data;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

bool serves(Served expected, const ServingLosses& losses,
            std::optional<Served> serving = std::nullopt, double margin = kServingMargin) {
  return choose_served(losses, serving, margin).served == expected;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(gate_tests)

BOOST_AUTO_TEST_CASE(the_lowest_loss_is_served) {
  BOOST_TEST(serves(Served::baseline, {0.5, 0.6, 0.7}));
  BOOST_TEST(serves(Served::averaged, {0.7, 0.5, 0.6}));
  BOOST_TEST(serves(Served::partial, {0.7, 0.6, 0.5}));
}

BOOST_AUTO_TEST_CASE(among_equals_the_averaged_wins_then_the_partial) {
  BOOST_TEST(serves(Served::averaged, {0.5, 0.5, 0.5}));
  BOOST_TEST(serves(Served::partial, {0.5, 0.6, 0.5}));
}

BOOST_AUTO_TEST_CASE(a_loss_that_is_not_finite_never_wins) {
  for (const double bad : {kNaN, kInfinity, -kInfinity}) {
    BOOST_TEST(serves(Served::baseline, {0.5, bad, bad}));
    BOOST_TEST(serves(Served::averaged, {bad, 0.5, bad}));
    BOOST_TEST(serves(Served::partial, {bad, bad, 0.5}));
    BOOST_TEST(serves(Served::baseline, {0.5, bad, 0.6}, Served::averaged, 10));
    const auto none = choose_served({bad, bad, bad});
    BOOST_TEST((none.served == Served::baseline));
    BOOST_TEST(none.reason.find("no model has a finite loss") != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(a_slightly_better_model_does_not_replace_what_is_served) {
  BOOST_TEST(serves(Served::partial, {1, 0.5, 0.504}, Served::partial));
  BOOST_TEST(serves(Served::averaged, {1, 0.5, 0.506}, Served::partial));
  BOOST_TEST(serves(Served::averaged, {1, 0.5, 0.504}, Served::partial, 0));
  BOOST_TEST(serves(Served::baseline, {0.504, 0.5, 0.6}, Served::baseline));
}

BOOST_AUTO_TEST_CASE(what_is_served_goes_at_once_when_it_is_worse_than_the_baseline) {
  BOOST_TEST(serves(Served::baseline, {0.5, 0.5001, 0.6}, Served::averaged));
  BOOST_TEST(serves(Served::partial, {0.5, 0.5001, 0.5}, Served::averaged));
}

BOOST_DATA_TEST_CASE(never_one_worse_than_the_baseline, data::xrange(200U), seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> near(1, 0.02);
  const auto draw = [&] { return random() % 8 == 0 ? kNaN : near(random); };
  const ServingLosses losses{near(random), draw(), draw()};
  for (const auto serving : {Served::baseline, Served::averaged, Served::partial}) {
    const auto decision = choose_served(losses, serving, 0.05);
    BOOST_TEST(decision.loss <= losses.baseline);
  }
}

BOOST_AUTO_TEST_CASE(the_reason_has_the_numbers) {
  BOOST_TEST(
      choose_served({0.71234, 0.5, kNaN}).reason ==
      "serving the averaged model: the lowest loss, and not above the baseline's (validation "
      "loss: baseline 0.7123, averaged 0.5, partial nan)");
  BOOST_TEST(choose_served({0.7, 0.5, 0.501}, Served::partial).reason ==
             "still serving the partial model, as the averaged one is not better by more than 1 % "
             "(validation loss: baseline 0.7, averaged 0.5, partial 0.501)");
  BOOST_TEST(choose_served({0.4, 0.5, 0.6}).reason ==
             "serving the baseline, as no shared model is as good (validation loss: baseline 0.4, "
             "averaged 0.5, partial 0.6)");
}

BOOST_AUTO_TEST_SUITE_END()
