#include "model/score.hpp"

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <limits>

namespace score_test {

using namespace kith::model;

/// The mean score of who gives a class the chance `said` where its chance is `true_chance`, of two.
double expected(double said, double true_chance) {
  return true_chance * score(-std::log(said), 2) + (1 - true_chance) * score(-std::log1p(-said), 2);
}

BOOST_AUTO_TEST_SUITE(score_tests)

BOOST_AUTO_TEST_CASE(a_score_goes_from_zero_to_the_worst_and_says_what_the_mixed_prediction_says) {
  BOOST_TEST(score(0, 10) == 0);
  BOOST_TEST(worst_score(10) == std::log(991), boost::test_tools::tolerance(1e-12));
  BOOST_TEST(score(1000, 10) == worst_score(10));
  const double mixed = 0.99 * std::exp(-2.0) + 0.001, sure = 0.99 + 0.001;
  BOOST_TEST(score(2, 10) == std::log(sure / mixed), boost::test_tools::tolerance(1e-12));
}

BOOST_AUTO_TEST_CASE(a_loss_that_is_none_counts_as_the_worst) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (const double loss : {kInfinity, -kInfinity, -1.0, std::nan("")}) {
    BOOST_TEST(score(loss, 3) == worst_score(3));
  }
}

BOOST_AUTO_TEST_CASE(who_says_what_it_knows_beats_who_is_always_certain) {
  BOOST_TEST(expected(2.0 / 3, 2.0 / 3) < 0.5 * expected(1 - 1e-9, 2.0 / 3));
}

BOOST_AUTO_TEST_CASE(nothing_is_gained_by_saying_much_more_or_less_than_one_knows) {
  for (const double truth : {0.1, 0.3, 0.5, 0.8, 0.95}) {
    for (double said = 0.01; said < 1; said += 0.01) {
      if (std::abs(said - truth) < 0.02) continue;
      BOOST_TEST(expected(truth, truth) < expected(said, truth));
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace score_test
