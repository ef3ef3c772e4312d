#include "daemon/simulation/draft.hpp"

#include "daemon/system/failure.hpp"
#include "model/column.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <optional>
#include <set>
#include <string>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;
using model::Column;

constexpr std::string_view kTarget = "target";
constexpr double kLow = 0.01, kHigh = 0.99;  // the usual range, as shares of all rows

[[noreturn]] void refuse(const fs::path& file, const std::string& what) {
  throw Failure(EX_DATAERR, file.string() + what);
}

std::vector<std::string> cells_of(std::string line) {
  if (line.ends_with('\r')) line.pop_back();
  std::vector<std::string> cells(1);
  for (const char c : line) {
    if (c == ',') {
      cells.emplace_back();
    } else {
      cells.back() += c;
    }
  }
  return cells;
}

std::optional<double> number(const std::string& cell) {
  double value = 0;
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  const bool all = error == std::errc() && end == cell.data() + cell.size();
  return all && std::isfinite(value) ? std::optional(value) : std::nullopt;
}

double percentile(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], at - static_cast<double>(below));
}

/// With four digits: people read it, and more of them mean nothing.
double rounded(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.4g", value);
  return number(text.data()).value_or(value);
}

/// The cells of all tables, column by column.
struct Cells {
  std::vector<std::string> names;
  std::vector<std::vector<double>> numbers;  ///< of every column but the target
  std::set<std::string> classes;

  void read(const fs::path& file) {
    std::ifstream in(file);
    std::string line;
    if (!std::getline(in, line)) refuse(file, " is empty or cannot be read; it needs a heading");
    const std::vector<std::string> heading = cells_of(line);
    if (names.empty()) {
      names = heading;
      numbers.resize(names.size());
    }
    if (heading != names) refuse(file, " has another heading than the tables before it");
    if (std::ranges::count(names, kTarget) != 1) {
      refuse(file, " has no column \"target\" in its heading, or more than one");
    }
    for (std::size_t row = 2; std::getline(in, line); ++row) {
      if (!line.empty()) add(file, row, cells_of(line));
    }
  }

 private:
  void add(const fs::path& file, std::size_t row, const std::vector<std::string>& cells) {
    const std::string where = ":" + std::to_string(row) + ": ";
    if (cells.size() != names.size()) {
      refuse(file, where + "there are " + std::to_string(cells.size()) + " cells, and " +
                       std::to_string(names.size()) + " in the heading");
    }
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const std::string& cell = cells[i];
      if (names[i] == kTarget) {
        classes.insert(cell);
        continue;
      }
      if (cell.empty() || cell == "?") continue;
      const auto value = number(cell);
      if (!value)
        refuse(file, where + "\"" + cell + "\" in the column " + names[i] + " is no number");
      numbers[i].push_back(*value);
    }
  }
};

/// Numbers by size, and before words.
bool comes_first(const std::string& a, const std::string& b) {
  const auto x = number(a), y = number(b);
  if (x && y) return *x < *y;
  return x.has_value() != y.has_value() ? x.has_value() : a < b;
}

}  // namespace

model::Task draft_task(model::Task task, const std::vector<fs::path>& tables) {
  Cells cells;
  for (const fs::path& table : tables) cells.read(table);
  task.columns.clear();
  for (std::size_t i = 0; i < cells.names.size(); ++i) {
    Column column;
    column.name = cells.names[i];
    std::vector<double>& numbers = cells.numbers[i];
    if (column.name == kTarget) {
      column.use = Column::Use::target;
      std::vector<std::string> classes(cells.classes.begin(), cells.classes.end());
      std::ranges::sort(classes, comes_first);
      for (const std::string& name : classes) column.values.push_back({name});
      task.classes = static_cast<unsigned>(classes.size());
    } else if (!numbers.empty()) {
      column.use = Column::Use::number;
      std::ranges::sort(numbers);
      column.low = rounded(percentile(numbers, kLow));
      column.high = rounded(percentile(numbers, kHigh));
      if (!(column.low < column.high)) column.high = column.low + 1;  // it hardly varies
    }
    task.columns.push_back(model::to_string(column));
  }
  return task;
}

}  // namespace kith::daemon
