#include "model/column.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <iterator>
#include <numeric>
#include <set>
#include <utility>

namespace kith::model {
namespace {

using Kind = Column::Kind;

constexpr std::array<std::string_view, 6> kKinds{"ignored", "number", "category",
                                                 "ordinal", "yes-no", "date"};
constexpr std::size_t kMaxText = 256;  // bytes of a name or a value

std::string number_text(double value) {
  char buffer[32];
  // + 0.0 makes a negative zero positive: the two are equal and must be the same text.
  return {buffer, std::to_chars(buffer, std::end(buffer), value + 0.0).ptr};
}

std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + "\"";
}

bool is_blank(char c) { return c == ' ' || c == '\t'; }

/// What is wrong with a name, a value or a spelling of nothing.
std::optional<std::string> text_problem(std::string_view text) {
  if (text.empty()) return "is empty";
  if (text.size() > kMaxText) return "is longer than " + std::to_string(kMaxText) + " bytes";
  if (is_blank(text.front()) || is_blank(text.back())) return "begins or ends with a blank";
  const auto control = [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; };
  if (std::ranges::any_of(text, control)) return "has a control character";
  return std::nullopt;
}

bool has_values(Kind kind) {
  return kind == Kind::category || kind == Kind::ordinal || kind == Kind::yes_no;
}
bool has_range(Kind kind) { return kind == Kind::number || kind == Kind::date; }

std::optional<std::string> range_problem(const Column& column) {
  const bool needed = has_range(column.kind) && !column.time;
  const bool none = column.low == 0 && column.high == 0;
  const bool right =
      std::isfinite(column.low) && std::isfinite(column.high) && column.low < column.high;
  if (!has_range(column.kind) && !none) return "has low and high, which are of a number or a date";
  if (needed && none) return "needs low and high, what is usual";
  if (!none && !right) return "must have a low that is below its high";
  if (column.scale == Column::Scale::log) {
    if (column.kind != Kind::number) return "has scale \"log\", which is of a number";
    if (!(column.low > 0)) return "must have a low above 0, as the scale is \"log\"";
  }
  return std::nullopt;
}

std::optional<std::string> values_problem(const Column& column) {
  if (!has_values(column.kind)) {
    if (column.values.empty()) return std::nullopt;
    return "has values, which are of a category, an ordinal or yes-no";
  }
  if (column.kind == Kind::yes_no && column.values.empty()) return std::nullopt;
  if (column.kind == Kind::yes_no && column.values.size() != 2) {
    return "must have two values, first no and then yes, or none";
  }
  // One is enough to be known from a missing one.
  const std::size_t least = column.kind == Kind::category ? 1 : 2;
  if (column.values.size() < least) return "needs values, at least two";
  std::set<std::string_view> seen(column.missing.begin(), column.missing.end());
  for (const auto& spellings : column.values) {
    if (spellings.empty()) return "has a value without a spelling";
    for (const std::string& spelling : spellings) {
      if (const auto wrong = text_problem(spelling)) return "has a value that " + *wrong;
      if (!seen.insert(spelling).second) return "has the value " + quoted(spelling) + " twice";
    }
  }
  return std::nullopt;
}

std::optional<std::string> role_problem(const Column& column) {
  if (column.target + column.group + column.time > 1) {
    return "must be only one of target, group and time";
  }
  if (column.target && (column.kind == Kind::ignored || column.kind == Kind::date)) {
    return "is the target and must be a number, a category, an ordinal or yes-no";
  }
  if (column.time && !has_range(column.kind)) return "has time and must be a number or a date";
  if (column.unknown == Column::Unknown::missing && (!has_values(column.kind) || column.target)) {
    return "has unknown = \"missing\", which is of values that are not predicted";
  }
  return std::nullopt;
}

}  // namespace

std::string_view name(Kind kind) { return kKinds[static_cast<std::size_t>(kind)]; }

std::optional<std::string> problem(const Column& column) {
  if (const auto wrong = text_problem(column.name)) return "has a name that " + *wrong;
  for (const std::string& spelling : column.missing) {
    if (const auto wrong = text_problem(spelling)) return "has in missing a text that " + *wrong;
  }
  if (std::set<std::string_view>(column.missing.begin(), column.missing.end()).size() !=
      column.missing.size()) {
    return "has a text in missing twice";
  }
  if (auto wrong = role_problem(column)) return wrong;
  if (auto wrong = range_problem(column)) return wrong;
  return values_problem(column);
}

std::string to_string(const Column& column) {
  std::string text = quoted(column.name) + " " + std::string(name(column.kind));
  if (column.low != 0 || column.high != 0) {
    text += " " + number_text(column.low) + ".." + number_text(column.high);
  }
  if (column.scale == Column::Scale::log) text += " log";
  for (const auto& spellings : column.values) {
    const char* between = " ";
    for (const std::string& spelling : spellings) {
      text += between + quoted(spelling);
      between = "/";
    }
  }
  if (!column.missing.empty()) text += " missing";
  for (const std::string& spelling : column.missing) text += " " + quoted(spelling);
  if (column.unknown == Column::Unknown::missing) text += " unknown";
  if (column.target) text += " target";
  if (column.group) text += " group";
  if (column.time) text += " time";
  return text;
}

const std::vector<std::vector<std::string>>& values_of(const Column& column) {
  static const std::vector<std::vector<std::string>> usual{
      {"no", "n", "0", "0.0", "false", "f", "nein", "non", "falsch", "faux"},
      {"yes", "y", "1", "1.0", "true", "t", "ja", "oui", "wahr", "vrai"}};
  return column.kind == Kind::yes_no && column.values.empty() ? usual : column.values;
}

std::size_t features(const Column& column) {
  if (column.kind == Kind::ignored || column.target || column.time) return 0;
  return column.kind == Kind::category ? column.values.size() + 1 : 2;
}

double scaled(const Column& column, double value) {
  const bool log = column.scale == Column::Scale::log;
  const double low = log ? std::log(column.low) : column.low;
  const double high = log ? std::log(column.high) : column.high;
  return 2 * (((log ? std::log(value) : value) - low) / (high - low)) - 1;
}

double unscaled(const Column& column, double scaled) {
  const bool log = column.scale == Column::Scale::log;
  const double low = log ? std::log(column.low) : column.low;
  const double high = log ? std::log(column.high) : column.high;
  const double value = low + (scaled + 1) / 2 * (high - low);
  return log ? std::exp(value) : value;
}

std::optional<double> parse_date(std::string_view text) {
  /// So many digits, and then `end`.
  const auto take = [&text](std::size_t digits, std::string_view end) -> std::optional<int> {
    int value = 0;
    if (text.size() < digits) return std::nullopt;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + digits, value);
    if (error != std::errc() || rest != text.data() + digits || value < 0) return std::nullopt;
    text.remove_prefix(digits);
    if (end.empty()) return value;
    if (text.empty() || end.find(text.front()) == std::string_view::npos) return std::nullopt;
    text.remove_prefix(1);
    return value;
  };
  const auto year = take(4, "-/"), month = take(2, "-/"), day = take(2, "");
  if (!year || !month || !day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  auto days = static_cast<double>(std::chrono::sys_days(date).time_since_epoch().count());
  if (text.empty()) return days;
  if (text.front() != 'T' && text.front() != ' ') return std::nullopt;
  text.remove_prefix(1);
  const auto hour = take(2, ":"), minute = take(2, "");
  if (!hour || !minute || *hour > 24 || *minute > 59) return std::nullopt;
  days += (*hour * 60 + *minute) / 1440.0;
  if (text.starts_with(':')) {
    text.remove_prefix(1);
    const auto second = take(2, "");
    if (!second || *second > 60) return std::nullopt;
    days += *second / 86400.0;
    if (text.starts_with('.')) {  // less than a second does not count
      text.remove_prefix(std::min(text.find_first_not_of("0123456789", 1), text.size()));
    }
  }
  if (text == "Z") text = {};
  if (text.starts_with('+') || text.starts_with('-')) {
    const double sign = text.front() == '+' ? -1 : 1;
    text.remove_prefix(1);
    const auto hours = take(2, ":"), minutes = take(2, "");
    if (!hours || !minutes) return std::nullopt;
    days += sign * (*hours * 60 + *minutes) / 1440.0;
  }
  if (!text.empty()) return std::nullopt;
  return days;
}

std::string date_text(double days) {
  const std::chrono::sys_days day{std::chrono::days(static_cast<int>(std::floor(days)))};
  const std::chrono::year_month_day date{day};
  const auto padded = [](unsigned number, std::size_t digits) {
    const std::string text = std::to_string(number);
    return std::string(digits - std::min(digits, text.size()), '0') + text;
  };
  return padded(static_cast<unsigned>(static_cast<int>(date.year())), 4) + "-" +
         padded(static_cast<unsigned>(date.month()), 2) + "-" +
         padded(static_cast<unsigned>(date.day()), 2);
}

std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

}  // namespace kith::model
