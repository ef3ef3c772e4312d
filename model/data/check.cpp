#include "model/data/check.hpp"

#include "model/data/file.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <iterator>
#include <limits>
#include <map>
#include <numeric>
#include <span>
#include <string_view>
#include <tuple>
#include <unordered_set>
#include <utility>

namespace kith::data {
namespace {

constexpr std::size_t kLookedAt = 500;     // validation examples
constexpr std::size_t kCompared = 20'000;  // training examples, with each of them
constexpr std::size_t kBins = 20;
constexpr std::size_t kTenth = 9;   // neighbour, counted from 0
constexpr double kNear = 100;       // times as near as the tenth
constexpr std::size_t kBeside = 3;  // places apart in the files
constexpr std::uint64_t kFewCopies = 2;  // test examples that are trained on, too
constexpr double kFewCopiesShare = 0.01;

std::string percent(double share) { return std::to_string(std::lround(100 * share)) + " %"; }

std::size_t input_size(const Samples& samples) { return samples.inputs.size() / samples.count(); }

std::span<const float> input(const Samples& samples, std::size_t i) {
  return std::span(samples.inputs).subspan(i * input_size(samples), input_size(samples));
}

/// A number of each example that copies share, and hardly any others: nobody gains by making two the same.
std::vector<std::size_t> contents(const Samples& samples) {
  std::vector<std::size_t> all(samples.count());
  const auto hash_of = [](const auto& numbers, std::size_t i, std::size_t count) {
    const auto own = std::as_bytes(std::span(numbers).subspan(i * count, count));
    return std::hash<std::string_view>()(as_text(own));
  };
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::size_t answer = samples.values.empty() ? hash_of(samples.targets, i, samples.width)
                                                      : hash_of(samples.values, i, 1);
    all[i] = hash_of(samples.inputs, i, input_size(samples)) * 31 + answer;
  }
  return all;
}

/// Sorts numbers that are hashes: by their first bits into parts that fit a cache, and then each.
void sort_spread(std::vector<std::size_t>& numbers) {
  constexpr int kPartBits = 11;
  const auto part_of = [](std::size_t number) { return number >> (8 * sizeof number - kPartBits); };
  std::vector<std::size_t> ends(std::size_t{1} << kPartBits), sorted(numbers.size());
  for (const std::size_t number : numbers) ++ends[part_of(number)];
  std::exclusive_scan(ends.begin(), ends.end(), ends.begin(), std::size_t{0});
  for (const std::size_t number : numbers) sorted[ends[part_of(number)]++] = number;
  auto begin = sorted.begin();
  for (const std::size_t end : ends) {
    const auto last = sorted.begin() + static_cast<std::ptrdiff_t>(end);
    std::sort(begin, last);
    begin = last;
  }
  numbers = std::move(sorted);
}

void count_copies(CheckReport& report, const Dataset& dataset) {
  auto known = contents(dataset.train);
  sort_spread(known);
  const auto again = std::unique(known.begin(), known.end());  // clang 14 has no ranges::unique
  report.copies = static_cast<std::uint64_t>(known.end() - again);
  known.erase(again, known.end());
  if (dataset.test.count() == 0) return;
  const auto more = contents(dataset.validation);
  known.insert(known.end(), more.begin(), more.end());
  sort_spread(known);
  for (const std::size_t content : contents(dataset.test)) {
    report.test_copies += std::ranges::binary_search(known, content);
  }
}

std::uint64_t count_different(const std::vector<std::string>& groups) {
  std::unordered_set<std::string_view> different;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (i == 0 || groups[i] != groups[i - 1])
      different.insert(groups[i]);  // mostly they stand together
  }
  return different.size();
}

void count_classes(CheckReport& report, const Dataset& dataset, const model::Task& task) {
  std::map<std::int64_t, ClassShare> shares;
  // Of several yes-or-no targets, those that are yes.
  const bool several = model::is_multi_label(task);
  if (several) {
    for (unsigned k = 0; k < task.classes; ++k) shares[k] = {};
  }
  const auto count = [&](const Samples& part, std::uint64_t ClassShare::*member) {
    for (std::size_t i = 0; i < part.targets.size(); ++i) {
      if (!several) ++(shares[part.targets[i]].*member);
      if (several && part.targets[i] == 1) {
        ++(shares[static_cast<std::int64_t>(i % part.width)].*member);
      }
    }
  };
  count(dataset.train, &ClassShare::train);
  count(dataset.validation, &ClassShare::validation);
  count(dataset.test, &ClassShare::test);
  for (auto& [target, share] : shares) {
    share.name = model::class_name(task, static_cast<std::size_t>(target));
    report.classes.push_back(std::move(share));
  }
}

std::size_t bin_of(double scaled) {
  const double last = static_cast<double>(kBins) - 1;
  return static_cast<std::size_t>(
      std::clamp((scaled + 1) / 2 * static_cast<double>(kBins), 0.0, last));
}

void draw_target(CheckReport& report, const Dataset& dataset, const model::Task& task) {
  Histogram drawn{model::unscaled_target(task, -1), model::unscaled_target(task, 1),
                  std::vector<std::uint64_t>(kBins)};
  for (const float value : dataset.train.values) ++drawn.counts[bin_of(static_cast<double>(value))];
  report.target = std::move(drawn);
}

/// What is drawn of a column, and where its inputs begin in a row.
struct Drawn {
  const model::Column* column;
  std::size_t at;
  CheckedColumn checked;
};

void begin_drawing(Drawn& drawn) {
  using Kind = model::Column::Kind;
  const model::Column& column = *drawn.column;
  if (column.kind == Kind::number || column.kind == Kind::date) {
    drawn.checked.numbers = Histogram{column.low, column.high, std::vector<std::uint64_t>(kBins)};
    return;
  }
  for (const auto& spellings : model::values_of(column)) {
    drawn.checked.values.push_back({spellings.front()});
  }
}

/// A number's value is an input and whether it is missing another; a category has one for each
/// value, and one for a missing one.
void draw(Drawn& drawn, std::span<const float> row) {
  const auto own = row.subspan(drawn.at);
  auto& values = drawn.checked.values;
  if (drawn.column->kind == model::Column::Kind::category) {
    for (std::size_t v = 0; v < values.size(); ++v) values[v].train += own[v] > 0;
    return;
  }
  if (own[1] > 0) return;
  const auto scaled = static_cast<double>(own[0]);
  if (drawn.checked.numbers) {
    ++drawn.checked.numbers->counts[bin_of(scaled)];
    return;
  }
  const double last = static_cast<double>(values.size()) - 1;
  const auto which = std::lround((scaled + 1) / 2 * last);
  ++values[static_cast<std::size_t>(std::clamp(which, 0L, std::lround(last)))].train;
}

void look_at_columns(CheckReport& report, const Dataset& dataset, const model::Task& task) {
  std::size_t at = 0;
  std::vector<Drawn> all;
  for (const model::Column& column : task.columns) {
    const std::size_t features = model::features(column);
    if (features == 0) continue;
    Drawn drawn{&column, at, {.name = column.name, .kind = std::string(model::name(column.kind))}};
    for (const Noticed::InColumn& in : dataset.noticed.columns) {
      if (in.name != column.name) continue;
      drawn.checked.missing = in.missing, drawn.checked.below = in.below;
      drawn.checked.above = in.above, drawn.checked.unknown = in.unknown;
    }
    begin_drawing(drawn);
    at += features;
    all.push_back(std::move(drawn));
  }
  // Row by row, as they lie in memory.
  for (std::size_t i = 0; i < dataset.train.count(); ++i) {
    const auto row = input(dataset.train, i);
    for (Drawn& drawn : all) draw(drawn, row);
  }
  for (Drawn& drawn : all) report.columns.push_back(std::move(drawn.checked));
}

void judge_columns(CheckReport& report) {
  const std::uint64_t rows = report.train + report.validation;
  for (const CheckedColumn& column : report.columns) {
    const std::uint64_t outside = column.below + column.above;
    if (column.missing >= rows) {
      report.to_mend.push_back("the column " + column.name +
                               " is always missing here; fill it, or agree on a task without it");
    } else if (outside * 4 > rows) {
      report.to_mend.push_back(percent(static_cast<double>(outside) / static_cast<double>(rows)) +
                               " of the cells of the column " + column.name +
                               " are outside its range, and count as its ends; is it in another "
                               "unit here? If not, agree on a wider range");
    }
  }
}

/// The square distances of one input from several that lie one after another.  Eight at a time,
/// since each sum must wait for the one before.
void square_distances(std::span<const double> own, std::span<const float> others,
                      std::span<double> distances) {
  constexpr std::size_t kAtOnce = 8;
  const std::size_t size = own.size();
  std::size_t j = 0;
  for (; j + kAtOnce <= distances.size(); j += kAtOnce) {
    const float* const rows = others.data() + j * size;
    std::array<double, kAtOnce> sums{};
    for (std::size_t k = 0; k < size; ++k) {
      for (std::size_t r = 0; r < kAtOnce; ++r) {
        const double difference = own[k] - static_cast<double>(rows[r * size + k]);
        sums[r] += difference * difference;
      }
    }
    std::ranges::copy(sums, distances.begin() + static_cast<std::ptrdiff_t>(j));
  }
  for (; j < distances.size(); ++j) {
    double sum = 0;
    for (std::size_t k = 0; k < size; ++k) {
      const double difference = own[k] - static_cast<double>(others[j * size + k]);
      sum += difference * difference;
    }
    distances[j] = sum;
  }
}

/// The training examples that validation examples are compared with.
class Compared {
 public:
  Compared(const Dataset& dataset, const model::Task& task)
      : train_(dataset.train),
        classes_(train_.width == 1 && !model::is_regression(task)),
        distances_(std::min(train_.count(), kCompared)) {
    for (std::size_t j = 0; j < distances_.size(); ++j) {
      places_.emplace_back(dataset.train_places[j], j);
      if (classes_) ++alike_[train_.targets[j]];
    }
    std::sort(places_.begin(), places_.end());
  }

  struct Nearest {
    std::size_t index = 0;
    double distance = std::numeric_limits<double>::infinity();
    double tenth = 0;  ///< distance of the tenth nearest
  };
  Nearest nearest(std::span<const float> own) {
    const std::vector<double> exact(own.begin(), own.end());
    square_distances(exact, train_.inputs, distances_);
    Nearest found;
    std::array<double, kTenth + 1> least;
    least.fill(std::numeric_limits<double>::infinity());
    for (std::size_t j = 0; j < distances_.size(); ++j) {
      if (distances_[j] < found.distance) found.index = j, found.distance = distances_[j];
      if (distances_[j] >= least.back()) continue;
      std::size_t to = kTenth;
      for (; to > 0 && least[to - 1] > distances_[j]; --to) least[to] = least[to - 1];
      least[to] = distances_[j];
    }
    found.tenth = least[std::min(kTenth, distances_.size() - 1)];
    return found;
  }

  /// How many are of the class of one of them: folders of pictures, and many tables, are sorted by
  /// class.
  [[nodiscard]] std::size_t alike(std::size_t j) const {
    return classes_ ? alike_.at(train_.targets[j]) : distances_.size();
  }
  /// How many of these stand beside a place in the files.
  [[nodiscard]] std::size_t beside(std::size_t place, std::size_t j) const {
    const std::pair first(place - std::min(place, kBeside), std::size_t{0});
    std::size_t count = 0;
    for (auto at = std::lower_bound(places_.begin(), places_.end(), first);
         at != places_.end() && at->first <= place + kBeside; ++at) {
      count += !classes_ || train_.targets[at->second] == train_.targets[j];
    }
    return count;
  }

 private:
  const Samples& train_;
  bool classes_;
  std::vector<double> distances_;
  std::vector<std::pair<std::size_t, std::size_t>>
      places_;                                 ///< in the files, and which example is there
  std::map<std::int64_t, std::size_t> alike_;  ///< of each class
};

/// Whether the nearest training example of a validation example is its neighbour in the files, or
/// nearly the same: then what validates is no news.
void look_at_neighbours(CheckReport& report, const Dataset& dataset, const model::Task& task) {
  const auto& [train, validation] = std::tie(dataset.train, dataset.validation);
  // Numbers of words are no distances.
  if (train.inputs.empty() || dataset.validation_places.empty()) return;
  if (model::data_kind(task) == model::DataKind::text) return;
  Compared compared(dataset, task);
  report.looked_at = std::min(validation.count(), kLookedAt);
  for (std::size_t i = 0; i < report.looked_at; ++i) {
    const auto nearest = compared.nearest(input(validation, i));
    // Among equals the nearest is about half as far as the tenth; of a copy there are a few only.
    if (nearest.distance < nearest.tenth / (kNear * kNear)) ++report.near_copies;
    const std::size_t here = dataset.validation_places[i];
    const std::size_t there = dataset.train_places[nearest.index];
    if (std::max(here, there) - std::min(here, there) <= kBeside) ++report.next_to_nearest;
    report.next_by_chance += static_cast<double>(compared.beside(here, nearest.index)) /
                             static_cast<double>(compared.alike(nearest.index));
  }
}

/// Of several yes-or-no targets.
void judge_targets(CheckReport& report) {
  for (const ClassShare& one : report.classes) {
    if (one.train == 0 || one.train == report.train) {
      report.to_mend.push_back(one.name + " is always " + (one.train == 0 ? "no" : "yes") +
                               " in what is trained on; add examples of the other");
    } else if (one.validation == 0) {
      report.notes.push_back(one.name + " is never yes among the examples that validate");
    }
  }
}

void judge_words(CheckReport& report, const Noticed& noticed) {
  if (noticed.words == 0) return;
  const double unknown =
      static_cast<double>(noticed.unknown_words) / static_cast<double>(noticed.words);
  if (unknown > 0.4) {
    report.to_mend.push_back(percent(unknown) + " of the words are not in the vocabulary, and "
                             "are all the same to the model; agree on a larger one, with words of "
                             "these texts");
  }
}

void judge_classes(CheckReport& report, const model::Task& task) {
  if (report.classes.empty()) return;
  if (model::is_multi_label(task)) {
    judge_targets(report);
    return;
  }
  const auto largest = std::ranges::max_element(report.classes, {}, &ClassShare::train);
  const double share = static_cast<double>(largest->train) / static_cast<double>(report.train);
  const std::string metric = model::metric_of(task);
  if (report.classes.size() == 1) {
    report.to_mend.push_back("all examples are of the class " + largest->name +
                             "; nothing can be told apart, so add examples of others");
    return;
  }
  if (share > 0.8 && metric == "accuracy") {
    report.to_mend.push_back(percent(share) + " of the examples are of the class " + largest->name +
                             ", so who always says that has an accuracy of " + percent(share) +
                             "; agree on another task.metric, such as \"balanced_accuracy\"");
  }
  for (const ClassShare& one : report.classes) {
    if (one.train == 0) {
      report.to_mend.push_back("the class " + one.name + " is validated or tested but never " +
                               "trained on; add examples of it");
    } else if (one.validation == 0) {
      report.notes.push_back("the class " + one.name + " has " + std::to_string(one.train) +
                             " training examples and none to validate with");
    }
  }
  if (report.classes.size() < task.classes) {
    report.notes.push_back(std::to_string(report.classes.size()) + " of the task's " +
                           std::to_string(task.classes) + " classes occur here");
  }
}

/// A few are so by chance, and more where examples that are trained on are often copies of one
/// another.
void judge_test_copies(CheckReport& report) {
  if (report.test_copies == 0) return;
  const auto share = [](std::uint64_t part, std::uint64_t all) {
    return static_cast<double>(part) / static_cast<double>(std::max<std::uint64_t>(all, 1));
  };
  const double of_test = share(report.test_copies, report.test);
  const double by_chance = share(report.copies, report.train);
  const bool few = report.test_copies <= kFewCopies || of_test <= kFewCopiesShare;
  const std::string what = std::to_string(report.test_copies) + " of " +
                           std::to_string(report.test) +
                           " test examples are among those to learn from";
  if (few || of_test <= 2 * by_chance) {
    report.notes.push_back(
        what +
        ", no more than chance may bring; if they are the same cases, take them out "
        "of data.test");
  } else {
    report.to_mend.push_back(what +
                             ", so test results will be too good; take them out of data.test");
  }
}

void judge_split(CheckReport& report, model::SplitBy split) {
  if (report.validation < 40) {
    report.notes.push_back(std::to_string(report.validation) +
                           " examples validate: with fewer than about 40, what a peer's model is "
                           "worth can hardly be told");
  }
  judge_test_copies(report);
  if (report.copies * 20 > report.train) {
    report.notes.push_back(std::to_string(report.copies) +
                           " training examples are copies of others; copies are on one side of the "
                           "split");
  }
  if (report.looked_at == 0) return;
  const auto looked_at = static_cast<double>(report.looked_at);
  if (static_cast<double>(report.near_copies) > 0.2 * looked_at) {
    report.to_mend.push_back(
        percent(static_cast<double>(report.near_copies) / looked_at) +
        " of the validation examples are nearly the same as a training example, so validation "
        "will be too good; name what they have in common (a patient, a machine) as the group");
  }
  const auto beside = static_cast<double>(report.next_to_nearest);
  const bool in_order = beside > 0.1 * looked_at && beside > 5 * report.next_by_chance + 5;
  if (in_order && split == model::SplitBy::content) {
    report.to_mend.push_back(
        "of " + percent(beside / looked_at) + " of the validation examples, the most similar " +
        "training example stands beside them in the files: the rows are in an order that matters, "
        "and validation will be too good; if it is that of time, set data.split = \"time\", and "
        "if neighbours are of one patient or machine, name it as the group");
  }
}

/// Whether there are several, and all the same.
bool alike(const auto& numbers) {
  return numbers.size() > 1 && std::ranges::all_of(numbers, [&](auto n) { return n == numbers[0]; });
}

bool inputs_alike(const Samples& samples) {
  if (samples.inputs.empty() || samples.count() < 2) return false;
  const auto first = input(samples, 0);
  for (std::size_t i = 1; i < samples.count(); ++i) {
    if (!std::ranges::equal(first, input(samples, i))) return false;
  }
  return true;
}

}  // namespace

std::string counts_text(const CheckReport& report) {
  return std::to_string(report.train) + " examples to train on, " +
         std::to_string(report.validation) + " to validate with, " + std::to_string(report.test) +
         " to test with";
}

std::vector<std::string> unknowable(const Dataset& dataset, const model::Task& task) {
  std::vector<std::string> all;
  const auto say = [&](std::string what) { all.push_back(std::move(what)); };
  const auto count = [](const Samples& part) { return std::to_string(part.count()); };
  const Samples &train = dataset.train, &validation = dataset.validation;
  if (!model::predicts_words(task) && !model::is_multi_label(task)) {
    const auto class_in = [&](const Samples& part) {
      return model::class_name(task, static_cast<std::size_t>(part.targets[0]));
    };
    if (alike(validation.targets)) {
      say("all " + count(validation) + " validation examples are of the class " +
          class_in(validation) + ", so which model tells classes apart cannot be seen");
    }
    if (alike(train.targets)) {
      say("all " + count(train) + " training examples are of the class " + class_in(train) +
          ", so what tells it from others can be learnt from peers only");
    }
  }
  if (alike(validation.values)) {
    say("the target is the same in all " + count(validation) +
        " validation examples, so which model predicts it cannot be seen");
  }
  if (inputs_alike(validation)) {
    say("all " + count(validation) +
        " validation examples have the same input, so which model uses it well cannot be seen");
  }
  return all;
}

CheckReport check(const Dataset& dataset, const model::Task& task, model::SplitBy split) {
  CheckReport report;
  report.train = dataset.train.count();
  report.validation = dataset.validation.count();
  report.test = dataset.test.count();
  if (!model::is_regression(task) && !model::predicts_words(task)) {
    count_classes(report, dataset, task);
  }
  if (model::is_regression(task)) draw_target(report, dataset, task);
  count_copies(report, dataset);
  look_at_neighbours(report, dataset, task);
  if (model::data_kind(task) == model::DataKind::table) look_at_columns(report, dataset, task);
  report.groups = count_different(dataset.groups);
  Noticed apart = dataset.noticed;
  apart.columns.clear();  // they have a table of their own
  report.notes = sentences(apart);
  judge_classes(report, task);
  judge_columns(report);
  judge_words(report, dataset.noticed);
  judge_split(report, split);
  std::ranges::move(unknowable(dataset, task), std::back_inserter(report.notes));
  return report;
}

}  // namespace kith::data
