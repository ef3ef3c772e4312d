#include "model/data/merge.hpp"

#include "model/data/cells.hpp"
#include "model/data/file.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <tuple>
#include <utility>

namespace kith::data {
namespace {

using model::Column;
using Kind = Column::Kind;
using Values = std::vector<std::vector<std::string>>;

constexpr double kFar = 10;  // usual widths: a range that far from the others is in another unit
constexpr const char* kNobodys = "(another class)";

/// Two drafts that cannot be one, in words that follow a column's name.
struct Conflict {
  std::string why;
};

std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

/// `a, b and 3 more`
std::string in_a_list(const std::vector<std::string>& names) {
  constexpr std::size_t kMost = 6;
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kMost); ++i) {
    text += (i == 0 ? "" : ", ") + names[i];
  }
  return names.size() > kMost ? text + " and " + std::to_string(names.size() - kMost) + " more"
                              : text;
}

std::string quoted(const std::vector<std::string>& texts) {
  std::vector<std::string> all;
  for (const std::string& text : texts) all.push_back('"' + text.substr(0, 40) + '"');
  return in_a_list(all);
}

std::optional<double> number_of(const std::string& text) {
  if (const auto number = parse_number(text, '.')) return number;
  return parse_number(text, ',');
}

template <class Number>
Number lower_median(std::vector<Number> numbers) {
  const auto middle = numbers.begin() + static_cast<std::ptrdiff_t>((numbers.size() - 1) / 2);
  std::nth_element(numbers.begin(), middle, numbers.end());
  return *middle;
}

/// A column as one draft declares it.
struct Declared {
  const std::string* draft;
  const Column* column;
};

// ---- Values ----

/// All values of all drafts; those that share a spelling are one.
Values united(std::span<const Declared> all) {
  std::vector<std::set<std::string>> values;
  std::map<std::string, std::size_t> fronts;  // how many drafts call a value so
  for (const Declared& one : all) {
    for (const auto& spellings : one.column->values) {
      ++fronts[spellings.front()];
      std::set<std::string> value(spellings.begin(), spellings.end());
      std::erase_if(values, [&](const std::set<std::string>& other) {
        const bool shared =
            std::ranges::any_of(other, [&](const auto& text) { return value.contains(text); });
        if (shared) value.insert(other.begin(), other.end());
        return shared;
      });
      values.push_back(std::move(value));
    }
  }
  Values found;
  for (const auto& value : values) {
    std::vector<std::string> spellings(value.begin(), value.end());
    std::stable_sort(spellings.begin(), spellings.end(), [&](const auto& a, const auto& b) {
      const auto count = [&](const std::string& text) {
        return fronts.contains(text) ? fronts.at(text) : 0;
      };
      return count(a) > count(b);
    });
    found.push_back(std::move(spellings));
  }
  const bool numbers =
      std::ranges::all_of(found, [](const auto& v) { return number_of(v.front()).has_value(); });
  std::sort(found.begin(), found.end(), [&](const auto& a, const auto& b) {
    const auto key = [&](const auto& v) {
      return std::pair(numbers ? *number_of(v.front()) : 0, v.front());
    };
    return key(a) < key(b);
  });
  return found;
}

std::size_t place_of(const Values& values, const std::string& text) {
  const auto found = std::ranges::find_if(values, [&](const auto& spellings) {
    return std::ranges::find(spellings, text) != spellings.end();
  });
  return static_cast<std::size_t>(found - values.begin());
}

/// Puts values into the one order that all drafts agree on; false if there is none, or several.
bool put_in_order(Values& values, std::span<const Declared> all) {
  std::set<std::pair<std::size_t, std::size_t>> before;
  for (const Declared& one : all) {
    for (std::size_t i = 0; i + 1 < one.column->values.size(); ++i) {
      before.emplace(place_of(values, one.column->values[i].front()),
                     place_of(values, one.column->values[i + 1].front()));
    }
  }
  Values ordered;
  std::set<std::size_t> left;
  for (std::size_t i = 0; i < values.size(); ++i) left.insert(i);
  while (!left.empty()) {
    std::vector<std::size_t> first;
    for (const std::size_t i : left) {
      const auto is_later = [&](const auto& pair) {
        return pair.second == i && left.contains(pair.first);
      };
      if (std::ranges::none_of(before, is_later)) first.push_back(i);
    }
    if (first.size() != 1) return false;
    ordered.push_back(values[first[0]]);
    left.erase(first[0]);
  }
  values = std::move(ordered);
  return true;
}

// ---- One column ----

/// What becomes of a column that several drafts declare.
class Joined {
 public:
  /// Requires that each draft declares it.
  Joined(std::span<const Declared> all, std::size_t drafts) : all_(all), drafts_(drafts) {
    column_.name = all.front().column->name;
    for (const Declared& one : all) {
      if (!used(one)) continue;
      active_.push_back(one);
      kinds_.insert(one.column->kind);
      column_.target = column_.target || one.column->target;
    }
  }

  /// Throws Conflict.
  Column join() {
    const auto is_first = [&](const Declared& one) { return *one.column == *all_.front().column; };
    if (!active_.empty() && std::ranges::all_of(all_, is_first)) return *all_.front().column;
    if (group_or_nothing()) return column_;
    for (const Declared& one : active_) {
      column_.time = column_.time || one.column->time;
      if (one.column->unknown == Column::Unknown::missing)
        column_.unknown = Column::Unknown::missing;
      for (const std::string& text : one.column->missing) missing_.insert(text);
    }
    choose_kind();
    const bool range = column_.kind == Kind::number || column_.kind == Kind::date;
    if (range) column_.unknown = Column::Unknown::refused;
    if (column_.target) column_.unknown = Column::Unknown::refused;
    settle_missing();
    return column_;
  }

  [[nodiscard]] const std::string& reason() const { return reason_; }
  /// What people should decide on.
  [[nodiscard]] const std::vector<std::string>& doubts() const { return doubts_; }

 private:
  static bool used(const Declared& one) { return one.column->kind != Kind::ignored; }

  void say(const std::string& what) { reason_ += (reason_.empty() ? "" : "; ") + what; }
  void doubt(const std::string& what) {
    say(what);
    doubts_.push_back("the column " + column_.name + ": " + what);
  }

  [[nodiscard]] std::vector<std::string> names(auto is) const {
    std::vector<std::string> found;
    for (const Declared& one : all_) {
      if (is(one)) found.push_back(*one.draft);
    }
    return found;
  }

  [[nodiscard]] std::string with_kind(Kind kind) const {
    return in_a_list(names([&](const Declared& one) { return one.column->kind == kind; }));
  }

  /// "a number in a.toml, a category in b.toml"
  [[nodiscard]] std::string kinds_text() const {
    std::string text;
    for (const Kind kind : kinds_) {
      text +=
          (text.empty() ? "" : ", ") + std::string(model::name(kind)) + " in " + with_kind(kind);
    }
    return text;
  }

  /// Whether it is no input: it says what rows belong to, or most drafts have no use for it.
  bool group_or_nothing() {
    const auto groups = names([](const Declared& one) { return one.column->group; });
    const auto idle = names([](const Declared& one) { return !used(one) && !one.column->group; });
    if (!groups.empty() && !column_.target) {
      column_.group = true;
      if (groups.size() < all_.size()) say("the group in " + in_a_list(groups));
      return true;
    }
    if (active_.empty()) {
      say("ignored in every draft");
      return true;
    }
    if (idle.empty()) return false;
    // What tells nothing at a few may tell something at the others; what gives the target away does
    // so at most.
    const std::string where = std::to_string(idle.size()) + " of " + std::to_string(drafts_) +
                              " drafts (" + in_a_list(idle) + ")";
    if (2 * active_.size() < all_.size() && !column_.target) {
      say("ignored in " + where);
      return true;
    }
    const std::string what = "ignored in " + where + ", which say why";
    2 * active_.size() == all_.size() ? doubt(what) : say(what);
    return false;
  }

  void choose_kind() {
    const auto has = [&](Kind kind) { return kinds_.contains(kind); };
    if (kinds_.size() == 1) {
      column_.kind = *kinds_.begin();
      if (has(Kind::number) || has(Kind::date)) return set_range();
      if (has(Kind::yes_no)) return set_yes_no();
      column_.values = united(active_);
      if (has(Kind::ordinal) && !put_in_order(column_.values, active_)) {
        throw Conflict{"has values in another order in " + with_kind(Kind::ordinal) +
                       ", or in an order that does not follow from theirs"};
      }
      return;
    }
    if (has(Kind::date)) throw Conflict{"is " + kinds_text()};
    if (has(Kind::number)) return make_number();
    if (has(Kind::yes_no)) return make_yes_no();
    make_ordinal();
  }

  // -- ranges --

  struct Range {
    const std::string* draft;
    double low, high;
  };

  void set_range() {
    std::vector<Range> ranges;
    for (const Declared& one : active_) {
      if (one.column->low < one.column->high)
        ranges.push_back({one.draft, one.column->low, one.column->high});
    }
    widen(std::move(ranges));
  }

  void widen(std::vector<Range> ranges) {
    if (ranges.empty()) return;  // it only orders rows
    const bool log =
        column_.kind == Kind::number &&
        std::ranges::all_of(ranges, [](const Range& range) { return range.low > 0; }) &&
        std::ranges::any_of(
            active_, [](const Declared& one) { return one.column->scale == Column::Scale::log; });
    if (log) column_.scale = Column::Scale::log;
    if (column_.kind == Kind::number) set_far_ones_aside(ranges, log);
    column_.low = std::ranges::min(ranges, {}, &Range::low).low;
    column_.high = std::ranges::max(ranges, {}, &Range::high).high;
  }

  /// One draft in another unit would press the inputs of all others together.
  void set_far_ones_aside(std::vector<Range>& ranges, bool log) {
    const auto at = [&](double value) { return log ? std::log(value) : value; };
    std::vector<double> lows, highs, widths;
    for (const Range& range : ranges) {
      lows.push_back(at(range.low)), highs.push_back(at(range.high));
      widths.push_back(at(range.high) - at(range.low));
    }
    const auto shown = [](const Range& range) {
      return *range.draft + " has " + short_number(range.low) + " to " + short_number(range.high);
    };
    if (ranges.size() < 3) {
      const double all = *std::ranges::max_element(highs) - *std::ranges::min_element(lows);
      if (all > kFar * *std::ranges::min_element(widths)) {
        doubt(shown(ranges.front()) + ", " + shown(ranges.back()) + ": are they in the same unit?");
      }
      return;
    }
    const double low = lower_median(lows), high = lower_median(highs),
                 far = kFar * lower_median(widths);
    std::vector<Range> near;
    for (const Range& range : ranges) {
      if (at(range.low) >= low - far && at(range.high) <= high + far) {
        near.push_back(range);
      } else {
        doubt(shown(range) +
              ", far from the others, and does not count here: is it in another unit? "
              "If it is not, widen the range");
      }
    }
    if (!near.empty()) ranges = std::move(near);
  }

  // -- kinds that differ --

  /// Of numbers, and of values that are numbers, too.
  void make_number() {
    column_.kind = Kind::number;
    std::vector<Range> ranges;
    std::set<std::string> no_numbers;
    for (const Declared& one : active_) {
      const Column& column = *one.column;
      if (column.kind == Kind::number) {
        if (column.low < column.high) ranges.push_back({one.draft, column.low, column.high});
        continue;
      }
      const Values usual{{"0"}, {"1"}};  // what a yes-no was, where others have numbers
      std::vector<double> numbers;
      std::size_t others = 0;
      for (const auto& spellings : column.values.empty() ? usual : column.values) {
        const auto number = number_of(spellings.front());
        if (number) numbers.push_back(*number);
        if (!number) ++others, no_numbers.insert(spellings.begin(), spellings.end());
      }
      if (numbers.size() < 2 * others || numbers.empty() || (others > 0 && column_.target)) {
        throw Conflict{"is " + kinds_text()};
      }
      const auto [least, most] = std::ranges::minmax_element(numbers);
      if (*least < *most) ranges.push_back({one.draft, *least, *most});
    }
    std::string what = kinds_text() + ": taken as a number";
    if (!no_numbers.empty()) {
      what += ", and " + quoted({no_numbers.begin(), no_numbers.end()}) + " as missing";
    }
    if (column_.target) what += "; if these are codes of classes, give all drafts a category";
    doubt(what);
    missing_.insert(no_numbers.begin(), no_numbers.end());
    widen(std::move(ranges));
  }

  /// Declared values, side by side; without any, the usual words.
  void set_yes_no() {
    std::array<std::set<std::string>, 2> sides;
    bool usual = false;
    for (const Declared& one : active_) {
      usual = usual || one.column->values.empty();
      for (std::size_t i = 0; i < one.column->values.size(); ++i) {
        sides[i].insert(one.column->values[i].begin(), one.column->values[i].end());
      }
    }
    const auto& words = model::values_of(Column{.name = {}, .kind = Kind::yes_no});
    for (std::size_t i = 0; usual && i < 2; ++i) {
      for (const std::string& text : sides[i]) {
        if (place_of(words, ascii_lower(text)) == i) continue;
        throw Conflict{"is yes-no with the value \"" + text +
                       "\" in some draft, and with the usual words in " +
                       in_a_list(names([](const Declared& one) {
                         return one.column->kind == Kind::yes_no && one.column->values.empty();
                       })) +
                       "; declare values in all of them"};
      }
    }
    for (const std::string& text : sides[0]) {
      if (sides[1].contains(text))
        throw Conflict{"is yes-no, and \"" + text + "\" is yes in one draft and no in another"};
    }
    if (usual || sides[0].empty()) return;
    for (const auto& side : sides) column_.values.emplace_back(side.begin(), side.end());
  }

  /// Of yes-no and of categories: a site that has one value only, or a third one.
  void make_yes_no() {
    std::vector<Declared> named;
    for (const Declared& one : active_) {
      if (one.column->kind != Kind::yes_no) named.push_back(one);
    }
    const Values values = united(named);
    const auto& words = model::values_of(Column{.name = {}, .kind = Kind::yes_no});
    std::set<std::size_t> found;
    bool only_these = true;
    for (const auto& spellings : values) {
      for (const std::string& text : spellings) {
        const std::size_t place = place_of(words, ascii_lower(text));
        only_these = only_these && place < words.size();
        found.insert(place);
      }
    }
    const bool usual = std::ranges::all_of(active_, [](const Declared& one) {
      return one.column->kind != Kind::yes_no || one.column->values.empty();
    });
    if (only_these && usual) {
      column_.kind = Kind::yes_no;
      column_.unknown = Column::Unknown::refused;
      return;
    }
    if (!usual || !found.contains(0) || !found.contains(1)) {
      throw Conflict{"is " + kinds_text() + " (" + quoted(fronts(values)) + ")"};
    }
    column_.kind = Kind::category;
    column_.values = values;
    doubt(kinds_text() + ": taken as a category; " + with_kind(Kind::yes_no) +
          " must spell its values like the others");
  }

  /// Of ordinals and categories.
  void make_ordinal() {
    std::vector<Declared> ordinals;
    for (const Declared& one : active_) {
      if (one.column->kind == Kind::ordinal) ordinals.push_back(one);
    }
    Values values = united(ordinals);
    const Values all = united(active_);
    if (all.size() == values.size() && put_in_order(values, ordinals)) {
      column_.kind = Kind::ordinal;
      column_.values = std::move(values);
      return;
    }
    column_.kind = Kind::category;
    column_.values = all;
    doubt(kinds_text() + ", which has values without a place in the order: taken as a category");
  }

  static std::vector<std::string> fronts(const Values& values) {
    std::vector<std::string> all;
    for (const auto& spellings : values) all.push_back(spellings.front());
    return all;
  }

  // -- missing values --

  /// A code for a missing value may be a value at another site.
  void settle_missing() {
    for (const std::string& text : missing_) {
      const auto by = [&] {
        return in_a_list(names([&](const Declared& one) {
          return std::ranges::find(one.column->missing, text) != one.column->missing.end();
        }));
      };
      if (place_of(column_.values, text) < column_.values.size()) {
        const std::string what =
            "\"" + text + "\" is missing in " + by() + ", and a value in another draft";
        if (column_.target) throw Conflict{"has a value that " + what};
        doubt(what + ": taken as a value");
        continue;
      }
      const auto number = column_.kind == Kind::number ? number_of(text) : std::nullopt;
      const auto real = names([&](const Declared& one) {
        const Column& column = *one.column;
        return number && column.kind == Kind::number && column.low <= *number &&
               *number <= column.high &&
               std::ranges::find(column.missing, text) == column.missing.end();
      });
      if (!real.empty()) {
        doubt("\"" + text + "\" stands for a missing value in " + by() +
              ", and is in the range of " + in_a_list(real) + ": it counts as missing for all");
      }
      column_.missing.push_back(text);
    }
  }

  std::span<const Declared> all_;
  std::size_t drafts_;
  std::vector<Declared> active_;
  std::set<Kind> kinds_;
  Column column_;
  std::set<std::string> missing_;
  std::string reason_;
  std::vector<std::string> doubts_;
};

// ---- The task ----

class Merger {
 public:
  explicit Merger(std::vector<NamedTask> drafts) : drafts_(std::move(drafts)) {
    if (drafts_.empty()) throw DataError("there is no draft to merge; name some");
    std::stable_sort(drafts_.begin(), drafts_.end(),
                     [](const NamedTask& a, const NamedTask& b) { return a.name < b.name; });
    merged_.task = drafts_.front().task;
  }

  Draft merge(const std::string& name) {
    merged_.task.name = name;
    if (name.empty()) {
      same("name", &model::Task::name, "say which with --name");
      merged_.task.name = drafts_.front().task.name;
    }
    check_kinds();
    same_settings();
    switch (model::data_kind(merged_.task)) {
      case model::DataKind::table:
        merge_columns();
        break;
      case model::DataKind::text:
        merge_labels();
        merge_vocabularies();
        break;
      case model::DataKind::pictures:
        merge_labels();
        merge_answers();
        merge_sizes();
        break;
    }
    merge_metrics();
    if (!has_one_class(merged_.task)) return std::move(merged_);
    throw DataError(
        "all drafts know the same one class, so nothing can be told apart; merge the draft of a "
        "member with another");
  }

 private:
  using Task = model::Task;

  [[nodiscard]] static std::string pair_text(const NamedTask& a, const NamedTask& b) {
    return a.name + " and " + b.name;
  }

  /// Throws unless a field is the same in all drafts.
  template <class T>
  void same(const std::string& field, T Task::*member,
            const std::string& advice = "set it alike in both") const {
    for (const NamedTask& draft : drafts_) {
      if (draft.task.*member == drafts_.front().task.*member) continue;
      throw DataError(field + " differs between " + pair_text(drafts_.front(), draft) + "; " +
                      advice);
    }
  }

  void check_kinds() const {
    constexpr std::array<const char*, 3> kNames{"pictures or arrays", "text", "a table"};
    const auto kind = [](const NamedTask& draft) {
      return static_cast<std::size_t>(model::data_kind(draft.task));
    };
    for (const NamedTask& draft : drafts_) {
      if (kind(draft) == kind(drafts_.front())) continue;
      throw DataError(drafts_.front().name + " is a task for " + kNames.at(kind(drafts_.front())) +
                      ", and " + draft.name + " for " + kNames.at(kind(draft)) +
                      "; merge drafts of one kind of data");
    }
    same("model", &Task::model);
  }

  void same_settings() const {
    same("script", &Task::script, "name the same file in both");
    same("share", &Task::share), same("freeze", &Task::freeze);
    same("share_buffers", &Task::share_buffers);
    same("seed", &Task::seed), same("optimiser", &Task::optimiser);
    same("learning_rate", &Task::learning_rate), same("momentum", &Task::momentum);
    same("weight_decay", &Task::weight_decay), same("gradient_clip", &Task::gradient_clip);
    same("schedule", &Task::schedule), same("schedule_rounds", &Task::schedule_rounds);
    same("warmup_rounds", &Task::warmup_rounds), same("label_smoothing", &Task::label_smoothing);
    same("batch", &Task::batch), same("encoding", &Task::encoding);
    same("class_weights", &Task::class_weights);
    if (model::data_kind(merged_.task) != model::DataKind::pictures) {
      same("sizes", &Task::sizes);
      same("loss", &Task::loss);
    }
  }

  // -- tables --

  [[nodiscard]] static std::vector<std::string> targets_of(const Task& task) {
    std::vector<std::string> names;
    for (const Column& column : task.columns) {
      if (column.target) names.push_back(column.name);
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  void check_targets() const {
    const NamedTask& first = drafts_.front();
    for (const NamedTask& draft : drafts_) {
      const auto own = targets_of(draft.task), theirs = targets_of(first.task);
      if (own == theirs) continue;
      throw DataError(first.name + " predicts " + in_a_list(theirs) + ", and " + draft.name + " " +
                      in_a_list(own) +
                      "; draft one of them again with --target, or correct target = true");
    }
  }

  void merge_columns() {
    check_targets();
    merged_.task.columns.clear();
    std::vector<std::string> names;  // in the order of the first drafts that have them
    for (const NamedTask& draft : drafts_) {
      for (const Column& column : draft.task.columns) {
        if (std::ranges::find(names, column.name) == names.end()) names.push_back(column.name);
      }
    }
    for (const std::string& name : names) add_column(name);
    one_of_each(&Column::time, "orders the rows");
    one_of_each(&Column::group, "says which rows belong together");
    const auto classes = model::classes_of(merged_.task.columns);
    merged_.task.classes = classes.value_or(0);
    merged_.target = in_a_list(targets_of(merged_.task));
    const bool learns = std::ranges::any_of(
        merged_.task.columns, [](const Column& column) { return model::features(column) > 0; });
    if (!learns) {
      throw DataError(
          "no column but the target is of use in all drafts, so nothing can be learnt; are their "
          "columns called alike?");
    }
  }

  void add_column(const std::string& name) {
    std::vector<Declared> all;
    std::vector<std::string> lacking;
    for (const NamedTask& draft : drafts_) {
      const auto found = std::ranges::find(draft.task.columns, name, &Column::name);
      if (found == draft.task.columns.end()) lacking.push_back(draft.name);
      if (found != draft.task.columns.end()) all.push_back({&draft.name, &*found});
    }
    if (!lacking.empty()) {
      const bool matters = std::ranges::any_of(all, [](const Declared& one) {
        return one.column->kind != Kind::ignored || one.column->group;
      });
      return leave_out(name, "is not in " + in_a_list(lacking) + like_it(name), matters);
    }
    Joined joined(all, drafts_.size());
    try {
      merged_.task.columns.push_back(joined.join());
      merged_.reasons.push_back(joined.reason());
      merged_.notes.insert(merged_.notes.end(), joined.doubts().begin(), joined.doubts().end());
    } catch (const Conflict& conflict) {
      if (all.front().column->target) {
        throw DataError("the target column " + name + " " + conflict.why +
                        "; declare it alike in the drafts, and merge again");
      }
      leave_out(name,
                conflict.why + "; to learn from it, declare it alike in the drafts and merge again",
                true);
    }
  }

  /// Where the lacking draft has one that differs in capital letters only.
  [[nodiscard]] std::string like_it(const std::string& name) const {
    for (const NamedTask& draft : drafts_) {
      for (const Column& column : draft.task.columns) {
        if (column.name == name || ascii_lower(column.name) != ascii_lower(name)) continue;
        return ", but " + draft.name + " has \"" + column.name +
               "\": is it the same? Then rename one in its file";
      }
    }
    return "";
  }

  void leave_out(const std::string& name, const std::string& why, bool tell) {
    merged_.task.columns.push_back({.name = name});
    merged_.reasons.push_back("left out: it " + why);
    if (tell) merged_.notes.push_back("the column " + name + " is left out: it " + why);
  }

  /// Of several columns in one role, that which most drafts give it.
  void one_of_each(bool Column::*role, const std::string& does) {
    const auto votes = [&](const Column& column) {
      return std::ranges::count_if(drafts_, [&](const NamedTask& draft) {
        const auto found = std::ranges::find(draft.task.columns, column.name, &Column::name);
        return found != draft.task.columns.end() && (*found).*role;
      });
    };
    const Column* chosen = nullptr;
    for (const Column& column : merged_.task.columns) {
      if (!(column.*role)) continue;
      if (chosen == nullptr ||
          std::pair(-votes(column), column.name) < std::pair(-votes(*chosen), chosen->name)) {
        chosen = &column;
      }
    }
    if (chosen == nullptr) return;
    const std::string kept = chosen->name;
    for (std::size_t i = 0; i < merged_.task.columns.size(); ++i) {
      Column& column = merged_.task.columns[i];
      if (!(column.*role) || column.name == kept) continue;
      column = Column{.name = column.name};
      merged_.reasons[i] = "left out: another column " + does + ", " + kept;
      merged_.notes.push_back("the column " + column.name + " is left out: " + kept + " " + does);
    }
  }

  // -- pictures, arrays and texts --

  /// Sorted names are those of folders or texts; else their order means something.
  void merge_labels() {
    std::vector<std::string> longest;
    for (const NamedTask& draft : drafts_) {
      if (draft.task.labels.size() > longest.size()) longest = draft.task.labels;
    }
    if (longest.empty()) return;
    std::set<std::string> all;
    bool sorted = true, prefixes = true;
    for (const NamedTask& draft : drafts_) {
      const auto& labels = draft.task.labels;
      if (labels.empty()) {
        throw DataError(
            draft.name +
            " does not name its classes in labels, as others do; name them in their order");
      }
      sorted = sorted && std::ranges::is_sorted(labels);
      prefixes = prefixes && std::equal(labels.begin(), labels.end(), longest.begin());
      all.insert(labels.begin(), labels.end());
    }
    if (!sorted && !prefixes) {
      throw DataError("labels are in another order in some of " + in_a_list(names()) +
                      "; put them into the order of the alphabet, or into one that all share");
    }
    merged_.task.labels = prefixes ? longest : std::vector<std::string>(all.begin(), all.end());
    merged_.task.classes = static_cast<unsigned>(merged_.task.labels.size());
    merged_.target = "which of " + std::to_string(merged_.task.classes) + " classes it is";
  }

  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const NamedTask& draft : drafts_) all.push_back(draft.name);
    return all;
  }

  /// Of arrays: classes are numbered, numbers have a range.
  void merge_answers() {
    same("loss", &Task::loss,
         "whole numbers may be classes at one site and quantities at another: correct loss and "
         "classes");
    Task& task = merged_.task;
    if (model::is_multi_label(task))
      same("classes", &Task::classes, "each example must have the same answers");
    for (const NamedTask& draft : drafts_) {
      if (task.labels.empty()) task.classes = std::max(task.classes, draft.task.classes);
      task.target_range[0] = std::min(task.target_range[0], draft.task.target_range[0]);
      task.target_range[1] = std::max(task.target_range[1], draft.task.target_range[1]);
    }
    if (merged_.target.empty()) {
      merged_.target = model::is_regression(task)
                           ? "a number"
                           : "one of " + std::to_string(task.classes) + " classes";
    }
  }

  /// Pictures are made to fit: the size that half of the drafts do not exceed, with colours if any
  /// has some.
  void merge_sizes() {
    Task& task = merged_.task;
    const bool pictures = task.model != "script" && task.input.size() == 3 && !task.labels.empty();
    if (!pictures) {
      same("input", &Task::input, "examples must have the same shape at all sites");
      same("sizes", &Task::sizes);
      return;
    }
    std::vector<std::pair<unsigned, const NamedTask*>> by_area;
    unsigned channels = 0;
    for (const NamedTask& draft : drafts_) {
      const auto& input = draft.task.input;
      if (input.size() != 3) same("input", &Task::input);
      channels = std::max(channels, input[0]);
      by_area.emplace_back(input[1] * input[2], &draft);
    }
    std::stable_sort(by_area.begin(), by_area.end(), [](const auto& a, const auto& b) {
      return std::tuple(a.first, a.second->task.input) < std::tuple(b.first, b.second->task.input);
    });
    const Task& middle = by_area[(by_area.size() - 1) / 2].second->task;
    for (const auto& [area, draft] : by_area) {
      if (draft->task.input == middle.input && draft->task.sizes != middle.sizes)
        same("sizes", &Task::sizes);
    }
    task.input = middle.input, task.sizes = middle.sizes;
    task.input[0] = channels;
    const bool differ = std::ranges::any_of(
        drafts_, [&](const NamedTask& draft) { return draft.task.input != task.input; });
    if (differ) {
      merged_.notes.push_back(
          "the drafts have pictures of different sizes or colours; input says what all are made to "
          "fit");
    }
  }

  void merge_vocabularies() {
    constexpr std::size_t kMostToPredict = 3000, kMostToTellApart = 10'000;  // words, as in drafts
    Task& task = merged_.task;
    const bool predicts = model::predicts_words(task);
    std::size_t most = predicts ? kMostToPredict : kMostToTellApart;
    std::vector<std::vector<std::string>> ranked;
    for (const NamedTask& draft : drafts_) {
      ranked.push_back(read_vocabulary(draft.task.vocabulary).words());
      most = std::max(most, ranked.back().size());
    }
    std::set<std::string_view> different;
    for (const auto& words : ranked) different.insert(words.begin(), words.end());
    merged_.vocabulary = ranked_words(ranked, most);
    const std::size_t kept = merged_.vocabulary->words().size();
    merged_.notes.push_back(
        "the vocabulary has " + std::to_string(kept) + " of the " +
        std::to_string(different.size()) +
        " words of all drafts; all members see it, so take out what tells of somebody, such as "
        "names");
    task.vocabulary_hash = crypto::to_hex(merged_.vocabulary->hash());
    const auto size = static_cast<unsigned>(merged_.vocabulary->size());
    (predicts ? task.classes : task.words) = size;
    if (merged_.target.empty()) merged_.target = "the next word of a sentence";
  }

  /// What one site must not judge by, none should.
  void merge_metrics() {
    const auto chosen = std::ranges::find_if(
        drafts_, [](const NamedTask& draft) { return !draft.task.metric.empty(); });
    merged_.task.metric.clear();
    if (chosen == drafts_.end()) return;
    std::vector<std::string> with;
    for (const NamedTask& draft : drafts_) {
      if (draft.task.metric.empty()) continue;
      with.push_back(draft.name);
      if (draft.task.metric == chosen->task.metric) continue;
      throw DataError("metric differs between " + pair_text(*chosen, draft) +
                      "; set it alike in both");
    }
    const bool of_classes = chosen->task.metric == "balanced_accuracy";
    if (of_classes && (model::is_regression(merged_.task) || model::is_multi_label(merged_.task)))
      return;
    merged_.task.metric = chosen->task.metric;
    if (with.size() < drafts_.size())
      merged_.notes.push_back("the metric is that of " + in_a_list(with));
  }

  std::vector<NamedTask> drafts_;
  Draft merged_;
};

/// The target, if it is a category.
auto category_target(auto& columns) {
  return std::ranges::find_if(
      columns, [](const Column& column) { return column.target && column.kind == Kind::category; });
}

}  // namespace

Draft merge_drafts(std::vector<NamedTask> drafts, const std::string& name) {
  return Merger(std::move(drafts)).merge(name);
}

bool has_one_class(const model::Task& task) {
  const auto target = category_target(task.columns);
  return task.labels.size() == 1 || (target != task.columns.end() && target->values.size() == 1);
}

model::Task with_another_class(model::Task task) {
  if (!task.labels.empty()) task.labels.emplace_back(kNobodys);
  if (const auto target = category_target(task.columns); target != task.columns.end()) {
    target->values.push_back({kNobodys});
  }
  task.classes = 2;
  return task;
}

model::Task without_another_class(model::Task task) {
  if (!task.labels.empty()) task.labels.pop_back();
  if (const auto target = category_target(task.columns); target != task.columns.end())
    target->values.pop_back();
  task.classes = 1;
  return task;
}

}  // namespace kith::data
