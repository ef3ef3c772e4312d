#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace kith::model {

/// What decides which training examples are held back for validation.
enum class SplitBy {
  content,  ///< each example's own content, or its group
  time,     ///< its place: the last are held back
};

/// A node's own files, plain or .gz.  What is in them follows from the task: docs/own-data.md.
struct DataFiles {
  std::vector<std::filesystem::path> train{};
  std::vector<std::filesystem::path> test{};  ///< empty: there is no test set
  std::vector<std::filesystem::path> validation_files{};  ///< if any, nothing is held back
  double validation = 0.25;      ///< fraction of the training examples held back
  SplitBy split = SplitBy::content;
  unsigned min_validation = 10;  ///< examples; fewer are refused
  std::string split_key{};       ///< any text of this node's own, from which the split follows
  /// A regular expression (ECMAScript): of pictures in folders, what it finds in a file's path, or its
  /// first group, is what those pictures belong to.  Empty: to nothing.
  std::string group_pattern{};
};

}  // namespace kith::model
