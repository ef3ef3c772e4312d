#include "model/doubt.hpp"

#include "model/paired.hpp"

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace doubt_test {

using namespace kith::model;

using Losses = std::vector<float>;

constexpr double kTwo = 2;

/// Sixteen losses that lie `errors` standard errors above sixteen of 1.
Losses above(double errors) {
  Losses losses;
  const double error = 0.1;
  for (int i = 0; i < 16; ++i) {
    losses.push_back(
        static_cast<float>(1 + errors * error + (i % 2 == 0 ? 1 : -1) * error * std::sqrt(15.0)));
  }
  return losses;
}
const Losses kOnes(16, 1);

BOOST_AUTO_TEST_SUITE(doubt_tests)

BOOST_AUTO_TEST_CASE(a_round_that_is_clear_by_itself_decides_at_once) {
  Doubt doubt(kTwo);
  for (std::uint64_t round = 1; round <= 10; ++round) {
    BOOST_TEST(!doubt.clearly_worse("a", round, above(-2), kOnes));
  }
  BOOST_TEST(doubt.clearly_worse("a", 11, above(2.1), kOnes));
}

BOOST_AUTO_TEST_CASE(a_difference_within_the_doubt_of_one_round_is_clear_after_several) {
  Doubt doubt(kTwo);
  std::uint64_t round = 1;
  while (!doubt.clearly_worse("a", round, above(1.2), kOnes)) BOOST_TEST_REQUIRE(++round < 10);
  BOOST_TEST(round == 3U);  // 1.2 times the root of 3 is above 2, the fading included
}

BOOST_AUTO_TEST_CASE(differences_that_come_and_go_are_never_clear) {
  Doubt doubt(kTwo);
  for (std::uint64_t round = 1; round <= 100; ++round) {
    BOOST_TEST(!doubt.clearly_worse("a", round, above(round % 2 == 0 ? 1.5 : -1.5), kOnes));
  }
}

BOOST_AUTO_TEST_CASE(what_is_lower_now_is_not_worse_whatever_was_before) {
  Doubt doubt(kTwo);
  for (std::uint64_t round = 1; round <= 10; ++round) {
    static_cast<void>(doubt.clearly_worse("a", round, above(3), kOnes));
  }
  BOOST_TEST(doubt.standing("a") > kTwo);
  BOOST_TEST(!doubt.clearly_worse("a", 11, above(-0.1), kOnes));
  BOOST_TEST(doubt.clearly_worse("a", 12, above(0.1), kOnes));
}

BOOST_AUTO_TEST_CASE(the_older_counts_less) {
  Doubt doubt(kTwo);
  static_cast<void>(doubt.clearly_worse("a", 1, above(-4), kOnes));
  static_cast<void>(doubt.clearly_worse("a", 100, above(1), kOnes));
  BOOST_TEST(doubt.standing("a") == 1, boost::test_tools::tolerance(1e-3));
}

BOOST_AUTO_TEST_CASE(standing_survives_a_restart) {
  Doubt doubt(kTwo);
  doubt.restore("a", 5, 1.8);
  BOOST_TEST(doubt.standing("a") == 1.8);
  BOOST_TEST(!doubt.clearly_worse("a"));
  BOOST_TEST(doubt.clearly_worse("a", 6, above(1.2), kOnes));
  BOOST_TEST(doubt.clearly_worse("a"));
  doubt.restore("b", 5, std::numeric_limits<double>::infinity());
  BOOST_TEST(doubt.standing("b") == 0);
}

BOOST_AUTO_TEST_CASE(questions_are_told_apart) {
  Doubt doubt(kTwo);
  static_cast<void>(doubt.clearly_worse("a", 1, above(1.9), kOnes));
  BOOST_TEST(doubt.standing("b") == 0);
  BOOST_TEST(!doubt.clearly_worse("b", 2, above(1.9), kOnes));
}

BOOST_AUTO_TEST_CASE(a_model_without_finite_losses_is_worse_and_is_forgiven) {
  Doubt doubt(kTwo);
  const Losses broken(16, std::numeric_limits<float>::quiet_NaN());
  BOOST_TEST(doubt.clearly_worse("a", 1, broken, kOnes));
  for (std::uint64_t round = 2; round < 12; ++round) {
    static_cast<void>(doubt.clearly_worse("a", round, above(-1), kOnes));
  }
  BOOST_TEST(!doubt.clearly_worse("a", 12, above(1), kOnes));
}

BOOST_AUTO_TEST_CASE(equal_models_are_rarely_called_worse) {
  // Ten rounds each; the examples are drawn anew each time.
  std::mt19937 random(1);
  std::normal_distribution<float> noise(0, 1);
  int called = 0;
  for (int node = 0; node < 500; ++node) {
    Doubt doubt(kTwo);
    for (std::uint64_t round = 1; round <= 10; ++round) {
      Losses losses(40), others(40);
      for (std::size_t i = 0; i < losses.size(); ++i) {
        losses[i] = noise(random);
        others[i] = noise(random);
      }
      called += doubt.clearly_worse("a", round, losses, others);
    }
  }
  BOOST_TEST_MESSAGE(called << " of 5000");
  BOOST_TEST(called < 0.06 * 5000);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace doubt_test
