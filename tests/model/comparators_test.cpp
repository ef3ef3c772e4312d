#include "model/comparators.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <set>
#include <stdexcept>

namespace comparators_test {

using namespace kith::model;
namespace data = boost::unit_test::data;
using Indices = std::vector<std::size_t>;
using Numbers = std::vector<double>;

constexpr int kDraws = 20'000;

/// How often each index is drawn first, as a fraction.
template <class Draw>
Numbers frequencies(std::size_t size, Draw draw) {
  std::mt19937_64 random(1);
  Numbers counts(size);
  for (int i = 0; i < kDraws; ++i) counts[draw(random).front()] += 1.0 / kDraws;
  return counts;
}

BOOST_AUTO_TEST_SUITE(comparators_tests)

BOOST_AUTO_TEST_CASE(trimmed_mean_leaves_out_the_extremes_of_each_coordinate_by_itself) {
  const std::vector<std::vector<float>> models{{1, 100}, {2, 10}, {3, 20}, {-50, 30}};
  BOOST_TEST((trimmed_mean(models, 0) == std::vector<float>{-11, 40}));
  BOOST_TEST((trimmed_mean(models, 1) == std::vector<float>{1.5F, 25}));
  const std::vector<std::vector<float>> odd{{1}, {std::nanf("")}, {2}};
  BOOST_TEST((trimmed_mean(odd, 1) == std::vector<float>{2}));  // the median
  BOOST_CHECK_THROW(static_cast<void>(trimmed_mean(odd, 2)), std::invalid_argument);
  BOOST_CHECK_THROW(static_cast<void>(trimmed_mean({{1}, {1, 2}}, 0)), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(fomo_weighs_the_gain_by_the_distance) {
  const Numbers losses{0.5, 1.5, 1, 0.5};
  const Numbers distances{2, 1, 3, 0};
  BOOST_TEST((fomo_weights(1, losses, distances) == Numbers{0.25, -0.5, 0, 0}));
  BOOST_CHECK_THROW(static_cast<void>(fomo_weights(1, losses, Numbers{1})), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(shares_add_up_to_one_and_the_harmful_get_none) {
  BOOST_TEST((positive_share(Numbers{3, -5, 1}) == Numbers{0.75, 0, 0.25}));
  BOOST_TEST((positive_share(Numbers{-1, 0}) == Numbers{0, 0}));
  BOOST_TEST(positive_share({}).empty());
}

BOOST_AUTO_TEST_CASE(the_greedy_take_the_best_and_the_curious_anybody) {
  const Numbers scores{0, 5, -1, 3};
  std::mt19937_64 random(1);
  BOOST_TEST((epsilon_greedy(scores, 3, 0, random) == Indices{1, 3, 0}));
  const Numbers curious = frequencies(
      4, [&](std::mt19937_64& source) { return epsilon_greedy(scores, 2, 0.4, source); });
  BOOST_TEST(curious[1] == 0.6 + 0.1, boost::test_tools::tolerance(0.05));
  for (const std::size_t other : {0U, 2U, 3U}) {
    BOOST_TEST(curious[other] == 0.1, boost::test_tools::tolerance(0.1));
  }
}

BOOST_AUTO_TEST_CASE(the_greedy_break_ties_by_chance) {
  const Numbers scores{1, 0, 1};
  const Numbers first =
      frequencies(3, [&](std::mt19937_64& source) { return epsilon_greedy(scores, 1, 0, source); });
  BOOST_TEST(first[0] == 0.5, boost::test_tools::tolerance(0.05));
  BOOST_TEST(first[1] == 0.0);
}

BOOST_AUTO_TEST_CASE(weights_between_two_models_go_down_the_gradient_and_stay_between) {
  std::vector<float> weights{0.5F, 0.5F, 0.5F, 1};
  const std::vector<float> gradient{1, -1, 9, -1}, from{0, 0, 1, 2}, to{0.25F, 0.25F, 2, 2};
  move_between(weights, gradient, from, to, 1);
  BOOST_TEST((weights == std::vector<float>{0.25F, 0.75F, 0, 1}));
}

BOOST_AUTO_TEST_CASE(softmax_sampling_follows_the_softmax) {
  const Numbers scores{0, 0.5, 1};
  const Numbers first =
      frequencies(3, [&](std::mt19937_64& source) { return softmax_sample(scores, 2, 2, source); });
  const double sum = std::exp(0) + std::exp(1) + std::exp(2);
  for (int i = 0; i < 3; ++i) {
    BOOST_TEST(first[static_cast<std::size_t>(i)] == std::exp(i) / sum,
               boost::test_tools::tolerance(0.06));
  }
}

BOOST_AUTO_TEST_CASE(huge_scores_do_not_overflow) {
  std::mt19937_64 random(1);
  BOOST_TEST((softmax_sample(Numbers{1, 1e6, 1e7}, 30, 2, random) == Indices{2, 1}));
}

BOOST_DATA_TEST_CASE(nobody_is_drawn_twice, data::xrange(7), count) {
  std::mt19937_64 random(1);
  const Numbers scores{0, 1, 2, 3};
  const std::size_t wanted = static_cast<std::size_t>(count);
  for (const Indices& drawn :
       {softmax_sample(scores, 1, wanted, random), epsilon_greedy(scores, wanted, 0.5, random)}) {
    BOOST_TEST(drawn.size() == std::min<std::size_t>(wanted, 4));
    BOOST_TEST(std::set(drawn.begin(), drawn.end()).size() == drawn.size());
  }
}

BOOST_AUTO_TEST_CASE(of_two_who_know_a_stranger_the_more_similar_is_believed) {
  const std::vector<Hearsay> heard{{0.5, {{"x", 1}, {"y", 2}}}, {0.9, {{"x", 3}, {"z", 4}}}};
  BOOST_TEST((two_hop(heard) == Similarities{{"x", 3}, {"y", 2}, {"z", 4}}));
  BOOST_TEST(two_hop({}).empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace comparators_test
