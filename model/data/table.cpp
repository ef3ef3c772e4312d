#include "model/data/table.hpp"

#include "model/data/cells.hpp"
#include "model/data/csv.hpp"
#include "model/data/unicode.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <unordered_map>
#include <utility>

namespace kith::data {
namespace {

using model::Column;
using Cells = std::vector<std::string_view>;
using Kind = Column::Kind;

constexpr std::string_view kSeparators = ",;\t|";

/// What ends the reading of a file: a sentence without its end.
struct Refused {
  std::string why;
};
/// The file is to be read again from its start, with another Style.
struct Again {};

std::string quoted_cell(std::string_view cell) {
  constexpr std::size_t kLongest = 60;
  if (cell.size() <= kLongest) return "\"" + std::string(cell) + "\"";
  std::size_t end = kLongest;
  while (end > 0 && (cell[end] & 0xc0) == 0x80) --end;  // not within a character
  return "\"" + std::string(cell.substr(0, end)) + "...\"";
}

std::string on_line(std::size_t line) { return "line " + std::to_string(line); }

std::string_view separator_name(char separator) {
  switch (separator) {
    case ',':
      return "commas";
    case ';':
      return "semicolons";
    case '\t':
      return "tabs";
    default:
      return "bars";
  }
}

/// How a file writes numbers and dates, as far as its cells have shown.
struct Style {
  char decimal = '.';
  bool may_change = true;        ///< to the other one, where a cell speaks for it
  std::size_t decimal_line = 0;  ///< of a cell that can be read in this way only; 0: none yet
  DateOrder order = DateOrder::unknown;
  std::size_t order_line = 0;  ///< likewise
  std::size_t ambiguous_line = 0;
  std::string ambiguous_date;
};

/// One column of the task, and where it is in the file.
class Reader {
 public:
  Reader(const Column& column, std::size_t at) : column_(column), at_(at) {
    noticed_.name = column.name;
    const bool usual = column.kind == Kind::yes_no && column.values.empty();
    in_lower_case_ = usual;
    const auto& values = model::values_of(column);
    for (std::size_t i = 0; i < values.size(); ++i) {
      for (const std::string& spelling : values[i]) values_.emplace(composed(spelling), i);
    }
    for (const std::string& spelling : column.missing) {
      missing_.push_back(composed(spelling));
      if (const auto number = parse_number(spelling, '.')) missing_numbers_.push_back(*number);
    }
    is_plain_ = column.kind == Kind::number && missing_numbers_.empty();
    is_log_ = column.scale == Column::Scale::log;
    width_ = column.high - column.low;
    if (column.kind == Kind::ordinal || column.kind == Kind::yes_no) {
      last_ = static_cast<double>(values.size() - 1);
    }
  }

  [[nodiscard]] const Column& column() const { return column_; }
  [[nodiscard]] std::size_t at() const { return at_; }
  [[nodiscard]] const Noticed::InColumn& noticed() const { return noticed_; }

  [[nodiscard]] bool is_missing(std::string_view cell) const {
    return is_usual_missing(cell) ||
           (!missing_.empty() && std::ranges::find(missing_, composed(cell)) != missing_.end());
  }

  /// Of a number or a date; NaN if it is missing.
  double value(std::string_view cell, Style& style, std::size_t line) {
    if (is_plain_) {
      // Until a cell has shown what the decimal mark is, what has one is looked at more closely.
      const double simple = simple_number(cell, style.decimal_line != 0 ? style.decimal : '\0');
      if (!std::isnan(simple)) return simple;
      if (is_usual_missing(cell)) return std::numeric_limits<double>::quiet_NaN();
    }
    const auto value =
        column_.kind == Kind::date ? date(cell, style, line) : number(cell, style, line);
    if (value && std::ranges::find(missing_numbers_, *value) == missing_numbers_.end()) {
      return *value;
    }
    if (value || is_missing(cell)) return std::numeric_limits<double>::quiet_NaN();
    refuse(cell, line,
           column_.kind == Kind::date ? "which is no date like 2024-01-31" : "which is no number");
  }

  /// Which of the column's values; nullopt if it is missing.
  std::optional<std::size_t> choice(std::string_view cell, std::size_t line) {
    const std::uint64_t key = key_of(cell);
    Known& known = known_[key % kKnown];
    if (key != 0 && known.key == key) return known.which;
    const auto found = find(cell);
    if (found && key != 0) known = {key, *found};
    if (found) return found;
    if (is_missing(cell)) return std::nullopt;
    if (column_.unknown == Column::Unknown::missing) {
      ++noticed_.unknown;
      return std::nullopt;
    }
    const std::string what = "which is none of its declared values" + near_value(cell);
    refuse(cell, line, column_.target ? with_advice(what, kClassAdvice) : what);
  }

  /// Writes the column's inputs, which were 0.
  void write(float* inputs, std::string_view cell, Style& style, std::size_t line) {
    if (column_.kind == Kind::category) {
      const auto which = choice(cell, line);
      noticed_.missing += !which;
      inputs[which.value_or(column_.values.size())] = 1;
      return;
    }
    double scaled = 0;
    bool missing = false;
    if (column_.kind == Kind::number || column_.kind == Kind::date) {
      const double number = value(cell, style, line);
      missing = std::isnan(number);
      if (!missing) {
        count_range(number);
        const double within = std::clamp(number, column_.low, column_.high);
        scaled = is_log_ ? model::scaled(column_, within)  // else the same, without its branches
                         : 2 * ((within - column_.low) / width_) - 1;
      }
    } else {
      const auto which = choice(cell, line);
      missing = !which;
      if (which) scaled = 2 * (static_cast<double>(*which) / last_) - 1;
    }
    noticed_.missing += missing;
    inputs[0] = static_cast<float>(std::clamp(scaled, -1.0, 1.0));
    inputs[1] = missing ? 1.0F : 0.0F;
  }

  /// The number that is to be predicted, which is not missing.
  float target_value(double number, std::string_view cell, std::size_t line) {
    if (column_.scale == Column::Scale::log && !(number > 0)) {
      refuse(cell, line, "which is not above 0, as the scale \"log\" needs");
    }
    count_range(number);
    const double scaled = model::scaled(column_, number);
    if (!(std::abs(scaled) <= kMostScaled)) {
      refuse(cell, line, "which is too far from its range to be learnt");
    }
    return static_cast<float>(scaled);
  }

  void count_range(double number) {
    noticed_.least = std::min(noticed_.least, number);
    noticed_.most = std::max(noticed_.most, number);
    noticed_.below += number < column_.low;
    noticed_.above += number > column_.high;
  }

  /// Whether a cell may stand in this column, for telling a row from a header.
  [[nodiscard]] bool fits(std::string_view cell) const {
    switch (column_.kind) {
      case Kind::ignored:
        return true;
      case Kind::number:
        return is_missing(cell) || parse_number(cell, '.') || parse_number(cell, ',');
      case Kind::date:
        return is_missing(cell) || parse_cell_date(cell, DateOrder::unknown);
      default:
        return is_missing(cell) || find(cell) || column_.unknown == Column::Unknown::missing;
    }
  }

  [[noreturn]] void refuse(std::string_view cell, std::size_t line, const std::string& what) const {
    throw Refused{on_line(line) + " has " + quoted_cell(cell) + " in the column " + column_.name +
                  ", " + what};
  }

 private:
  static constexpr double kMostScaled = 1e6;
  static constexpr std::size_t kKnown = 31;  ///< cells; a prime, so that short ones differ by it

  /// A cell that was looked up, and what was found.
  struct Known {
    std::uint64_t key = 0;
    std::size_t which = 0;
  };
  /// A short cell as a number that no other has; 0 of a long or an empty one.
  static std::uint64_t key_of(std::string_view cell) {
    if (cell.size() > 7) return 0;
    std::uint64_t key = cell.size();
    for (const char c : cell) key = key << 8 | static_cast<unsigned char>(c);
    return key;
  }

  std::optional<double> number(std::string_view cell, Style& style, std::size_t line) const {
    const auto value = parse_number(cell, style.decimal);
    // Most cells tell nothing, and once the style is known nothing need be told.
    if (value && (style.decimal_line != 0 || cell.find_first_of(".,") == std::string_view::npos)) {
      return value;
    }
    const auto other = parse_number(cell, style.decimal == '.' ? ',' : '.');
    if (value && !other) style.decimal_line = line;
    const bool leaning = value && other && style.decimal == '.' && leans_to_comma_ &&
                         cell.find(',') != std::string_view::npos;
    if ((value && !leaning) || !other) return value;
    if (style.decimal_line != 0) {
      refuse(cell, line,
             std::string("though numbers have a decimal ") +
                 (style.decimal == '.' ? "point" : "comma") + ", as on " +
                 on_line(style.decimal_line) + "; write them all in one way");
    }
    if (!style.may_change) return value ? value : other;
    style.may_change = style.decimal == '.';
    style.decimal = style.decimal == '.' ? ',' : '.';
    throw Again{};
  }

  std::optional<double> date(std::string_view cell, Style& style, std::size_t line) const {
    const auto date = parse_cell_date(cell, style.order);
    if (!date) return std::nullopt;
    if (date->ambiguous && style.ambiguous_line == 0) {
      style.ambiguous_line = line;
      style.ambiguous_date = cell;
    }
    if (date->shows == DateOrder::unknown) return date->days;
    if (style.order != DateOrder::unknown && style.order != date->shows) {
      refuse(cell, line,
             std::string("though ") +
                 (style.order == DateOrder::day_first ? "the day" : "the month") +
                 " comes first on " + on_line(style.order_line) + "; write dates like 2024-01-31");
    }
    const bool was_guessed = style.ambiguous_line != 0 && date->shows == DateOrder::month_first &&
                             style.order == DateOrder::unknown;
    style.order = date->shows;
    style.order_line = line;
    if (was_guessed) throw Again{};
    return date->days;
  }

  [[nodiscard]] std::optional<std::size_t> find(std::string_view cell) const {
    auto found = values_.end();
    if (in_lower_case_) {
      found = values_.find(ascii_lower(cell));
    } else {
      found = is_ascii(cell) ? values_.find(cell) : values_.find(composed(cell));
    }
    if (found == values_.end()) return std::nullopt;
    return found->second;
  }

  /// A hint at a value that is the same number.
  [[nodiscard]] std::string near_value(std::string_view cell) const {
    const auto number = parse_number(cell, '.');
    for (const auto& [spelling, index] : values_) {
      if (!number || parse_number(spelling, '.') != number) continue;
      return "; if it is the same as " + quoted_cell(spelling) + ", declare [\"" + spelling +
             "\", " + quoted_cell(cell) + "] in its place";
    }
    return "";
  }

  struct TextHash : std::hash<std::string_view> {
    using is_transparent = void;
  };

  const Column& column_;
  std::size_t at_;
  std::unordered_map<std::string, std::size_t, TextHash, std::equal_to<>> values_;
  bool in_lower_case_ = false;
  std::array<Known, kKnown> known_{};
  bool is_plain_ = false;  ///< a number that is one is not missing
  bool is_log_ = false;
  double width_ = 0;       ///< of the range
  double last_ = 1;        ///< index of the last value
  std::vector<std::string> missing_;
  std::vector<double> missing_numbers_;
  Noticed::InColumn noticed_;

 public:
  bool leans_to_comma_ = false;  ///< a lone 1,234 is 1.234 rather than 1234
};

/// Where the records begin, and what divides their cells.
struct Layout {
  char separator = ',';
  bool told = false;  ///< by a line sep=;
  bool header = true;
  std::size_t width = 0;        ///< cells of a record
  std::size_t shift = 0;        ///< 1: the first cell of every row is its name, as R writes it
  bool trailing = false;        ///< every row ends with a separator, the header does not
  std::vector<std::size_t> at;  ///< of each column of the task
};

/// What rows are read for.
enum class For { learning, predicting };

bool is_used(const Column& column, For what) {
  if (what == For::predicting) return model::features(column) > 0;
  return column.kind != Kind::ignored || column.group;
}

/// The first records of a text.
std::vector<std::vector<std::string>> first_records(std::string_view text, char separator,
                                                    std::size_t count) {
  std::vector<std::vector<std::string>> records;
  CsvReader reader(text, separator);
  Cells cells;
  while (records.size() < count && reader.next(cells)) {
    auto& record = records.emplace_back();
    for (const std::string_view cell : cells) record.push_back(composed(cell));
  }
  return records;
}

std::string nearest_name(const std::string& name, const std::vector<std::string>& names) {
  const std::string* nearest = nullptr;
  std::size_t edits = 0;
  for (const std::string& candidate : names) {
    if (candidate.empty()) continue;
    const std::size_t count = model::distance(name, candidate);
    if (nearest == nullptr || count < edits) nearest = &candidate, edits = count;
  }
  return nearest != nullptr ? *nearest : "";
}

std::string some_names(std::span<const std::string> names) {
  constexpr std::size_t kMost = 8;
  std::string text;
  for (const std::string& name : names.first(std::min(kMost, names.size()))) {
    text += (text.empty() ? "" : ", ") + quoted_cell(name);
  }
  return names.size() > kMost ? text + ", ..." : text;
}

/// Finds out how the file is laid out, or throws Refused.
class Sniffer {
 public:
  Sniffer(std::string_view text, std::span<const Column> columns, For what)
      : columns_(columns), for_(what) {
    // A spreadsheet's first line; half of a letter divides nothing.
    if (text.starts_with("sep=") && text.size() > 4 && is_ascii(text.substr(4, 1))) {
      layout_.separator = text[4];
      layout_.told = true;
    } else {
      layout_.separator = separator_of(text);
    }
    first_ = first_records(text, layout_.separator, layout_.told ? 3 : 2);
    if (layout_.told && !first_.empty()) first_.erase(first_.begin());
    if (first_.empty()) throw Refused{"holds no line with a value; name a file with some"};
    layout_.width = first_[0].size();
    if (named(first_[0]) > 0) {
      find_columns();
      find_shift();
    } else {
      check_row();
    }
  }
  [[nodiscard]] const Layout& layout() const { return layout_; }

 private:
  /// How many of the columns that are used a record names.
  [[nodiscard]] std::size_t named(const std::vector<std::string>& record) const {
    std::size_t count = 0;
    for (const Column& column : columns_) {
      count += is_used(column, for_) && std::ranges::find(record, composed(column.name)) != record.end();
    }
    return count;
  }

  [[nodiscard]] char separator_of(std::string_view text) const {
    char best = ',';
    std::array<std::size_t, 3> most{};  // names found, as many cells as columns, cells
    for (const char separator : kSeparators) {
      const auto records = first_records(text, separator, 2);
      if (records.empty()) continue;
      const bool even = records.size() == 1 || records[0].size() == records[1].size();
      const std::array found{named(records[0]), std::size_t{records[0].size() == columns_.size()},
                             even ? records[0].size() : 1};
      if (found > most) most = found, best = separator;
    }
    return best;
  }

  void find_columns() {
    const auto& header = first_[0];
    for (const Column& column : columns_) {
      const std::string name = composed(column.name);
      const auto found = std::ranges::find(header, name);
      const auto count = std::ranges::count(header, name);
      if (is_used(column, for_) && count > 1) {
        throw Refused{"has two columns with the name " + quoted_cell(column.name) +
                      "; rename or remove one of them"};
      }
      if (is_used(column, for_) && count == 0) {
        throw Refused{"has no column " + quoted_cell(column.name) +
                      "; the nearest that it has is " + quoted_cell(nearest_name(name, header)) +
                      ": rename it in the first line if it is the same, or correct the task"};
      }
      layout_.at.push_back(static_cast<std::size_t>(found - header.begin()));
    }
  }

  /// Rows may have one cell more than the header: R writes their names without naming that column.
  /// Such names are 1, 2, ... or no numbers; else a decimal comma between commas would pass for
  /// one.
  void find_shift() {
    if (first_.size() < 2 || first_[1].size() != first_[0].size() + 1) return;
    layout_.trailing = first_[1].back().empty();
    const std::string& name = first_[1].front();
    const bool named = name == "1" || (!name.empty() && !parse_number(name, '.'));
    if (!layout_.trailing && !named) return;
    layout_.width = first_[1].size();
    layout_.shift = layout_.trailing ? 0 : 1;
    for (std::size_t& at : layout_.at) at += layout_.shift;
  }

  /// There is no header: is this a row of the columns in their order?  What is predicted may be missing
  /// among them where it is not asked for.
  void check_row() {
    const auto& row = first_[0];
    layout_.header = false;
    std::vector<const Column*> there;
    for (const Column& column : columns_) {
      if (for_ == For::learning || !column.target) there.push_back(&column);
    }
    if (row.size() != there.size()) {
      there.clear();
      for (const Column& column : columns_) there.push_back(&column);
    }
    if (row.size() == 1 && there.size() > 1) {
      const bool whole = row[0].find_first_of(kSeparators) != std::string::npos;
      throw Refused{whole ? "has every line in one pair of quotation marks; export it again"
                          : "has one cell on its first line, " + quoted_cell(row[0]) +
                                "; cells are divided by a comma, a semicolon, a tab or a bar, and "
                                "the first line names the columns"};
    }
    const Column* misfit = nullptr;
    std::size_t i = 0;
    for (; i < std::min(row.size(), there.size()) && misfit == nullptr; ++i) {
      if (for_ == For::predicting && !is_used(*there[i], for_)) continue;
      if (!Reader(*there[i], i).fits(row[i])) misfit = there[i];
    }
    if (misfit != nullptr || row.size() != there.size()) {
      std::string why = "has neither the columns' names on its first line (there are " +
                        some_names(row) + ") nor a row of them: ";
      why += row.size() != there.size()
                 ? "it has " + std::to_string(row.size()) + " cells where the task has " +
                       std::to_string(columns_.size()) + " columns"
                 : quoted_cell(row[i - 1]) + " cannot be in the column " + misfit->name;
      throw Refused{why + "; add a first line with the names"};
    }
    for (const Column& column : columns_) {
      const auto found = std::ranges::find(there, &column);
      layout_.at.push_back(static_cast<std::size_t>(found - there.begin()));
    }
  }

  std::span<const Column> columns_;
  For for_;
  std::vector<std::vector<std::string>> first_;
  Layout layout_;
};

/// Reads all rows in one style.
class TableParser {
 public:
  /// Gets the rows as they are read, `at_once` of them, and may take them out of the table.
  using Take = std::function<void(Table&)>;

  TableParser(std::span<const Column> columns, const Layout& layout, Style& style,
              For what = For::learning)
      : layout_(layout), style_(style) {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      table_.features += model::features(columns[i]);
      if (!is_used(columns[i], what)) continue;
      Reader& reader = readers_.emplace_back(columns[i], layout.at[i]);
      reader.leans_to_comma_ = layout.separator != ',';
    }
    asks_for_targets_ = what == For::learning;
    for (Reader& reader : readers_) {
      const Column& column = reader.column();
      if (column.target) targets_.push_back(&reader);
      if (column.group) group_ = &reader;
      if (column.time) time_ = &reader;
      const std::size_t features = model::features(column);
      if (features > 0) inputs_.emplace_back(&reader, features);
    }
  }

  void hand_over(std::size_t at_once, Take take) {
    at_once_ = at_once;
    take_ = std::move(take);
  }

  Table parse(std::string_view text) {
    CsvReader records(text, layout_.separator);
    Cells cells;
    for (std::size_t skip = layout_.told + layout_.header; skip > 0; --skip) {
      static_cast<void>(records.next(cells));
    }
    while (records.next(cells)) {
      add_row(cells, records.line());
      if (take_) {
        if (table_.rows == at_once_) give();
        continue;
      }
      // So that no half of a large table lies there twice while it grows.
      if (table_.rows == kFirstRows) reserve(text.size() - records.left(), text.size());
    }
    if (!records.problem().empty()) {
      throw Refused{on_line(records.line()) + " " + records.problem()};
    }
    if (style_.ambiguous_line != 0 && style_.order == DateOrder::unknown) {
      throw Refused{on_line(style_.ambiguous_line) + " has the date " +
                    quoted_cell(style_.ambiguous_date) +
                    ", and no date of the file says whether the day or the month comes first; "
                    "write dates like 2024-01-31"};
    }
    if (take_ && table_.rows > 0) give();
    if (take_) table_.rows = read_;
    for (const Reader& reader : readers_) table_.noticed.columns.push_back(reader.noticed());
    table_.targets = targets_.size();
    return std::move(table_);
  }

 private:
  static constexpr std::size_t kFirstRows = 1000;

  /// Rows took `read` of `size` bytes so far.
  void reserve(std::size_t read, std::size_t size) {
    const double share = static_cast<double>(size) / static_cast<double>(read);
    const auto rows = static_cast<std::size_t>(share * 1.02 * static_cast<double>(table_.rows));
    table_.inputs.reserve(rows * table_.features);
    (table_.values.empty() ? table_.labels.reserve(rows * std::max<std::size_t>(targets_.size(), 1))
                           : table_.values.reserve(rows));
    if (group_ != nullptr) table_.groups.reserve(rows);
    if (time_ != nullptr) table_.times.reserve(rows);
  }

  void give() {
    take_(table_);
    table_.inputs.clear();
    table_.rows = 0;
  }

  void add_row(const Cells& cells, std::size_t line) {
    if (cells.size() != layout_.width) {
      throw Refused{on_line(line) + " has " + std::to_string(cells.size()) +
                    " cells, but the lines before have " + std::to_string(layout_.width) +
                    "; a cell with " + std::string(separator_name(layout_.separator)) +
                    " in it must be in quotation marks"};
    }
    ++read_;
    if (layout_.shift > 0 && cells.front() != std::to_string(read_) &&
        parse_number(cells.front(), '.')) {
      throw Refused{on_line(line) + " has " + quoted_cell(cells.front()) +
                    " before the columns that the first line names, where the lines before have a "
                    "name or their number; name that column, or put cells with " +
                    std::string(separator_name(layout_.separator)) + " in quotation marks"};
    }
    if (layout_.trailing && !cells.back().empty()) {
      throw Refused{on_line(line) + " has a cell more than the first line names columns"};
    }
    const bool grouped = group_ == nullptr || !group_->is_missing(cells[group_->at()]);
    const bool has_target = !asks_for_targets_ ||
                            (targets_.size() == 1 ? add_target(*targets_[0], cells, line, grouped)
                                                  : add_targets(cells, line, grouped));
    table_.noticed.without_target += !has_target;
    table_.noticed.without_group += has_target && !grouped;
    if (!has_target || !grouped) return;
    if (group_ != nullptr) table_.groups.push_back(composed(cells[group_->at()]));
    if (time_ != nullptr) {
      table_.times.push_back(time_->value(cells[time_->at()], style_, line));
    }
    std::size_t at = table_.inputs.size();
    table_.inputs.resize(at + table_.features);
    for (const auto& [reader, features] : inputs_) {
      reader->write(&table_.inputs[at], cells[reader->at()], style_, line);
      at += features;
    }
    ++table_.rows;
  }

  /// False if it is missing.  Appends it if the row is `wanted`.
  bool add_target(Reader& target, const Cells& cells, std::size_t line, bool wanted) {
    const std::string_view cell = cells[target.at()];
    if (target.column().kind == Kind::number) {
      const double value = target.value(cell, style_, line);
      if (std::isnan(value)) return false;
      if (wanted) table_.values.push_back(target.target_value(value, cell, line));
      return true;
    }
    const auto which = target.choice(cell, line);
    if (which && wanted) table_.labels.push_back(static_cast<std::int64_t>(*which));
    return which.has_value();
  }

  /// Of several, one by one; false if all are missing.
  bool add_targets(const Cells& cells, std::size_t line, bool wanted) {
    std::vector<std::int64_t> row;
    bool some = false;
    for (Reader* const target : targets_) {
      const auto which = target->choice(cells[target->at()], line);
      some = some || which.has_value();
      row.push_back(which ? static_cast<std::int64_t>(*which) : Table::kNoTarget);
    }
    if (some && wanted) table_.labels.insert(table_.labels.end(), row.begin(), row.end());
    return some;
  }

  const Layout& layout_;
  Style& style_;
  Take take_;
  std::size_t at_once_ = 0;
  bool asks_for_targets_ = true;
  std::vector<Reader> readers_;
  std::vector<Reader*> targets_;
  Reader* group_ = nullptr;
  Reader* time_ = nullptr;
  std::vector<std::pair<Reader*, std::size_t>> inputs_;  ///< and how many each makes
  std::size_t read_ = 0;                                 ///< rows, also those left out
  Table table_;
};

std::string format_of(std::string_view encoding, const Layout& layout, const Style& style) {
  std::string text(encoding);
  text += ", separated by " + std::string(separator_name(layout.separator));
  text += layout.header ? ", with a header" : ", without a header";
  if (layout.shift > 0) text += ", with row names";
  if (style.decimal == ',') text += ", decimal commas";
  if (style.order == DateOrder::day_first) text += ", dates with the day first";
  if (style.order == DateOrder::month_first) text += ", dates with the month first";
  return text;
}

/// Throws Refused.  In the end `style` is what the file was read in, from its start.
Table read_in_its_style(const Decoded& decoded, std::span<const Column> columns,
                        const Layout& layout, Style& style, For what,
                        const TableParser::Take& take, std::size_t at_once) {
  for (;;) {
    Style seen = style;
    try {
      TableParser parser(columns, layout, seen, what);
      if (take) parser.hand_over(at_once, take);
      Table table = parser.parse(decoded.text());
      const std::string format = format_of(decoded.encoding(), layout, seen);
      table.noticed.files.push_back({.file = {}, .examples = table.rows, .format = format});
      return table;
    } catch (const Again&) {
      seen.decimal_line = 0;
      style = seen;
    }
  }
}

DataError refused_file(const std::filesystem::path& path, const std::string& why) {
  return DataError(path.string() + (why.starts_with("line ") ? ": " : " ") +
                   with_advice(why, "correct the cell, or what the task says of the column"));
}

}  // namespace

std::variant<Table, std::string> parse_table(std::string_view file,
                                             std::span<const Column> columns) {
  const auto decoded = decode(file);
  if (const auto* const why = std::get_if<std::string>(&decoded)) return *why;
  const auto& whole = std::get<Decoded>(decoded);
  try {
    const Layout layout = Sniffer(whole.text(), columns, For::learning).layout();
    Style style;
    return read_in_its_style(whole, columns, layout, style, For::learning, {}, 0);
  } catch (const Refused& refused) {
    return refused.why;
  }
}

std::variant<Noticed, std::string> parse_rows(std::string_view file,
                                              std::span<const Column> columns,
                                              std::size_t at_once, const TakeRows& take) {
  const auto decoded = decode(file);
  if (const auto* const why = std::get_if<std::string>(&decoded)) return *why;
  const auto& whole = std::get<Decoded>(decoded);
  try {
    const Layout layout = Sniffer(whole.text(), columns, For::predicting).layout();
    Style style;
    const auto read = [&](const TableParser::Take& with) {
      return read_in_its_style(whole, columns, layout, style, For::predicting, with, at_once);
    };
    const std::size_t rows = read([](Table&) {}).rows;
    return read([&](Table& piece) { take(piece.inputs, rows); }).noticed;
  } catch (const Refused& refused) {
    return refused.why;
  }
}

Table read_table(const std::filesystem::path& path, std::span<const Column> columns) {
  const FileContents file(path);
  auto parsed = parse_table(as_text(file.bytes()), columns);
  if (const auto* const why = std::get_if<std::string>(&parsed)) throw refused_file(path, *why);
  Table table = std::get<Table>(std::move(parsed));
  table.noticed.files.front().file = path;
  return table;
}

Noticed read_rows(const std::filesystem::path& path, std::span<const Column> columns,
                  std::size_t at_once, const TakeRows& take) {
  const FileContents file(path);
  auto parsed = parse_rows(as_text(file.bytes()), columns, at_once, take);
  if (const auto* const why = std::get_if<std::string>(&parsed)) throw refused_file(path, *why);
  Noticed noticed = std::get<Noticed>(std::move(parsed));
  noticed.files.front().file = path;
  return noticed;
}

}  // namespace kith::data
