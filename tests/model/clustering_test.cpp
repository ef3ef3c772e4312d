#include "model/clustering.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <limits>
#include <random>

namespace clustering_test {

using namespace kith::model;
namespace data = boost::unit_test::data;

using Clusters = std::vector<std::vector<std::string>>;

constexpr double kThreshold = 0.5;

std::string member(std::size_t index) {
  return {static_cast<char>('a' + index / 10), static_cast<char>('0' + index % 10)};
}

/// Everybody of everybody: `same` within a group (index modulo `groups`), `other` across; both give
/// or take `noise`.
Rows blocks(std::size_t size, std::size_t groups, double same, double other, double noise,
            std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> give_or_take(-noise, noise);
  Rows rows;
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t j = 0; j < size; ++j) {
      if (i == j) continue;
      const double mean = i % groups == j % groups ? same : other;
      rows[member(i)][member(j)] = mean + give_or_take(random);
    }
  }
  return rows;
}

Clusters blocks(std::size_t size, std::size_t groups) {
  Clusters clusters(groups);
  for (std::size_t i = 0; i < size; ++i) clusters[i % groups].push_back(member(i));
  return clusters;
}

/// Each says each of these of the others.
Rows mutual(const std::map<std::pair<std::string, std::string>, double>& affinities) {
  Rows rows;
  for (const auto& [pair, value] : affinities) {
    rows[pair.first][pair.second] = rows[pair.second][pair.first] = value;
  }
  return rows;
}

/// Forgets so many of the entries.
Rows without(Rows rows, double share, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  for (auto& [by, row] : rows) {
    std::erase_if(row, [&](const auto&) { return std::bernoulli_distribution(share)(random); });
  }
  return rows;
}

BOOST_AUTO_TEST_SUITE(clustering_tests)

BOOST_AUTO_TEST_CASE(nobody_makes_no_clusters_and_one_makes_his_own) {
  BOOST_TEST(cluster({}, kThreshold).empty());
  BOOST_TEST((cluster({{"a", {}}}, kThreshold) == Clusters{{"a"}}));
}

BOOST_DATA_TEST_CASE(groups_are_found_through_noise_without_their_number,
                     data::xrange(1, 6) * data::xrange(1, 6), groups, seed) {
  const auto number = static_cast<std::size_t>(groups);
  const Rows rows = blocks(20, number, 0.85, 0.15, 0.3, static_cast<std::uint64_t>(seed));
  BOOST_TEST((cluster(rows, kThreshold) == blocks(20, number)));
}

BOOST_DATA_TEST_CASE(groups_are_found_when_a_third_of_the_pairs_is_mutual, data::xrange(1, 11),
                     seed) {
  const auto chance = static_cast<std::uint64_t>(seed);
  const Rows rows = without(blocks(60, 4, 0.9, 0.1, 0.2, chance), 0.4, chance);
  BOOST_TEST((cluster(rows, kThreshold) == blocks(60, 4)));
}

BOOST_DATA_TEST_CASE(nobody_gets_into_a_wrong_cluster_however_little_is_known,
                     data::make({0.5, 0.6, 0.7, 0.8, 0.9}) * data::xrange(1, 6), share, seed) {
  const auto chance = static_cast<std::uint64_t>(seed);
  const Rows rows = without(blocks(60, 4, 0.9, 0.1, 0.2, chance), share, chance);
  const Clusters whole = blocks(60, 4);
  for (const auto& part : cluster(rows, kThreshold)) {
    BOOST_TEST(std::ranges::any_of(
        whole, [&](const auto& group) { return std::ranges::includes(group, part); }));
  }
}

BOOST_AUTO_TEST_CASE(everybody_alike_is_one_cluster) {
  BOOST_TEST(cluster(blocks(30, 1, 0.9, 0, 0.2, 1), kThreshold).size() == 1U);
}

BOOST_AUTO_TEST_CASE(everybody_different_stays_alone) {
  const Clusters clusters = cluster(blocks(12, 12, 0, 0.2, 0.2, 1), kThreshold);
  BOOST_TEST(clusters.size() == 12U);
}

BOOST_AUTO_TEST_CASE(whoever_is_like_nobody_stays_alone_beside_a_cluster) {
  Rows rows = blocks(8, 2, 0.9, 0.1, 0, 1);
  for (auto& [by, row] : rows) row["z"] = 0.2;
  for (std::size_t i = 0; i < 8; ++i) rows["z"][member(i)] = 0.3;
  Clusters expected = blocks(8, 2);
  expected.push_back({"z"});
  BOOST_TEST((cluster(rows, kThreshold) == expected));
}

BOOST_AUTO_TEST_CASE(affinity_at_the_threshold_is_not_enough) {
  BOOST_TEST(cluster(mutual({{{"a", "b"}, kThreshold}}), kThreshold).size() == 2U);
  BOOST_TEST(cluster(mutual({{{"a", "b"}, kThreshold + 1e-9}}), kThreshold).size() == 1U);
}

BOOST_AUTO_TEST_CASE(it_takes_both_to_agree) {
  BOOST_TEST(cluster({{"a", {{"b", 1}}}, {"b", {{"a", 0.1}}}}, kThreshold).size() == 2U);
  BOOST_TEST(cluster({{"a", {{"b", 0.6}}}, {"b", {{"a", 2}}}}, kThreshold).size() == 1U);
}

BOOST_AUTO_TEST_CASE(praise_that_is_not_returned_says_nothing) {
  BOOST_TEST(cluster({{"a", {{"b", 1}}}, {"b", {}}}, kThreshold).size() == 2U);
  // Nor does it speak against: c is in by what it and two others say, though d has not met it.
  Rows rows = mutual({{{"a", "b"}, 0.9},
                      {{"a", "d"}, 0.9},
                      {{"b", "d"}, 0.9},
                      {{"a", "c"}, 0.8},
                      {{"b", "c"}, 0.8}});
  rows["c"]["d"] = 0.9;
  BOOST_TEST((cluster(rows, kThreshold) == Clusters{{"a", "b", "c", "d"}}));
}

BOOST_AUTO_TEST_CASE(low_opinion_counts_even_if_it_is_not_returned) {
  Rows rows = mutual({{{"a", "b"}, 0.9}, {{"c", "d"}, 0.9}, {{"a", "c"}, 0.8}, {{"b", "d"}, 0.8}});
  BOOST_TEST(cluster(rows, kThreshold).size() == 1U);
  rows["a"]["d"] = 0.1;  // d, and c of b, say nothing
  rows["c"]["b"] = 0.1;
  BOOST_TEST((cluster(rows, kThreshold) == Clusters{{"a", "b"}, {"c", "d"}}));
}

BOOST_AUTO_TEST_CASE(one_pair_does_not_join_two_clusters) {
  Rows rows = mutual({{{"a", "b"}, 0.9}, {{"c", "d"}, 0.9}, {{"a", "c"}, 0.8}});
  BOOST_TEST((cluster(rows, kThreshold) == Clusters{{"a", "b"}, {"c", "d"}}));
  rows["b"]["d"] = rows["d"]["b"] = 0.8;  // two witnesses on each side do
  BOOST_TEST(cluster(rows, kThreshold).size() == 1U);
}

BOOST_AUTO_TEST_CASE(who_has_no_row_is_in_no_cluster) {
  const Rows rows{{"a", {{"b", 1}, {"x", 1}}}, {"b", {{"a", 1}, {"x", 1}}}};
  BOOST_TEST((cluster(rows, kThreshold) == Clusters{{"a", "b"}}));
}

BOOST_AUTO_TEST_CASE(of_equal_pairs_the_first_is_joined) {
  const Rows rows = mutual({{{"a", "b"}, 0.9}, {{"b", "c"}, 0.9}, {{"a", "c"}, 0}});
  BOOST_TEST((cluster(rows, kThreshold) == Clusters{{"a", "b"}, {"c"}}));
}

BOOST_AUTO_TEST_CASE(what_is_not_finite_is_unknown) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  const Rows rows{{"a", {{"b", nan}, {"c", 1}}}, {"b", {{"a", 1}}}, {"c", {{"a", infinity}}}};
  BOOST_TEST(cluster(rows, kThreshold).size() == 3U);
}

// ---- A liar: rho = 2 with everybody, whatever his model is worth ----

BOOST_AUTO_TEST_CASE(useless_liar_is_alone_and_changes_nothing) {
  Rows rows = blocks(12, 3, 0.9, 0.1, 0.1, 1);
  for (std::size_t i = 0; i < 12; ++i) rows["z"][member(i)] = 2;
  Clusters expected = blocks(12, 3);
  expected.push_back({"z"});
  BOOST_TEST((cluster(rows, kThreshold) == expected));  // nobody has met him
  for (std::size_t i = 0; i < 12; ++i) rows[member(i)]["z"] = 0.1;
  BOOST_TEST((cluster(rows, kThreshold) == expected));  // everybody has
}

BOOST_DATA_TEST_CASE(liar_does_not_join_two_clusters_however_useful_he_is,
                     data::make({false, true}) * data::make({4, 8, 12}), strangers_met, size) {
  const auto number = static_cast<std::size_t>(size);
  Rows rows = blocks(number, 2, 0.9, 0.2, 0, 1);
  for (std::size_t i = 0; i < number; ++i) {
    rows["z"][member(i)] = 2;
    rows[member(i)]["z"] = 1;
    if (strangers_met) continue;
    std::erase_if(rows[member(i)], [](const auto& entry) { return entry.second < kThreshold; });
  }
  const Clusters clusters = cluster(rows, kThreshold);
  BOOST_TEST_REQUIRE(clusters.size() == 2U);  // he is in one of them
  for (const auto& each : clusters) {
    const auto in_first_group = [](const std::string& name) { return (name[1] - '0') % 2 == 0; };
    const auto first = std::ranges::count_if(
        each, [&](const std::string& name) { return name != "z" && in_first_group(name); });
    BOOST_TEST((first == 0 || first == std::ranges::count_if(each, [](const std::string& name) {
                                return name != "z";
                              })));
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace clustering_test
