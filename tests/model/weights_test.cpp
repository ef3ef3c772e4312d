#include "model/weights.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <limits>
#include <numeric>
#include <random>

namespace weights_test {

using namespace kith::model;

namespace data = boost::unit_test::data;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

BOOST_AUTO_TEST_SUITE(weights_tests)

BOOST_AUTO_TEST_CASE(freshness_halves_every_half_life) {
  BOOST_TEST(freshness(0, 4) == 1);
  BOOST_TEST(freshness(4, 4) == 0.5);
  BOOST_TEST(freshness(8, 4) == 0.25);
  BOOST_TEST(freshness(2, 4) == std::sqrt(0.5), boost::test_tools::tolerance(1e-12));
}

BOOST_AUTO_TEST_CASE(freshness_of_senseless_arguments_is_still_a_weight) {
  BOOST_TEST(freshness(-3, 4) == 1);
  BOOST_TEST(freshness(kNaN, 4) == 0);
  BOOST_TEST(freshness(kInfinity, kInfinity) == 0);
  BOOST_TEST(freshness(1, kInfinity) == 1);
  for (const double half_life : {0.0, -1.0, kNaN}) {
    BOOST_TEST(freshness(1, half_life) == 0);
    BOOST_TEST(freshness(0, half_life) == 1);
  }
}

BOOST_AUTO_TEST_CASE(equally_fresh_members_weigh_as_much_as_i_do) {
  const std::vector<double> ages(3, 0.0);
  BOOST_TEST(aggregation_weights(ages, 4) == std::vector<double>(4, 0.25),
             boost::test_tools::per_element());
  BOOST_TEST(aggregation_weights({}, 4) == std::vector<double>{1.0},
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_stale_member_weighs_less_and_one_that_never_came_nothing) {
  const std::vector<double> ages{0, 4, kNaN};
  const std::vector<double> expected{0.4, 0.4, 0.2, 0};
  BOOST_TEST(aggregation_weights(ages, 4) == expected, boost::test_tools::per_element());
}

BOOST_DATA_TEST_CASE(weights_are_always_a_mean, data::xrange(30U), seed) {
  std::mt19937 random(seed);
  std::cauchy_distribution<double> wild(3, 10);
  std::vector<double> ages(random() % 20);
  for (auto& age : ages) age = random() % 7 == 0 ? kNaN : wild(random);
  const auto weights = aggregation_weights(ages, wild(random));
  BOOST_TEST_REQUIRE(weights.size() == ages.size() + 1);
  for (const double weight : weights) {
    BOOST_TEST(weight >= 0);
    BOOST_TEST(weight <= weights[0]);
  }
  BOOST_TEST(std::accumulate(weights.begin(), weights.end(), 0.0) == 1,
             boost::test_tools::tolerance(1e-12));
}

/// Searches where the loss of example i is |weight of model 0 - best| + noise of its own.
std::vector<double> searched(double best, double noise, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> deviation(0, static_cast<float>(noise));
  const auto losses_of = [&](const std::vector<double>& weights) {
    std::vector<float> losses(30, static_cast<float>(std::abs(weights[0] - best)));
    for (float& loss : losses) loss += deviation(random);
    return losses;
  };
  const std::vector<double> start{1, 1, 1};
  WeightSearch search(start, losses_of({1.0 / 3, 1.0 / 3, 1.0 / 3}));
  int measurements = 0;
  while (const auto weights = search.next()) {
    BOOST_TEST(std::reduce(weights->begin(), weights->end()) == 1,
               boost::test_tools::tolerance(1e-9));
    search.record(losses_of(*weights));
    ++measurements;
  }
  BOOST_TEST(measurements <= 6);
  return search.weights();
}

BOOST_AUTO_TEST_CASE(a_search_moves_weight_to_where_the_loss_is_lower) {
  BOOST_TEST(searched(0.8, 0, 1)[0] == 2.0 / 3, boost::test_tools::tolerance(0.15));
  BOOST_TEST(searched(0.1, 0, 1)[0] < 0.25);
  BOOST_TEST(searched(1.0 / 3, 0, 1)[0] == 1.0 / 3, boost::test_tools::tolerance(1e-9));
}

BOOST_AUTO_TEST_CASE(a_search_leaves_the_weights_alone_where_chance_is_larger_than_the_gain) {
  int moved = 0;
  for (unsigned seed = 0; seed < 100; ++seed) {
    moved += std::abs(searched(0.34, 1, seed)[0] - 1.0 / 3) > 0.01 ? 1 : 0;
  }
  BOOST_TEST(moved < 60);  // six looks at one standard error each
}

/// The own share of an average of 1 + `others` models, where the loss of an example is the distance
/// of the own share from `best`, and noise of its own.
double share_found(double best, std::size_t others, double noise, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> deviation(0, static_cast<float>(noise));
  const auto losses_of = [&](double share) {
    std::vector<float> losses(50, static_cast<float>(std::abs(share - best)));
    for (float& loss : losses) loss += deviation(random);
    return losses;
  };
  std::vector<double> start(1 + others, 1);
  start.back() = 0.5;  // a stale one
  const double sum = std::reduce(start.begin(), start.end());
  OwnShare search(start, losses_of(1 / sum));
  while (const auto weights = search.next()) {
    BOOST_TEST(std::reduce(weights->begin(), weights->end()) == 1,
               boost::test_tools::tolerance(1e-9));
    BOOST_TEST(weights->back() == (*weights)[1] / 2, boost::test_tools::tolerance(1e-9));
    search.record(losses_of((*weights)[0]));
  }
  return search.weights()[0];
}

BOOST_AUTO_TEST_CASE(who_would_drown_among_many_gets_the_share_that_suits_it_best) {
  BOOST_TEST(share_found(0.5, 14, 0, 1) == 0.5);
  BOOST_TEST(share_found(0.3, 14, 0, 1) == 0.25);
  BOOST_TEST(share_found(0.9, 14, 0, 1) == 0.75);
  BOOST_TEST(share_found(0.75, 2, 0, 1) == 0.75);
}

BOOST_AUTO_TEST_CASE(equal_weights_stay_where_they_are_best_or_chance_is_larger_than_the_gain) {
  BOOST_TEST(share_found(1.0 / 14.5, 14, 0, 1) == 1 / 14.5, boost::test_tools::tolerance(1e-9));
  int moved = 0;
  for (unsigned seed = 0; seed < 200; ++seed) {
    moved += share_found(0.1, 3, 0.5, seed) > 0.3 ? 1 : 0;  // the present share, 1/3.5, is the best
  }
  BOOST_TEST(moved < 20);
}

BOOST_AUTO_TEST_CASE(a_share_that_is_large_already_or_all_there_is_is_left_alone) {
  const std::vector<float> losses{1, 2};
  for (const std::vector<double>& weights : {std::vector{1.0}, {1.0, 0.0}, {3.0, 1.0}}) {
    BOOST_TEST(!OwnShare(weights, losses).next());
  }
}

BOOST_AUTO_TEST_CASE(losses_that_are_no_numbers_are_never_better) {
  const std::vector<float> losses{1, 2}, broken{0, std::numeric_limits<float>::quiet_NaN()};
  OwnShare search({1, 1}, losses);
  while (search.next()) search.record(broken);
  BOOST_TEST(search.weights()[0] == 0.5);
}

BOOST_AUTO_TEST_CASE(one_model_has_nothing_to_search) {
  const std::vector<float> losses{1, 2};
  WeightSearch search({1}, losses);
  BOOST_TEST(!search.next());
  BOOST_TEST(search.weights() == std::vector<double>{1.0}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace weights_test
