#include "model/influence.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <stdexcept>
#include <vector>

namespace influence_test {

using namespace kith::model;

namespace data = boost::unit_test::data;
using Losses = std::vector<float>;

/// Losses as models have them: every example is as hard for all, and each model gains `gain` on
/// average over the reference, with noise of its own.
struct Models {
  explicit Models(unsigned seed) : random(seed) {}

  void draw(std::size_t examples, std::initializer_list<double> gains) {
    std::normal_distribution<double> noise(0, 0.2), shared(0, 0.2);
    reference.clear();
    models.assign(gains.size(), {});
    for (std::size_t at = 0; at < examples; ++at) {
      const double hardness = 1.5 + shared(random);
      const double easier = shared(random);  // what any training gains on this example
      reference.push_back(static_cast<float>(hardness));
      auto model = models.begin();
      for (const double gain : gains) {
        model++->push_back(static_cast<float>(hardness - gain - easier - noise(random)));
      }
    }
  }

  std::mt19937 random;
  Losses reference;
  std::vector<Losses> models;
};

std::vector<std::span<const float>> spans(const std::vector<Losses>& models) {
  return {models.begin(), models.end()};
}

Losses chosen(const Losses& losses, const std::vector<std::size_t>& rows) {
  Losses result;
  for (const auto row : rows) result.push_back(losses[row]);
  return result;
}

BOOST_AUTO_TEST_SUITE(influence_tests)

BOOST_AUTO_TEST_CASE(influence_is_the_mean_paired_gain_with_its_standard_error) {
  const Losses reference{1, 2, 1, 2}, peer{0.5F, 1, 0.5F, 1};
  const auto estimate = lazy_influence(reference, peer);
  BOOST_TEST(estimate.mean == 0.75);
  // gains .5 1 .5 1: sample variance 1/12, over 4
  BOOST_TEST(estimate.standard_error == std::sqrt(1.0 / 48), boost::test_tools::tolerance(1e-12));
  BOOST_TEST(estimate.examples == 4U);
}

BOOST_AUTO_TEST_CASE(what_is_hard_for_both_does_not_widen_the_error) {
  const Losses reference{0.5F, 2.5F, 1, 2}, peer{0.25F, 2.25F, 0.75F, 1.75F};
  BOOST_TEST(lazy_influence(reference, peer).standard_error == 0);
}

BOOST_AUTO_TEST_CASE(fewer_than_two_examples_prove_nothing) {
  for (const auto& losses : {Losses{}, Losses{1}}) {
    const auto estimate = lazy_influence(losses, losses);
    BOOST_TEST(estimate.mean == 0);
    BOOST_TEST(std::isinf(estimate.standard_error));
    BOOST_TEST(estimate.examples == losses.size());
  }
  const auto relative = relative_influence(Losses{2}, Losses{1}, Losses{1});
  BOOST_TEST((relative.against == Yardstick::nothing));
}

BOOST_AUTO_TEST_CASE(unlike_sizes_are_refused) {
  BOOST_CHECK_THROW((void)lazy_influence(Losses{1, 2}, Losses{1}), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(my_own_model_from_a_peer_is_exactly_as_useful_as_mine) {
  Models m(1);
  m.draw(100, {0.3});
  const auto same = relative_influence(m.reference, m.models[0], m.models[0]);
  BOOST_TEST((same.against == Yardstick::own));
  BOOST_TEST(same.rho == 1, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(same.low == 1, boost::test_tools::tolerance(1e-6));
  BOOST_TEST(same.high == 1, boost::test_tools::tolerance(1e-6));
}

BOOST_AUTO_TEST_CASE(the_reference_itself_is_of_no_use) {
  Models m(2);
  m.draw(100, {0.3});
  const auto none = relative_influence(m.reference, m.models[0], m.reference);
  BOOST_TEST(none.rho == 0);
  BOOST_TEST(std::abs(none.low) < 1e-9);
  BOOST_TEST(std::abs(none.high) < 1e-9);
}

BOOST_DATA_TEST_CASE(the_bounds_are_where_fieller_puts_them, data::xrange(20U), seed) {
  // By definition: at a bound r, mean(peer gain - r own gain) is z standard errors from zero.
  Models m(seed);
  m.draw(60, {0.2, 0.12});
  const auto relative = relative_influence(m.reference, m.models[0], m.models[1]);
  BOOST_TEST_REQUIRE((relative.against == Yardstick::own));
  for (const double bound : {relative.low, relative.high}) {
    double sum = 0, squares = 0;
    const auto n = static_cast<double>(m.reference.size());
    for (std::size_t at = 0; at < m.reference.size(); ++at) {
      const double peer = m.reference[at] - static_cast<double>(m.models[1][at]);
      const double own = m.reference[at] - static_cast<double>(m.models[0][at]);
      sum += peer - bound * own;
      squares += (peer - bound * own) * (peer - bound * own);
    }
    const double mean = sum / n;
    const double error = std::sqrt((squares - n * mean * mean) / (n - 1) / n);
    BOOST_TEST(std::abs(mean) / error == kConfidence95, boost::test_tools::tolerance(1e-4));
  }
}

BOOST_DATA_TEST_CASE(the_interval_agrees_with_a_bootstrap, data::make({3U, 4U, 5U}), seed) {
  Models m(seed);
  m.draw(400, {0.2, 0.1});
  const auto relative = relative_influence(m.reference, m.models[0], m.models[1]);
  BOOST_TEST_REQUIRE((relative.against == Yardstick::own));

  std::vector<double> ratios;
  std::uniform_int_distribution<std::size_t> row(0, m.reference.size() - 1);
  for (int draw = 0; draw < 2000; ++draw) {
    std::vector<std::size_t> rows(m.reference.size());
    for (auto& r : rows) r = row(m.random);
    const auto reference = chosen(m.reference, rows);
    ratios.push_back(lazy_influence(reference, chosen(m.models[1], rows)).mean /
                     lazy_influence(reference, chosen(m.models[0], rows)).mean);
  }
  std::ranges::sort(ratios);
  const double low = ratios[50], high = ratios[1949];  // 2.5 % and 97.5 %
  BOOST_TEST_MESSAGE("Fieller [" << relative.low << ", " << relative.high << "], bootstrap [" << low
                                 << ", " << high << "]");
  const double width = high - low;
  BOOST_TEST(std::abs(relative.low - low) < 0.1 * width);
  BOOST_TEST(std::abs(relative.high - high) < 0.1 * width);
}

BOOST_DATA_TEST_CASE(the_interval_misses_on_either_side_as_rarely_as_it_says,
                     data::make({0.0, 0.5, 1.0}), truth) {
  // An own gain of 0.1 on 100 examples is about 3.5 standard errors.  There the delta method misses
  // a truth of 0 from above 5 % of the time and from below never, and the reverse for a truth of 1.
  constexpr double kOwnGain = 0.1;
  Models m(6);
  int usable = 0, below = 0, above = 0;
  for (int draw = 0; draw < 4000; ++draw) {
    m.draw(100, {kOwnGain, truth * kOwnGain});
    const auto relative = relative_influence(m.reference, m.models[0], m.models[1]);
    if (relative.against == Yardstick::nothing) continue;
    ++usable;
    below += relative.high < truth;
    above += relative.low > truth;
  }
  BOOST_TEST_MESSAGE("of " << usable << " intervals " << below << " lie below the truth, " << above
                           << " above");
  BOOST_TEST(usable > 3400);
  for (const int misses : {below, above}) {
    BOOST_TEST(misses > 0.012 * usable);
    BOOST_TEST(misses < 0.036 * usable);
  }
}

BOOST_AUTO_TEST_CASE(pairing_makes_the_interval_narrower) {
  Models m(7);
  m.draw(400, {0.3, 0.3});
  const auto paired = relative_influence(m.reference, m.models[0], m.models[1]);
  // The same gains in another order: the same means and errors, but no pairs.
  auto order = std::vector<std::size_t>(400);
  for (std::size_t at = 0; at < order.size(); ++at) order[at] = (at + 1) % order.size();
  auto unpaired = m.models[1];
  for (std::size_t at = 0; at < order.size(); ++at) {
    unpaired[at] = m.reference[at] - (m.reference[order[at]] - m.models[1][order[at]]);
  }
  const auto other = relative_influence(m.reference, m.models[0], unpaired);
  BOOST_TEST(paired.rho == other.rho, boost::test_tools::tolerance(0.02));
  BOOST_TEST((paired.high - paired.low) < 0.8 * (other.high - other.low));
}

BOOST_DATA_TEST_CASE(without_own_influence_the_best_three_peers_are_the_yardstick,
                     data::make({-0.5, 0.0}), own_gain) {
  Models m(8);
  m.draw(300, {own_gain, 0.5, -0.5, 0.4, 0.0, 0.3});
  const Losses own = own_gain == 0 ? m.reference : m.models[0];
  m.models.erase(m.models.begin());
  const auto relative = relative_influences(m.reference, own, spans(m.models));
  BOOST_TEST_REQUIRE(relative.size() == 5U);
  const double yardstick =
      (relative[0].influence.mean + relative[2].influence.mean + relative[4].influence.mean) / 3;
  for (const auto& peer : relative) {
    BOOST_TEST((peer.against == Yardstick::best_peers));
    BOOST_TEST(peer.yardstick.mean == yardstick, boost::test_tools::tolerance(1e-9));
    BOOST_TEST(peer.rho == peer.influence.mean / yardstick, boost::test_tools::tolerance(1e-9));
    BOOST_TEST(peer.low <= peer.rho);
    BOOST_TEST(peer.rho <= peer.high);
  }
  BOOST_TEST(relative[0].low > 1);
  BOOST_TEST(relative[1].high < 0);
  BOOST_TEST((relative_influence(m.reference, own, m.models[0]).against == Yardstick::nothing));
}

BOOST_AUTO_TEST_CASE(one_useful_peer_is_its_own_yardstick) {
  Models m(9);
  m.draw(100, {0.5});
  const auto relative = relative_influences(m.reference, m.reference, spans(m.models));
  BOOST_TEST((relative.at(0).against == Yardstick::best_peers));
  BOOST_TEST(relative.at(0).rho == 1, boost::test_tools::tolerance(1e-9));
}

BOOST_AUTO_TEST_CASE(when_nobody_is_better_than_the_reference_rho_says_nothing) {
  Models m(10);
  m.draw(100, {-0.3, -0.4, -0.1});
  const auto relative = relative_influences(m.reference, m.models[0], spans(m.models));
  for (const auto& peer : relative) {
    BOOST_TEST((peer.against == Yardstick::nothing));
    BOOST_TEST(peer.rho == 0);
    BOOST_TEST(std::isinf(peer.low));
    BOOST_TEST(std::isinf(peer.high));
    BOOST_TEST(peer.influence.mean < 0);
  }
  BOOST_TEST(relative_influences(m.reference, m.models[0], {}).empty());
}

BOOST_AUTO_TEST_CASE(all_together_is_the_same_as_one_by_one) {
  Models m(11);
  m.draw(200, {0.4, 0.3, 0.0});
  const auto all = relative_influences(m.reference, m.models[0], spans(m.models));
  for (std::size_t at = 0; at < all.size(); ++at) {
    const auto one = relative_influence(m.reference, m.models[0], m.models[at]);
    BOOST_TEST(all[at].rho == one.rho);
    BOOST_TEST(all[at].low == one.low);
    BOOST_TEST(all[at].high == one.high);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace influence_test
