#include "model/column.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <optional>
#include <set>

namespace kith::model {
namespace {

constexpr std::string_view kTarget = "target ";

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(' ');
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto end = text.find(separator);
    parts.push_back(trimmed(text.substr(0, end)));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::optional<double> number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

std::string text_of(double value) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, std::end(buffer), value + 0.0).ptr};
}

}  // namespace

std::variant<Column, std::string> parse_column(std::string_view declared) {
  // Commas and line ends separate columns and fields where a task is written as one text.
  if (std::ranges::any_of(declared, [](char c) { return c == ',' || (c >= 0 && c < ' '); })) {
    return "it has a comma or a control character";
  }
  const auto colon = declared.find(':');
  std::string_view name = trimmed(declared.substr(0, colon));
  Column column;
  const bool target = name.starts_with(kTarget);
  if (target) name = trimmed(name.substr(kTarget.size()));
  if (name.empty()) return "it has no name";
  column.name = name;
  if (colon == std::string_view::npos) {
    if (target) return "the target needs its values, like \"target sick: 0 | 1\"";
    return column;
  }
  const std::string_view what = trimmed(declared.substr(colon + 1));
  if (const auto dots = what.find(".."); dots != std::string_view::npos) {
    const auto low = number(trimmed(what.substr(0, dots)));
    const auto high = number(trimmed(what.substr(dots + 2)));
    if (!low || !high || !(*low < *high)) return "a range is two numbers like 20..80, lower first";
    if (target) return "the target needs values like 0 | 1, not a range";
    column.use = Column::Use::number;
    column.low = *low;
    column.high = *high;
    return column;
  }
  column.use = target ? Column::Use::target : Column::Use::choice;
  std::set<std::string_view> seen;
  for (const std::string_view value : split(what, '|')) {
    auto& spellings = column.values.emplace_back();
    for (const std::string_view spelling : split(value, '/')) {
      if (spelling.empty() || spelling == "?") {
        return "empty and ? mean a missing value and are not declared";
      }
      if (!seen.insert(spelling).second) return "a value is there twice";
      spellings.emplace_back(spelling);
    }
  }
  if (column.values.size() < 2) return "it needs a range like 20..80 or values like 0 | 1";
  return column;
}

std::string to_string(const Column& column) {
  std::string text = (column.use == Column::Use::target ? std::string(kTarget) : "") + column.name;
  if (column.use == Column::Use::ignored) return text;
  if (column.use == Column::Use::number) {
    return text + ": " + text_of(column.low) + ".." + text_of(column.high);
  }
  const char* between = ": ";
  for (const auto& spellings : column.values) {
    for (const std::string& spelling : spellings) {
      text += between + spelling;
      between = "/";
    }
    between = " | ";
  }
  return text;
}

std::size_t features(const Column& column) {
  switch (column.use) {
    case Column::Use::number:
      return 2;
    case Column::Use::choice:
      return column.values.size() + 1;
    case Column::Use::ignored:
    case Column::Use::target:
      return 0;
  }
  return 0;
}

}  // namespace kith::model
