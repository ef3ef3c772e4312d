#pragma once

#include "model/data/images.hpp"

#include <cstdint>
#include <vector>

namespace kith::data {

/// How to make a testnet whose right answer is known: nodes of one group help one another.
struct RotationPartition {
  std::size_t nodes = 6;
  std::size_t groups = 3;             ///< node i is in group i % groups
  std::size_t images_per_node = 200;  ///< from the training set; no two nodes share one
  std::size_t test_per_node = 500;    ///< from the test set; nodes may share some
  std::uint64_t seed = 1;
};

/// What one node holds: a label-balanced sample, turned by its group's angle.
struct NodeData {
  std::size_t group = 0;
  double degrees = 0;  ///< group * 360 / groups
  Examples train;
  Examples test;
};

/// Throws DataError if the sets are too small for what is asked.
[[nodiscard]] std::vector<NodeData> partition_by_rotation(const Examples& train,
                                                          const Examples& test,
                                                          const RotationPartition& wanted);

}  // namespace kith::data
