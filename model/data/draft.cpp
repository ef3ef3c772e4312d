#include "model/data/draft.hpp"

#include "model/data/cells.hpp"
#include "model/data/csv.hpp"
#include "model/data/file.hpp"
#include "model/data/unicode.hpp"
#include "model/metrics.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string_view>

namespace kith::data {
namespace {

using model::Column;
using Kind = Column::Kind;

constexpr std::size_t kMostValues = 100;    // of a category
constexpr std::size_t kMostClasses = 100;  // of a target
constexpr double kLow = 0.01, kHigh = 0.99;  // the usual range, as shares of all rows
constexpr std::string_view kMissing = "";    // however it was written

// ---- The cells ----

/// All rows of all files, by the columns' names; missing cells are empty.
struct Rows {
  std::vector<std::string> names;
  std::vector<std::vector<std::string>> columns;  ///< one after another, as long as there are rows
  std::size_t count = 0;
  std::vector<std::size_t> ends;  ///< of each file's rows
  char decimal = '.';

  std::size_t column(const std::string& name) {
    const auto found = std::ranges::find(names, name);
    if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
    names.push_back(name);
    columns.emplace_back(count, std::string(kMissing));
    return names.size() - 1;
  }
};

/// What divides most cells of the first lines, if possible as many in each.
char separator_of(std::string_view text) {
  char best = ',';
  std::pair<bool, std::size_t> most{};
  for (const char separator : {',', ';', '\t', '|'}) {
    CsvReader reader(text, separator);
    std::vector<std::string_view> cells;
    std::size_t width = 0;
    bool even = true;
    for (int line = 0; line < 20 && reader.next(cells); ++line) {
      if (line == 0) width = cells.size();
      even = even && cells.size() == width;
    }
    const std::pair found(even && width > 1, width);
    if (found > most) most = found, best = separator;
  }
  return best;
}

void read(Rows& rows, const std::filesystem::path& path) {
  const auto refuse = [&](const std::string& what) { throw DataError(path.string() + " " + what); };
  const Bytes file = read_file(path);
  const auto decoded = decode(as_text(file));
  if (const auto* const why = std::get_if<std::string>(&decoded)) refuse(*why);
  const std::string_view text = std::get<Decoded>(decoded).text();
  const char separator = separator_of(text);
  if (separator == ';') rows.decimal = ',';
  CsvReader reader(text, separator);
  std::vector<std::string_view> cells;
  if (!reader.next(cells)) refuse("holds no line with a value; name a file with some");
  std::vector<std::size_t> places;
  for (const std::string_view cell : cells) {
    if (cell.empty() || parse_number(cell, '.')) {
      refuse("has \"" + std::string(cell.substr(0, 60)) +
             "\" on its first line, which should name the columns; add a line with their names");
    }
    places.push_back(rows.column(composed(cell)));
  }
  if (std::set(places.begin(), places.end()).size() != places.size()) {
    refuse("has two columns of one name; rename one of them");
  }
  while (reader.next(cells)) {
    if (cells.size() != places.size()) {
      refuse("has " + std::to_string(cells.size()) + " cells on line " +
             std::to_string(reader.line()) + ", but " + std::to_string(places.size()) +
             " columns; a cell with the separator in it must be in quotation marks");
    }
    for (auto& column : rows.columns) column.emplace_back();
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (!is_usual_missing(cells[i])) rows.columns[places[i]].back() = composed(cells[i]);
    }
    ++rows.count;
  }
  if (!reader.problem().empty()) {
    refuse("line " + std::to_string(reader.line()) + " " + reader.problem());
  }
  rows.ends.push_back(rows.count);
}

/// Whether a column has one value in each of several files: it says whose they are.
bool names_the_file(const Rows& rows, const std::vector<std::string>& cells) {
  std::size_t row = 0;
  for (const std::size_t end : rows.ends) {
    for (const std::size_t first = row; row < end; ++row) {
      if (cells[row] != cells[first] || cells[row] == kMissing) return false;
    }
  }
  return rows.ends.size() > 1;
}

// ---- One column ----

struct Sight {
  std::vector<std::optional<double>> numbers;  ///< of each row
  std::map<std::string, std::size_t> counts;   ///< of each text, but for missing ones
  std::size_t missing = 0, read_as_number = 0, read_as_date = 0;
  std::vector<double> sorted;  ///< numbers, or days
  [[nodiscard]] std::size_t present() const { return numbers.size() - missing; }
  [[nodiscard]] bool all_numbers() const { return present() > 0 && read_as_number == present(); }
  [[nodiscard]] bool all_dates() const { return present() > 0 && read_as_date == present(); }
};

Sight look_at(const std::vector<std::string>& cells, char decimal) {
  Sight sight;
  std::vector<double> days;
  for (const std::string& cell : cells) {
    sight.numbers.emplace_back();
    if (cell == kMissing) {
      ++sight.missing;
      continue;
    }
    ++sight.counts[cell];
    if (const auto number = parse_number(cell, decimal)) {
      sight.numbers.back() = number;
      sight.sorted.push_back(*number);
      ++sight.read_as_number;
    } else if (const auto date = parse_cell_date(cell, DateOrder::unknown)) {
      days.push_back(date->days);
      ++sight.read_as_date;
    }
  }
  if (sight.all_dates()) sight.sorted = std::move(days);
  std::ranges::sort(sight.sorted);
  return sight;
}

double percentile(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], at - static_cast<double>(below));
}

/// A hundredth or so of a range, as a round number: finer ends would tell of single rows.
double step_of(double range) { return std::pow(10, std::floor(std::log10(range)) - 1); }

double down(double value, double step) { return std::floor(value / step + 1e-9) * step; }
double up(double value, double step) { return std::ceil(value / step - 1e-9) * step; }

/// Without the noise of a binary fraction.
double decimal(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.10g", value);
  return std::strtod(text, nullptr);
}

void set_range(Column& column, const std::vector<double>& sorted) {
  double low = percentile(sorted, kLow), high = percentile(sorted, kHigh);
  if (!(low < high)) low = sorted.front(), high = sorted.back();
  if (!(low < high)) high = low + 1;
  const double step = step_of(high - low);
  column.low = decimal(down(low, step));
  column.high = decimal(up(high, step));
}

std::string percent(std::size_t part, std::size_t all) {
  if (200 * part < all) return "less than 1 %";
  return std::to_string(std::lround(100.0 * static_cast<double>(part) /
                                    static_cast<double>(std::max<std::size_t>(all, 1)))) +
         " %";
}

bool is_whole(double value) { return value == std::floor(value); }

/// -9, -99, 999 and the like, at the end of all others and far from them: they stand for nothing.
std::optional<double> sentinel(const std::vector<double>& sorted) {
  const auto apart = [&](double value, double next, double other_end) {
    return std::abs(next - value) > std::abs(other_end - next) || (value < 0 && next >= 0);
  };
  for (const double code : {-9.0, -99.0, -999.0, -9999.0}) {
    if (sorted.front() != code) continue;
    const auto next = std::ranges::upper_bound(sorted, code);
    if (next != sorted.end() && apart(code, *next, sorted.back())) return code;
  }
  for (const double code : {99.0, 999.0, 9999.0, 99999.0}) {
    if (sorted.back() != code) continue;
    const auto next = std::ranges::lower_bound(sorted, code);
    if (next != sorted.begin() && apart(code, *(next - 1), sorted.front())) return code;
  }
  return std::nullopt;
}

std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

void declare_number(Column& column, Sight& sight, std::string& reason) {
  column.kind = Kind::number;
  if (const auto code = sentinel(sight.sorted)) {
    column.missing = {number_text(*code)};
    reason += number_text(*code) + " seems to stand for a missing value; ";
    std::erase(sight.sorted, *code);
  }
  set_range(column, sight.sorted);
  if (const double low = percentile(sight.sorted, kLow);
      !column.target && sight.sorted.front() > 0 && column.high / low > 1000) {
    column.scale = Column::Scale::log;
    column.low = decimal(down(low, step_of(low)));
    reason += "spans more than three orders of magnitude; ";
  }
  const bool whole = std::ranges::all_of(sight.sorted, is_whole);
  if (whole && sight.counts.size() > 2 && sight.counts.size() <= 10) {
    reason += "whole numbers from " + number_text(sight.sorted.front()) + " to " +
              number_text(sight.sorted.back()) + ": if these are codes, make it a category; ";
  }
}

/// Numbers by size, all else by how often it occurs.
std::vector<std::vector<std::string>> values_of(const Sight& sight, char decimal) {
  std::vector<std::string> names;
  for (const auto& [name, count] : sight.counts) names.push_back(name);
  std::ranges::stable_sort(names, [&](const std::string& a, const std::string& b) {
    if (sight.all_numbers()) return parse_number(a, decimal) < parse_number(b, decimal);
    return sight.counts.at(a) > sight.counts.at(b);
  });
  std::vector<std::vector<std::string>> values;
  for (std::string& name : names) values.push_back({std::move(name)});
  return values;
}

bool is_yes_no(const Sight& sight) {
  Column usual;
  usual.kind = Kind::yes_no;
  std::set<std::size_t> found;
  const auto& values = model::values_of(usual);
  for (const auto& [text, count] : sight.counts) {
    const std::string in_lower_case = ascii_lower(text);
    const auto which = std::ranges::find_if(values, [&](const auto& spellings) {
      return std::ranges::find(spellings, in_lower_case) != spellings.end();
    });
    if (which == values.end()) return false;
    found.insert(static_cast<std::size_t>(which - values.begin()));
  }
  return found.size() == 2;
}

bool has_word(const std::string& name, std::initializer_list<std::string_view> words) {
  const std::string in_lower_case = ascii_lower(name);
  return std::ranges::any_of(words, [&](std::string_view word) {
    const auto at = in_lower_case.find(word);
    if (at == std::string::npos) return false;
    const auto letter = [&](std::size_t i) {
      return i < in_lower_case.size() && std::isalpha(static_cast<unsigned char>(in_lower_case[i]));
    };
    return !(at > 0 && letter(at - 1)) && !letter(at + word.size());
  });
}

bool names_somebody(const std::string& name) {
  return has_word(name, {"patient", "subject", "person", "user", "participant", "id", "ident",
                         "machine", "device", "serial", "uuid", "key", "index", "row"});
}

void declare(Column& column, Sight& sight, std::string& reason, const Rows& rows) {
  const std::size_t different = sight.counts.size();
  const bool all_different = different == sight.present() && different > 20;
  if (sight.missing > 0) reason += percent(sight.missing, rows.count) + " missing; ";
  if (sight.present() == 0) {
    reason = "always missing; ";
  } else if (different == 1) {
    reason += "always \"" + sight.counts.begin()->first.substr(0, 40) + "\"; ";
  } else if (names_somebody(column.name) && (all_different || 2 * different <= sight.present()) &&
             (!sight.all_numbers() || std::ranges::all_of(sight.sorted, is_whole)) &&
             different > 10) {
    column.group = !all_different;
    reason += column.group ? std::to_string(different) + " different in " +
                                 std::to_string(sight.present()) +
                                 " rows: these rows stay together; "
                           : "another in every row; ";
  } else if (is_yes_no(sight)) {
    column.kind = Kind::yes_no;
  } else if (sight.all_numbers()) {
    declare_number(column, sight, reason);
  } else if (sight.all_dates()) {
    column.kind = Kind::date;
    column.low = sight.sorted.front(), column.high = sight.sorted.back();
    if (!(column.low < column.high)) column.high = column.low + 1;
    column.time = true;
    reason += "orders the rows, and is no input; data.split = \"time\" makes use of it; ";
  } else if (different <= kMostValues && 2 * different <= sight.present()) {
    column.kind = Kind::category;
    column.values = values_of(sight, rows.decimal);
    column.unknown = Column::Unknown::missing;
    if (sight.read_as_number * 10 > sight.present() * 9) {
      reason += "nearly all are numbers, but \"";
      for (const auto& [text, count] : sight.counts) {
        if (!parse_number(text, rows.decimal)) {
          reason += text.substr(0, 40);
          break;
        }
      }
      reason += "\" is none: if it means missing, make it a number with that in missing; ";
    }
  } else {
    reason += std::to_string(different) + " different texts, of which nothing can be learnt here; ";
  }
}

// ---- The target ----

/// How well the name says that this is what people want to know; 0: not at all.
int sounds_like_target(const std::string& name) {
  if (has_word(name, {"target", "label", "class", "outcome", "y", "diagnosis", "result"})) return 2;
  const std::string text = ascii_lower(name);
  for (const char* const word : {"tomorrow", "risk", "churn", "default", "price", "status", "sick",
                                 "disease", "score", "activity"}) {
    if (text.find(word) != std::string::npos) return 1;
  }
  return 0;
}

bool may_be_target(const Sight& sight) {
  return sight.counts.size() >= 2 && !sight.all_dates() &&
         (sight.all_numbers() || sight.counts.size() <= kMostClasses);
}

/// The one that sounds most like one; of these one of few values; of these the last.
std::size_t guess_target(const Rows& rows, const std::vector<Sight>& sights) {
  std::optional<std::size_t> best;
  std::tuple<int, bool> found;
  for (std::size_t i = 0; i < rows.names.size(); ++i) {
    if (!may_be_target(sights[i]) || names_somebody(rows.names[i])) continue;
    const std::tuple rank(sounds_like_target(rows.names[i]), sights[i].counts.size() <= 20);
    if (best && rank < found) continue;
    best = i, found = rank;
  }
  if (!best) {
    throw DataError("no column can be predicted: none has two values or more that repeat; name one "
                    "with --target");
  }
  return *best;
}

void declare_target(Column& column, Sight& sight, std::string& reason, const Rows& rows) {
  column.target = true;
  const std::size_t different = sight.counts.size();
  if (different == 0) {
    throw DataError("the column " + column.name +
                    " is always missing, so it cannot be predicted; name another "
                    "with --target");
  }
  if (sight.missing > 0) {
    reason += percent(sight.missing, rows.count) + " missing: these rows are left out; ";
  }
  const bool codes = sight.all_numbers() && different <= 20 &&
                     std::ranges::all_of(sight.sorted, is_whole);
  if (is_yes_no(sight) && !sight.all_numbers()) {
    column.kind = Kind::yes_no;
  } else if (sight.all_numbers() && !codes) {
    declare_number(column, sight, reason);
  } else {
    column.kind = Kind::category;
    column.values = values_of(sight, rows.decimal);
    if (different > kMostClasses) {
      throw DataError("the column " + column.name + " has " + std::to_string(different) +
                      " different texts, too many to be predicted; name another with --target");
    }
  }
}

/// The class of each row, if the target has two; -1 where it is missing.
std::vector<std::int64_t> two_classes(const Column& target, const std::vector<std::string>& cells) {
  const auto& values = model::values_of(target);
  if (target.kind == Kind::number || values.size() != 2) return {};
  std::vector<std::int64_t> classes;
  for (const std::string& cell : cells) {
    const std::string text = target.values.empty() ? ascii_lower(cell) : cell;
    const auto found = std::ranges::find_if(values, [&](const auto& spellings) {
      return std::ranges::find(spellings, text) != spellings.end();
    });
    classes.push_back(found == values.end() ? -1 : found - values.begin());
  }
  return classes;
}

/// Whether a number by itself tells two classes apart: then it is known too late, most likely.
bool gives_away(const Sight& sight, const std::vector<std::int64_t>& classes) {
  std::vector<std::int64_t> truth;
  std::vector<float> scores;
  for (std::size_t i = 0; i < classes.size(); ++i) {
    if (classes[i] < 0 || !sight.numbers[i]) continue;
    truth.push_back(classes[i]);
    scores.push_back(static_cast<float>(*sight.numbers[i]));
  }
  const model::Metrics metrics = model::ranking_metrics(truth, scores);
  const auto auroc = metrics.find("auroc");
  return auroc != metrics.end() && truth.size() >= 50 && std::abs(auroc->second - 0.5) > 0.495;
}

std::string without_end(std::string reason) {
  if (reason.ends_with("; ")) reason.resize(reason.size() - 2);
  return reason;
}

}  // namespace

std::string only_class_note(const std::string& name) {
  return "only the class \"" + name +
         "\" was seen, so this is no task by itself; merge it with the drafts of "
         "members who have others: kith task merge";
}

Draft draft_table(std::span<const std::filesystem::path> files, const std::string& target) {
  Rows rows;
  for (const auto& file : files) read(rows, file);
  if (rows.count == 0) throw DataError("the tables hold no row; name files with some");
  std::vector<Sight> sights;
  for (const auto& cells : rows.columns) sights.push_back(look_at(cells, rows.decimal));
  Draft draft;
  const auto named = std::ranges::find(rows.names, target);
  if (!target.empty() && named == rows.names.end()) {
    throw DataError("there is no column " + target + " to predict; there are: " + [&] {
      std::string all;
      for (const std::string& name : rows.names) all += (all.empty() ? "" : ", ") + name;
      return all;
    }());
  }
  const std::size_t predicted = target.empty() ? guess_target(rows, sights)
                                               : static_cast<std::size_t>(named - rows.names.begin());
  for (std::size_t i = 0; i < rows.names.size(); ++i) {
    Column column;
    column.name = rows.names[i];
    std::string reason;
    if (i == predicted) {
      declare_target(column, sights[i], reason, rows);
      if (target.empty()) reason += "a guess: is this what is to be predicted?; ";
    } else if (sights[i].counts.size() > 1 && names_the_file(rows, rows.columns[i])) {
      reason = "always the same within a file: says whose the rows are";
    } else {
      declare(column, sights[i], reason, rows);
    }
    draft.task.columns.push_back(std::move(column));
    draft.reasons.push_back(without_end(std::move(reason)));
  }
  // One column orders the rows, and one groups them.
  for (bool Column::*const role : {&Column::time, &Column::group}) {
    bool taken = false;
    for (Column& column : draft.task.columns) {
      if (column.*role && taken) column = Column{.name = column.name};
      taken = taken || column.*role;
    }
  }
  const auto classes = two_classes(draft.task.columns[predicted], rows.columns[predicted]);
  for (std::size_t i = 0; i < rows.names.size(); ++i) {
    Column& column = draft.task.columns[i];
    if (column.target || column.kind != Kind::number || !gives_away(sights[i], classes)) continue;
    column = Column{.name = column.name};
    draft.reasons[i] = "tells the target all by itself: is it known beforehand? it is left out";
  }
  draft.task.classes = model::classes_of(draft.task.columns).value();
  draft.task.sizes = {64};
  draft.target = rows.names[predicted];
  draft.examples = rows.count;
  const Sight& sight = sights[predicted];
  if (const Column& column = draft.task.columns[predicted]; column.values.size() == 1) {
    draft.notes.push_back(only_class_note(column.values.front().front()));
  }
  if (draft.task.classes > 1) {
    const auto largest = std::ranges::max_element(
        sight.counts, {}, [](const auto& count) { return count.second; });
    if (largest->second * 10 > sight.present() * 8) {
      draft.task.metric = "balanced_accuracy";
      draft.notes.push_back(percent(largest->second, sight.present()) + " of the rows are \"" +
                            largest->first +
                            "\", so accuracy says little: the metric is balanced accuracy");
    }
  }
  return draft;
}

}  // namespace kith::data
