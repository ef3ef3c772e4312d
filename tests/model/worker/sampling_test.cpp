#include "model/data/sampling.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <set>

namespace sampling_test {

using namespace kith::data;

BOOST_AUTO_TEST_SUITE(sampling_tests)

// Written down once: if these change, every node's split and every published model changes too.
BOOST_AUTO_TEST_CASE(a_seed_means_the_same_sample_on_every_machine) {
  Random random = random_for({1, 2, 3});
  const std::vector<std::size_t> expected{2, 73, 87, 0, 25, 48};
  BOOST_TEST(sample(100, 6, random) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(every_number_of_the_seed_counts_with_all_its_bits) {
  std::set<std::uint64_t> first;
  for (const std::uint64_t a : {0ULL, 1ULL, 1ULL << 32, 1ULL << 63}) {
    for (const std::uint64_t b : {0ULL, 1ULL, 1ULL << 32}) first.insert(random_for({a, b})());
  }
  BOOST_TEST(first.size() == 12U);
}

BOOST_AUTO_TEST_CASE(a_sample_has_no_number_twice_and_none_out_of_range) {
  Random random = random_for({7});
  const auto chosen = sample(50, 20, random);
  const std::set<std::size_t> different(chosen.begin(), chosen.end());
  BOOST_TEST(chosen.size() == 20U);
  BOOST_TEST(different.size() == 20U);
  BOOST_TEST(*different.rbegin() < 50U);
  BOOST_TEST(sample(3, 0, random).empty());
}

BOOST_AUTO_TEST_CASE(below_is_even) {
  Random random = random_for({11});
  std::array<int, 3> seen{};
  for (int i = 0; i < 30000; ++i) ++seen[below(3, random)];
  // Standard deviation 82; the seed is fixed, so this either always holds or never.
  for (const int count : seen) BOOST_TEST(std::abs(count - 10000) < 400);
}

BOOST_AUTO_TEST_CASE(below_covers_bounds_that_do_not_divide_the_range) {
  Random random = random_for({5});
  const std::uint64_t bound = (1ULL << 63) + 1;  // almost half of all draws must be thrown away
  int upper = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t value = below(bound, random);
    BOOST_REQUIRE(value < bound);
    upper += value >= bound / 2;
  }
  BOOST_TEST(std::abs(upper - 500) < 80);
}

BOOST_AUTO_TEST_CASE(shuffle_keeps_the_items) {
  Random random = random_for({3});
  std::vector<std::size_t> items{1, 1, 2, 3, 5, 8, 13, 21};
  const auto before = items;
  shuffle(items, random);
  BOOST_TEST(items != before);
  std::ranges::sort(items);
  BOOST_TEST(items == before);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace sampling_test
