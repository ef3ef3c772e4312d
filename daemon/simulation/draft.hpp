#pragma once

#include "model/task.hpp"

#include <filesystem>
#include <vector>

namespace kith::daemon {

/// `task` with the columns that these tables have: CSV files with one heading, whose column
/// "target" is to be predicted and whose others are numbers.  A number's usual range is from its
/// 1st to its 99th percentile over all rows; the target's classes are the values that occur, in
/// their order. Throws Failure(EX_DATAERR) that names the file, and the line if there is one.
[[nodiscard]] model::Task draft_task(model::Task task,
                                     const std::vector<std::filesystem::path>& tables);

}  // namespace kith::daemon
