#include "model/data/table.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

namespace kith::data {
namespace {

using model::Column;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r";
  const auto begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

/// The cells of one line, or nullopt if a quotation does not end in it (RFC 4180 without line ends
/// inside a cell).
std::optional<std::vector<std::string>> cells_of(std::string_view line) {
  std::vector<std::string> cells;
  for (;;) {
    line = line.substr(std::min(line.find_first_not_of(" \t"), line.size()));
    std::string& cell = cells.emplace_back();
    if (line.starts_with('"')) {
      for (line.remove_prefix(1);; line.remove_prefix(1)) {
        if (line.empty()) return std::nullopt;
        if (line.front() == '"') {
          line.remove_prefix(1);
          if (!line.starts_with('"')) break;  // two stand for one
        }
        cell += line.front();
      }
    }
    const auto end = line.find(',');
    const std::string_view rest = line.substr(0, end);
    cell += trimmed(rest);
    if (end == std::string_view::npos) return cells;
    line.remove_prefix(end + 1);
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

bool is_missing(std::string_view cell) { return cell.empty() || cell == "?"; }

bool same(const std::string& cell, const std::string& spelling) {
  if (cell == spelling) return true;
  const auto value = number(cell);
  return value && value == number(spelling);
}

/// Which of the column's values a cell has.
std::optional<std::size_t> choice(const Column& column, const std::string& cell) {
  for (std::size_t i = 0; i < column.values.size(); ++i) {
    for (const std::string& spelling : column.values[i]) {
      if (same(cell, spelling)) return i;
    }
  }
  return std::nullopt;
}

/// Appends a row to the table; returns what is wrong, or nothing.
std::string add_row(Table& table, std::span<const Column> columns,
                    const std::vector<std::string>& cells) {
  const auto wrong = [](const Column& column, const std::string& cell, const std::string& what) {
    return "has \"" + cell.substr(0, 80) + "\" in the column " + column.name + ", " + what;
  };
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const Column& column = columns[i];
    const std::string& cell = cells[i];
    const bool missing = is_missing(cell);
    switch (column.use) {
      case Column::Use::ignored:
        break;
      case Column::Use::number: {
        const auto value = missing ? (column.low + column.high) / 2 : number(cell);
        if (!value) return wrong(column, cell, "which is declared as a number");
        const double inside = std::clamp(*value, column.low, column.high);
        const double scaled = 2 * ((inside - column.low) / (column.high - column.low)) - 1;
        table.inputs.push_back(static_cast<float>(missing ? 0 : scaled));
        table.inputs.push_back(missing ? 1.0F : 0.0F);
        break;
      }
      case Column::Use::choice: {
        const auto which = missing ? column.values.size() : choice(column, cell);
        if (!which) return wrong(column, cell, "which is none of its declared values");
        for (std::size_t k = 0; k <= column.values.size(); ++k) {
          table.inputs.push_back(k == *which ? 1.0F : 0.0F);
        }
        break;
      }
      case Column::Use::target: {
        const auto which = choice(column, cell);
        if (!which) return wrong(column, cell, "which is none of the target's declared values");
        table.labels.push_back(static_cast<std::int64_t>(*which));
        break;
      }
    }
  }
  return {};
}

}  // namespace

std::variant<Table, std::string> parse_table(std::string_view csv,
                                             std::span<const Column> columns) {
  Table table;
  for (const Column& column : columns) table.features += model::features(column);
  for (std::size_t number = 1; !csv.empty(); ++number) {
    const auto end = csv.find('\n');
    const std::string_view line = trimmed(csv.substr(0, end));
    csv.remove_prefix(end == std::string_view::npos ? csv.size() : end + 1);
    if (line.empty()) continue;
    const std::string where = "line " + std::to_string(number) + " ";
    const auto cells = cells_of(line);
    if (!cells) return where + "has a quotation mark without its counterpart";
    if (cells->size() != columns.size()) {
      return where + "has " + std::to_string(cells->size()) + " cells but the task declares " +
             std::to_string(columns.size()) + " columns";
    }
    if (number == 1 && std::ranges::equal(*cells, columns, {}, {}, &Column::name)) continue;
    if (const std::string problem = add_row(table, columns, *cells); !problem.empty()) {
      return where + problem;
    }
  }
  return table;
}

Table read_table(const std::filesystem::path& path, std::span<const Column> columns) {
  auto parsed = parse_table(as_text(read_file(path)), columns);
  if (const auto* const why = std::get_if<std::string>(&parsed)) {
    throw DataError(path.string() + ": " + *why + "; correct the line or task.columns");
  }
  return std::get<Table>(std::move(parsed));
}

}  // namespace kith::data
