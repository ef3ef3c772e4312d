#pragma once

#include "model/task.hpp"

#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace kith::data {

/// A task that suits a founder's files, for people to look at, correct and agree on.
struct Draft {
  model::Task task;
  /// One for each column of the task: what speaks for it, or against; perhaps empty.
  std::vector<std::string> reasons;
  std::vector<std::string> notes;  ///< sentences on the whole
};

/// Looks at tables whose first lines name their columns: kinds, usual ranges (from the 1st to the
/// 99th percentile), values, spellings of missing values, and the target, unless it is named.
/// Columns of all files count; a file may lack some.  Throws DataError.
[[nodiscard]] Draft draft_table(std::span<const std::filesystem::path> files,
                                const std::string& target = "");

}  // namespace kith::data
