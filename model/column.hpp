#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace kith::model {

/// A column of a table, as a task declares it for all nodes.
struct Column {
  enum class Use { ignored, number, choice, target };

  std::string name;
  Use use = Use::ignored;
  double low = 0, high = 1;                      ///< number: what becomes -1 and what becomes 1
  std::vector<std::vector<std::string>> values;  ///< choice, target: each with all its spellings

  bool operator==(const Column&) const = default;
};

/// Reads a declaration, or says in a few words why it is none:
///   "name"                       a column that is not used
///   "age: 20..80"                a number and its usual range
///   "pain: none | mild/slight"   one of some values; '/' separates spellings of the same one
///   "target sick: 0 | 1/2/3"     the same, to be predicted: class 0, class 1, ...
[[nodiscard]] std::variant<Column, std::string> parse_column(std::string_view declared);

/// The one text of all that declare the same column.
[[nodiscard]] std::string to_string(const Column& column);

/// How many inputs of the network it makes: a number is its scaled value and whether it is missing;
/// a choice has one input for each value and one for a missing one.
[[nodiscard]] std::size_t features(const Column& column);

}  // namespace kith::model
