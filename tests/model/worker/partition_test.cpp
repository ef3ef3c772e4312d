#include "model/data/partition.hpp"

#include <boost/test/unit_test.hpp>

#include <map>
#include <set>

using namespace kith::data;

namespace {

/// Square pictures of 3 x 3, each with its own number in the middle, where turning leaves it, and
/// a mark in the corner, which turning moves.
Examples numbered(std::size_t count, std::size_t classes) {
  Examples all;
  all.images = {.count = count, .channels = 1, .height = 3, .width = 3, .pixels = {}};
  for (std::size_t i = 0; i < count; ++i) {
    const auto number = static_cast<std::uint8_t>(i);
    all.images.pixels.insert(all.images.pixels.end(), {255, 0, 0, 0, number, 0, 0, 0, 0});
    all.labels.push_back(static_cast<std::uint8_t>(i % classes));
  }
  return all;
}

std::uint8_t number_of(const Examples& examples, std::size_t i) {
  return examples.images.pixels[9 * i + 4];
}

std::map<int, int> counts(const Labels& labels) {
  std::map<int, int> result;
  for (const auto label : labels) ++result[label];
  return result;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(partition_tests)

BOOST_AUTO_TEST_CASE(no_training_image_is_given_to_two_nodes_or_twice) {
  const auto nodes = partition_by_rotation(
      numbered(200, 10), numbered(50, 10),
      {.nodes = 6, .groups = 3, .images_per_node = 30, .test_per_node = 20, .seed = 1});
  std::set<int> seen;
  for (const NodeData& node : nodes) {
    BOOST_TEST(node.train.images.count == 30U);
    for (std::size_t i = 0; i < 30; ++i) seen.insert(number_of(node.train, i));
  }
  BOOST_TEST(seen.size() == 180U);
}

BOOST_AUTO_TEST_CASE(images_keep_their_labels) {
  const auto nodes = partition_by_rotation(
      numbered(200, 10), numbered(50, 10),
      {.nodes = 3, .groups = 1, .images_per_node = 30, .test_per_node = 20, .seed = 4});
  for (const NodeData& node : nodes) {
    for (std::size_t i = 0; i < 30; ++i) {
      BOOST_TEST(node.train.labels[i] == number_of(node.train, i) % 10);
    }
    for (std::size_t i = 0; i < 20; ++i) {
      BOOST_TEST(node.test.labels[i] == number_of(node.test, i) % 10);
    }
  }
}

BOOST_AUTO_TEST_CASE(samples_are_balanced_and_odd_ones_are_spread_over_the_labels) {
  const auto nodes = partition_by_rotation(
      numbered(200, 10), numbered(50, 10),
      {.nodes = 5, .groups = 1, .images_per_node = 32, .test_per_node = 20, .seed = 9});
  std::map<int, int> total;
  for (const NodeData& node : nodes) {
    for (const auto& [label, count] : counts(node.train.labels)) {
      BOOST_TEST((count == 3 || count == 4));
      total[label] += count;
    }
    for (const auto& [label, count] : counts(node.test.labels)) BOOST_TEST(count == 2);
  }
  for (const auto& [label, count] : total) BOOST_TEST(count <= 17, "label " << label);
}

BOOST_AUTO_TEST_CASE(groups_interleave_and_turn_training_and_test_images_alike) {
  const auto nodes = partition_by_rotation(
      numbered(100, 10), numbered(50, 10),
      {.nodes = 6, .groups = 4, .images_per_node = 10, .test_per_node = 10, .seed = 2});
  // Where the mark of the upper left corner is after 0, 1, 2 and 3 quarter turns.
  const std::size_t corner[] = {0, 6, 8, 2};
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    BOOST_TEST(nodes[i].group == i % 4);
    BOOST_TEST(nodes[i].degrees == 90.0 * static_cast<double>(i % 4));
    BOOST_TEST(nodes[i].train.images.pixels[corner[i % 4]] == 255);
    BOOST_TEST(nodes[i].test.images.pixels[corner[i % 4]] == 255);
  }
}

BOOST_AUTO_TEST_CASE(the_seed_decides) {
  const auto numbers = [](std::uint64_t seed) {
    return partition_by_rotation(numbered(100, 10), numbered(50, 10),
                                 {.nodes = 2,
                                  .groups = 2,
                                  .images_per_node = 20,
                                  .test_per_node = 10,
                                  .seed = seed})[1]
        .train.images.pixels;
  };
  BOOST_TEST((numbers(1) == numbers(1)));
  BOOST_TEST((numbers(1) != numbers(2)));
}

BOOST_AUTO_TEST_CASE(asking_for_more_than_there_is_says_what_to_do) {
  const auto nodes_with = [](std::size_t images, std::size_t test) {
    const auto nodes = partition_by_rotation(
        numbered(100, 10), numbered(50, 10),
        {.nodes = 2, .groups = 2, .images_per_node = images, .test_per_node = test, .seed = 1});
    return nodes.size();
  };
  BOOST_TEST(nodes_with(50, 50) == 2U);
  BOOST_CHECK_THROW(nodes_with(51, 10), DataError);
  BOOST_CHECK_THROW(nodes_with(10, 51), DataError);
}

BOOST_AUTO_TEST_CASE(a_group_without_a_node_and_a_set_without_examples_are_refused) {
  const Examples some = numbered(10, 2);
  const RotationPartition sparse{
      .nodes = 1, .groups = 2, .images_per_node = 1, .test_per_node = 1, .seed = 1};
  BOOST_CHECK_THROW(static_cast<void>(partition_by_rotation(some, some, sparse)), DataError);
  BOOST_CHECK_THROW(static_cast<void>(partition_by_rotation({}, some, {})), DataError);
}

BOOST_AUTO_TEST_SUITE_END()
