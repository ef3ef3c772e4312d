#pragma once

#include "model/data/file.hpp"
#include "model/task.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kith::data {

/// What nodes of different groups differ in.
enum class PartitionKind {
  rotation,           ///< Fashion-MNIST; each group sees it turned by an angle of its own
  label_permutation,  ///< Fashion-MNIST; each group numbers the classes in its own way
  kinds,  ///< Fashion-MNIST; as it is, bright for dark, turned by 90 degrees, each class for the next
  iid,                ///< Fashion-MNIST; nothing: all are of one group
  dirichlet,          ///< Fashion-MNIST; each node has the labels in its own shares; no groups
  superclass,  ///< CIFAR-100, the 100 fine labels; each group has its own of the 20 coarse ones
  language,    ///< text; the groups are the files of the source folder, one a language
  hospital,    ///< heart disease; one node for each file of the source folder; no groups
};

/// How to cut one data set into many, for a testnet whose right answer may be known.
struct PartitionPlan {
  PartitionKind kind = PartitionKind::rotation;
  std::filesystem::path source = "/usr/share/datasets/fashion-mnist";  ///< folder of the set
  std::size_t nodes = 6;  ///< hospital: as many as there are
  std::size_t groups = 3;
  std::vector<std::size_t> group_of;  ///< of each node; empty: node i is in group i % groups
  std::size_t train_per_node = 200;   ///< examples; no two nodes share one
  std::size_t test_per_node = 500;    ///< examples; of pictures, nodes may share some
  std::uint64_t seed = 1;
  std::vector<double> degrees;    ///< rotation, of each group; empty: group * 360 / groups
  double alpha = 0.5;             ///< dirichlet: the smaller, the more the nodes differ
  std::size_t vocabulary = 3000;  ///< language: words
};

/// The files of one node.
struct NodeData {
  std::string name;                  ///< "node-1", or the hospital's
  std::optional<std::size_t> group;  ///< nullopt: there are no true groups
  std::filesystem::path folder;
  std::vector<std::filesystem::path> train, test;  ///< for data.train and data.test
};

struct Partition {
  model::Task task;  ///< settings that were measured to suit such data
  std::vector<NodeData> nodes;
};

/// Writes a sub-folder for each node, and the task's vocabulary if it has one.  What a group is
/// does not depend on the seed: a plan with other groups and another seed is the same world later.
/// Throws DataError if the set is not there, or too small for what is asked.
Partition write_partition(const PartitionPlan& plan, const std::filesystem::path& into);

}  // namespace kith::data
