#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kith::model {

/// A column of a table, as a task declares it for all nodes.
struct Column {
  enum class Kind {
    ignored,
    number,
    category,  ///< one of `values`
    ordinal,   ///< one of `values`, which are in order
    yes_no,
    date,
  };
  enum class Scale { linear, log };
  /// What a value becomes that is none of those declared.
  enum class Unknown { refused, missing };

  std::string name;
  Kind kind = Kind::ignored;
  bool target = false;  ///< it is predicted: a number by regression, any other kind as a class
  bool group = false;   ///< rows with the same text in it stay together
  bool time = false;    ///< number, date: it orders the rows
  /// number, date: what becomes -1 and what becomes 1; of a date, days since 1970-01-01.
  double low = 0, high = 0;
  Scale scale = Scale::linear;                     ///< number: log needs low > 0
  std::vector<std::vector<std::string>> values{};  ///< each with all its spellings
  std::vector<std::string> missing{};              ///< spellings beside the usual ones
  Unknown unknown = Unknown::refused;

  bool operator==(const Column&) const = default;
};

[[nodiscard]] std::string_view name(Column::Kind kind);  ///< "yes-no"

/// Why this is no column, in a few words that follow its name: "needs values ..."; or nothing.
[[nodiscard]] std::optional<std::string> problem(const Column& column);

/// On one line, and no other column's: `"age" number 20..80 missing "-9"`.
[[nodiscard]] std::string to_string(const Column& column);

/// Of category, ordinal and yes-no: each value with all its spellings.  Without declared values,
/// yes-no has the usual words, 0 and 1, to be compared in lower case.
[[nodiscard]] const std::vector<std::vector<std::string>>& values_of(const Column& column);

/// How many inputs of the network it makes.  A number, a date, yes-no and an ordinal are a value
/// from -1 to 1 and whether it is missing; a category has one for each value and one for a missing
/// one.  What is predicted, and what orders the rows, is no input.
[[nodiscard]] std::size_t features(const Column& column);

/// From low..high to -1..1, and on in the same way beyond; and the inverse.  `value` is above 0 on
/// a log scale.
[[nodiscard]] double scaled(const Column& column, double value);
[[nodiscard]] double unscaled(const Column& column, double scaled);

/// Days since 1970-01-01, with the part of the day if there is a time, of 2024-01-31,
/// 2024-01-31T12:30:00 and the like; or nothing.
[[nodiscard]] std::optional<double> parse_date(std::string_view text);
[[nodiscard]] std::string date_text(double days);  ///< 2024-01-31

/// Edits (insert, delete, replace a byte) from one text to the other.
[[nodiscard]] std::size_t distance(std::string_view a, std::string_view b);

}  // namespace kith::model
