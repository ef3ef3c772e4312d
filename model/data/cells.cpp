#include "model/data/cells.hpp"

#include "model/column.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

namespace kith::data {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// From digits, a point and an exponent.
std::optional<double> plain_number(std::string_view text) {
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  if (digits.empty() || !(is_digit(digits.front()) || digits.front() == '.')) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size()) return std::nullopt;
  if (error == std::errc()) return value;
  // Too small or too large: which of the two, from_chars does not say.
  const auto exponent = text.find_first_of("eE");
  const bool small =
      exponent != std::string_view::npos && text.substr(exponent + 1).starts_with('-');
  if (error == std::errc::result_out_of_range && small) return 0.0;
  return std::nullopt;
}

/// What stands between groups of digits at the start of `text`: its size in bytes, or 0.
std::size_t group_mark(std::string_view text, char decimal) {
  if (text.starts_with(decimal == '.' ? ',' : '.') || text.starts_with(' ') ||
      text.starts_with('\'')) {
    return 1;
  }
  if (text.starts_with("\xc2\xa0")) return 2;      // no-break space
  if (text.starts_with("\xe2\x80\xaf")) return 3;  // narrow no-break space
  if (text.starts_with("\xe2\x80\x99")) return 3;  // right quotation mark
  return 0;
}

constexpr std::array<std::string_view, 12> kMonths{"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                                   "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};

/// Takes up to `most` digits from the front.
std::optional<unsigned> take_digits(std::string_view& text, std::size_t most) {
  unsigned value = 0;
  std::size_t taken = 0;
  for (; taken < most && taken < text.size() && is_digit(text[taken]); ++taken) {
    value = value * 10 + static_cast<unsigned>(text[taken] - '0');
  }
  if (taken == 0) return std::nullopt;
  text.remove_prefix(taken);
  return value;
}

bool take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<unsigned> take_month(std::string_view& text) {
  if (text.size() < 3) return std::nullopt;
  std::string name(text.substr(0, 3));
  for (char& c : name) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  const auto found = std::ranges::find(kMonths, name);
  if (found == kMonths.end()) return std::nullopt;
  text.remove_prefix(3);
  return static_cast<unsigned>(found - kMonths.begin()) + 1;
}

/// The part of a day of " 1:30 PM", ":13:30:00" and the like; 0 of nothing.
std::optional<double> time_of(std::string_view text) {
  if (text.empty()) return 0;
  if (!take(text, ' ') && !take(text, 'T') && !take(text, ':')) return std::nullopt;
  auto hour = take_digits(text, 2);
  if (!hour || !take(text, ':')) return std::nullopt;
  const auto minute = take_digits(text, 2);
  std::optional<unsigned> second = 0;
  if (take(text, ':')) second = take_digits(text, 2);
  if (!minute || !second || *hour > 24 || *minute > 59 || *second > 60) return std::nullopt;
  if (take(text, '.'))
    text.remove_prefix(std::min(text.find_first_not_of("0123456789"), text.size()));
  if (text == " AM" || text == " am") hour = *hour % 12, text = {};
  if (text == " PM" || text == " pm") hour = *hour % 12 + 12, text = {};
  if (!text.empty()) return std::nullopt;
  return (*hour * 60 + *minute) / 1440.0 + *second / 86400.0;
}

std::optional<double> days_of(unsigned year, unsigned month, unsigned day) {
  std::string text = std::to_string(year) + "-";
  if (year < 1000 || month > 99 || day > 99) return std::nullopt;
  text += (month < 10 ? "0" : "") + std::to_string(month) + "-";
  text += (day < 10 ? "0" : "") + std::to_string(day);
  return model::parse_date(text);
}

}  // namespace

double simple_number(std::string_view cell, char decimal) {
  constexpr std::array<double, 16> kPowers{1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                           1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  const bool negative = cell.starts_with('-');
  if (negative || cell.starts_with('+')) cell.remove_prefix(1);
  if (cell.empty() || cell.size() > 16) return kNone;
  std::int64_t digits = 0;
  std::size_t count = 0;
  std::size_t point = cell.size();  // where the decimal mark is
  for (std::size_t i = 0; i < cell.size(); ++i) {
    if (is_digit(cell[i])) {
      digits = digits * 10 + (cell[i] - '0');
      ++count;
    } else if (cell[i] == decimal && point == cell.size()) {
      point = i;
    } else {
      return kNone;
    }
  }
  if (count == 0 || count > 15) return kNone;
  // Both are exact in a double, so the quotient is the nearest one.
  const auto value = static_cast<double>(digits) / kPowers[count - std::min(point, count)];
  return negative ? -value : value;
}

std::optional<double> parse_number(std::string_view cell, char decimal) {
  if (const double value = simple_number(cell, decimal); !std::isnan(value)) return value;
  if (decimal == '.') {
    if (const auto value = plain_number(cell)) return value;
  }
  std::string plain;
  if (cell.starts_with("\xe2\x88\x92")) {  // a minus sign
    plain = "-";
    cell.remove_prefix(3);
  } else if (cell.starts_with('-')) {
    plain = "-";
    cell.remove_prefix(1);
  } else if (cell.starts_with('+')) {
    cell.remove_prefix(1);
  }
  if (cell.empty() || cell.size() > 64) return std::nullopt;
  if (!is_digit(cell.front()) && cell.front() != decimal) return std::nullopt;
  std::size_t group = 0;  // digits since the last mark
  std::string_view mark;  // all marks are the same
  bool whole = true;      // before the fraction
  while (!cell.empty()) {
    const char c = cell.front();
    if (is_digit(c)) {
      ++group;
    } else if (whole) {
      const std::size_t size = group_mark(cell, decimal);
      const bool last = size == 0;
      // "1,234" but neither "1,23" nor "1234,567" nor "0,123".
      if (!mark.empty() && group != 3) return std::nullopt;
      if (!last) {
        const bool first = mark.empty();
        if (first && (group == 0 || group > 3 || plain == "0" || plain == "-0"))
          return std::nullopt;
        if (!first && cell.substr(0, size) != mark) return std::nullopt;
        mark = cell.substr(0, size);
        cell.remove_prefix(size);
        group = 0;
        if (cell.empty() || !is_digit(cell.front())) return std::nullopt;
        continue;
      }
      whole = false;
      if (c != decimal && c != 'e' && c != 'E') return std::nullopt;
    } else if (c == '.' || c == ',') {
      return std::nullopt;
    }
    plain += c == decimal ? '.' : c;
    cell.remove_prefix(1);
    const bool exponent = !whole && (plain.back() == 'e' || plain.back() == 'E');
    if (exponent && cell.starts_with('+')) cell.remove_prefix(1), plain += '+';
  }
  if (whole && !mark.empty() && group != 3) return std::nullopt;
  return plain_number(plain);
}

std::optional<CellDate> parse_cell_date(std::string_view cell, DateOrder order) {
  if (const auto days = model::parse_date(cell)) return CellDate{.days = *days};
  const auto first = take_digits(cell, 2);
  if (!first) return std::nullopt;
  const char separator = cell.empty() ? '\0' : cell.front();
  const bool divided = separator == '.' || separator == '/' || separator == '-';
  if (divided) cell.remove_prefix(1);
  std::optional<unsigned> month;
  const bool named = !cell.empty() && !is_digit(cell.front());
  const auto second = named ? (month = take_month(cell)) : take_digits(cell, 2);
  if (!second || (divided && !take(cell, separator)) || (!divided && !named)) return std::nullopt;
  if (cell.size() < 4 || !std::all_of(cell.begin(), cell.begin() + 4, is_digit))
    return std::nullopt;
  const auto year = take_digits(cell, 4);
  const auto time = time_of(cell);
  if (!time) return std::nullopt;
  const auto day_first = days_of(*year, *second, *first);
  if (named || separator == '.') {
    if (!day_first) return std::nullopt;
    return CellDate{.days = *day_first + *time};
  }
  const auto month_first = days_of(*year, *first, *second);
  if (!day_first && !month_first) return std::nullopt;
  if (!month_first) return CellDate{.days = *day_first + *time, .shows = DateOrder::day_first};
  if (!day_first) return CellDate{.days = *month_first + *time, .shows = DateOrder::month_first};
  if (order == DateOrder::month_first) return CellDate{.days = *month_first + *time};
  if (order == DateOrder::day_first) return CellDate{.days = *day_first + *time};
  return CellDate{.days = *day_first + *time, .ambiguous = *day_first != *month_first};
}

std::string ascii_lower(std::string_view text) {
  std::string made(text);
  for (char& c : made) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return made;
}

bool is_usual_missing(std::string_view cell) {
  constexpr std::array<std::string_view, 29> kMissing{
      "",     "?",    "-",    ".",   "--",      "---",     "NA",    "<NA>",   "N/A",  "n/a",
      "na",   "#N/A", "#NA",  "NaN", "nan",     "-nan",    "-NaN",  "NAN",    "NaT",  "NULL",
      "null", "Null", "None", "#NV", "#DIV/0!", "#VALUE!", "#NUM!", "#WERT!", "#REF!"};
  if (cell.empty()) return true;
  if (cell.size() > 7 || std::string_view("?-.N<#n").find(cell.front()) == std::string_view::npos) {
    return false;
  }
  return std::ranges::find(kMissing, cell) != kMissing.end();
}

}  // namespace kith::data
