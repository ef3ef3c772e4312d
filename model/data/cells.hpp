#pragma once

#include <optional>
#include <string>
#include <string_view>

// What the cells of a table say, whoever wrote it.
namespace kith::data {

/// A number, with `decimal` ('.' or ',') before its fraction and perhaps the other one, blanks or
/// apostrophes between groups of three digits; or nothing.  What is too small for a double is 0;
/// what is too large, or infinite, is no number.
[[nodiscard]] std::optional<double> parse_number(std::string_view cell, char decimal);

/// The same of a sign and at most 15 digits, with a fraction behind `decimal` unless that is zero:
/// most cells.  NaN of anything else.
[[nodiscard]] double simple_number(std::string_view cell, char decimal);

/// Which of day and month comes first in 01/02/2024.
enum class DateOrder { unknown, day_first, month_first };

struct CellDate {
  double days = 0;  ///< since 1970-01-01; of an ambiguous one, as if the day came first
  DateOrder shows = DateOrder::unknown;  ///< what follows from this cell
  bool ambiguous = false;
};
/// 2024-01-31, 31.1.2024, 31/01/2024, 01/31/2024, 31JAN2024, 31-Jan-2024, each perhaps with a time;
/// or nothing.
[[nodiscard]] std::optional<CellDate> parse_cell_date(std::string_view cell, DateOrder order);

/// What programs write in place of a missing value: nothing, ?, NA, N/A, NaN, null, a dot, a
/// dash...
[[nodiscard]] bool is_usual_missing(std::string_view cell);

/// With small letters in the place of A to Z.
[[nodiscard]] std::string ascii_lower(std::string_view text);

}  // namespace kith::data
