#pragma once

#include "model/column.hpp"
#include "model/data/file.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace kith::data {

/// The rows of a table as numbers.
struct Table {
  std::size_t features = 0;          ///< in a row: the sum of the columns' model::features()
  std::vector<float> inputs;         ///< row by row
  std::vector<std::int64_t> labels;  ///< which value the target has; one a row
};

/// Reads CSV, without a heading or with one that has the columns' names; or says which line is
/// wrong and why.  An empty cell or '?' is a missing value: neutral, with its own indicator set.  A
/// number outside its column's range counts as the nearest inside.  Cells that are numbers are
/// compared as numbers: 1.0 is 1.  Requires that one of `columns` is the target.
[[nodiscard]] std::variant<Table, std::string> parse_table(std::string_view csv,
                                                           std::span<const model::Column> columns);
/// Throws DataError naming `path` and the line.
[[nodiscard]] Table read_table(const std::filesystem::path& path,
                               std::span<const model::Column> columns);

}  // namespace kith::data
