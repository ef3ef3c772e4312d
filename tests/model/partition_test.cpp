#include "model/partition.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <numeric>
#include <random>
#include <stdexcept>

namespace partition_test {

using namespace kith::model;

namespace data = boost::unit_test::data;
using Edges = std::vector<std::pair<std::size_t, std::size_t>>;

BOOST_AUTO_TEST_SUITE(partition_tests)

BOOST_AUTO_TEST_CASE(components_are_labelled_in_the_order_of_their_first_node) {
  const Edges edges{{5, 1}, {4, 2}, {2, 0}, {4, 4}};
  const Labels expected{0, 1, 0, 2, 0, 1};
  BOOST_TEST(components(6, edges) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(without_edges_everyone_is_alone) {
  BOOST_TEST(components(3, {}) == (Labels{0, 1, 2}), boost::test_tools::per_element());
  BOOST_TEST(components(0, {}).empty());
}

BOOST_AUTO_TEST_CASE(a_long_chain_is_one_component_in_any_order) {
  Edges edges;
  for (std::size_t node = 1; node < 10'000; ++node) edges.emplace_back(node, node - 1);
  std::ranges::shuffle(edges, std::mt19937(1));
  BOOST_TEST((components(10'000, edges) == Labels(10'000, 0)));
}

BOOST_AUTO_TEST_CASE(an_edge_to_nowhere_is_refused) {
  BOOST_CHECK_THROW((void)components(3, Edges{{0, 3}}), std::invalid_argument);
}

BOOST_DATA_TEST_CASE(two_nodes_are_together_if_and_only_if_there_is_a_path, data::xrange(20U),
                     seed) {
  std::mt19937 random(seed);
  const std::size_t n = 1 + random() % 15;
  Edges edges(random() % (2 * n));
  for (auto& edge : edges) edge = {random() % n, random() % n};
  std::vector<std::vector<bool>> path(n, std::vector<bool>(n));  // Warshall
  for (std::size_t a = 0; a < n; ++a) path[a][a] = true;
  for (const auto& [a, b] : edges) path[a][b] = path[b][a] = true;
  for (std::size_t via = 0; via < n; ++via) {
    for (std::size_t a = 0; a < n; ++a) {
      for (std::size_t b = 0; b < n; ++b) {
        if (path[a][via] && path[via][b]) path[a][b] = true;
      }
    }
  }
  const auto labels = components(n, edges);
  for (std::size_t a = 0; a < n; ++a) {
    for (std::size_t b = 0; b < n; ++b) BOOST_TEST((labels[a] == labels[b]) == path[a][b]);
  }
}

BOOST_AUTO_TEST_CASE(adjusted_rand_index_has_its_known_values) {
  const auto tolerance = boost::test_tools::tolerance(1e-12);
  // Worked by hand from the contingency tables.
  BOOST_TEST(adjusted_rand_index(Labels{0, 0, 1, 2}, Labels{0, 0, 1, 1}) == 4.0 / 7, tolerance);
  BOOST_TEST(adjusted_rand_index(Labels{0, 0, 1, 1}, Labels{0, 1, 0, 1}) == -0.5, tolerance);
  BOOST_TEST(adjusted_rand_index(Labels{0, 0, 0, 1, 1, 1}, Labels{0, 0, 1, 1, 2, 2}) == 8.0 / 33,
             tolerance);
}

BOOST_AUTO_TEST_CASE(the_same_partition_under_other_names_agrees_fully) {
  BOOST_TEST(adjusted_rand_index(Labels{0, 0, 1, 1, 2}, Labels{7, 7, 3, 3, 0}) == 1);
}

BOOST_AUTO_TEST_CASE(the_corner_cases_are_defined) {
  BOOST_TEST(adjusted_rand_index(Labels{}, Labels{}) == 1);
  BOOST_TEST(adjusted_rand_index(Labels{4}, Labels{2}) == 1);
  const Labels together(7, 0);
  Labels apart(7);
  std::iota(apart.begin(), apart.end(), 0U);
  BOOST_TEST(adjusted_rand_index(together, together) == 1);
  BOOST_TEST(adjusted_rand_index(apart, apart) == 1);
  BOOST_TEST(adjusted_rand_index(together, apart) == 0);
  BOOST_TEST(adjusted_rand_index(together, Labels{0, 0, 0, 1, 1, 1, 1}) == 0);
  BOOST_CHECK_THROW((void)adjusted_rand_index(together, Labels{0}), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(unrelated_partitions_agree_by_zero_on_average) {
  std::mt19937 random(3);
  Labels a(40), b(40);
  double sum = 0;
  for (int draw = 0; draw < 500; ++draw) {
    for (auto& label : a) label = random() % 4;
    for (auto& label : b) label = random() % 4;
    const double index = adjusted_rand_index(a, b);
    BOOST_TEST(index == adjusted_rand_index(b, a), boost::test_tools::tolerance(1e-9));
    sum += index;
  }
  BOOST_TEST(std::abs(sum / 500) < 0.01);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace partition_test
