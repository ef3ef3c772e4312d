#pragma once

#include "model/column.hpp"
#include "model/data/file.hpp"
#include "model/data/noticed.hpp"
#include "model/data/scratch.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace kith::data {

/// The rows of a table as numbers, without those that lack the target or the group.
struct Table {
  static constexpr std::int64_t kNoTarget = -100;  ///< as Samples::kNoTarget
  std::size_t rows = 0;
  std::size_t features = 0;          ///< in a row: the sum of the columns' model::features()
  Inputs inputs;                     ///< row by row, each from -1 to 1
  std::size_t targets = 1;           ///< of a row: more than one if several columns are predicted
  /// Which value each target has, row by row; kNoTarget if one of several is missing; empty
  /// if it is a number.
  std::vector<std::int64_t> labels;
  Inputs values;                     ///< the target, model::scaled(); empty unless it is a number
  std::vector<std::string> groups;   ///< of the group column, one a row; empty without one
  std::vector<double> times;         ///< of the time column, likewise; NaN where it is missing
  Noticed noticed;                   ///< its one file has no name unless read_table() read it
};

/// Reads a table as programs write it (README.md says what is recognised), or says which line and
/// column is wrong, why, and what to do.  Columns are found by their names in the first line; if
/// that is a row already, they must be all there are, in their order.  A missing value is neutral
/// and has its own indicator set.  Of several targets some may be missing in a row.  Requires that one
/// of `columns` is the target, or several that are all yes-no, and that none has a problem().
[[nodiscard]] std::variant<Table, std::string> parse_table(std::string_view file,
                                                           std::span<const model::Column> columns);
/// Throws DataError naming `path`.
[[nodiscard]] Table read_table(const std::filesystem::path& path,
                               std::span<const model::Column> columns);

/// Rows of which nothing is asked but what they are predicted from: columns that are predicted, group or
/// order rows may be there or not, and what is in them does not matter.
///
/// Reads a file twice, first to see that all of it can be read; then hands its rows over, in order,
/// `at_once` at most and as many but in the last piece.  `rows` is how many there are in all.  Returns what
/// was noticed; or why it cannot be read, as parse_table() does, and then nothing was handed over.
using TakeRows = std::function<void(const Inputs& inputs, std::size_t rows)>;
[[nodiscard]] std::variant<Noticed, std::string> parse_rows(std::string_view file,
                                                            std::span<const model::Column> columns,
                                                            std::size_t at_once,
                                                            const TakeRows& take);
/// Returns what was noticed.  Throws DataError naming `path`, and what `take` throws.
Noticed read_rows(const std::filesystem::path& path, std::span<const model::Column> columns,
                  std::size_t at_once, const TakeRows& take);

}  // namespace kith::data
