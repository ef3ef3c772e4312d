#include "model/task.hpp"

#include "model/score.hpp"
#include "model/sharing.hpp"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cmath>
#include <iterator>
#include <map>
#include <numbers>
#include <numeric>
#include <set>
#include <span>
#include <string_view>
#include <utility>

namespace kith::model {
namespace {

constexpr std::array<std::string_view, 8> kModels{
    "mlp", "cnn", "cnn1d", "resnet", "gru-lm", "text-classifier", "script", "worker"};
constexpr std::size_t kMaxName = 64;  // bytes
constexpr std::size_t kMaxLayers = 32;
constexpr unsigned kMaxLayerSize = 65536;  // units or channels
constexpr unsigned kMaxImageSide = 4096;   // pixels, and channels
constexpr unsigned kMaxClasses = 65536;
constexpr unsigned kMaxBatch = 65536;  // examples
constexpr unsigned kMaxScheduled = 1'000'000;  // rounds
constexpr double kLowestRate = 0.01;  // of the learning rate, at the end of a cosine
constexpr std::size_t kMaxColumns = 1024;
// Bytes that all columns may have as text: JSON in a message to the worker, TOML for a new member.
constexpr std::size_t kMaxColumnText = 56 << 10;

/// Whether the model is none of the zoo: what it is made for follows from the data that are
/// declared.
bool is_own(const Task& task) { return task.model == "script" || task.model == "worker"; }

template <class Number>
std::string text(Number number) {
  char buffer[32];
  const auto end = std::to_chars(buffer, std::end(buffer), number).ptr;
  return {buffer, end};
}

template <>
std::string text(double number) {
  char buffer[32];
  // + 0.0 makes a negative zero positive: the two are equal and must be the same text.
  const auto end = std::to_chars(buffer, std::end(buffer), number + 0.0).ptr;
  return {buffer, end};
}

template <class Number>
std::string text(std::span<const Number> numbers) {
  std::string joined;
  for (const Number number : numbers) joined += (joined.empty() ? "" : ",") + text(number);
  return joined;
}

std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& each : texts) all += (all.empty() ? "" : ",") + each;
  return all;
}

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxName && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

bool all_within(std::span<const unsigned> values, unsigned most) {
  return std::ranges::all_of(values,
                             [most](unsigned value) { return value >= 1 && value <= most; });
}

bool within(unsigned value, unsigned least, unsigned most) {
  return value >= least && value <= most;
}

constexpr std::string_view kManyYesNo = "binary-cross-entropy";
constexpr std::array<std::string_view, 6> kLosses{"",         "cross-entropy", "squared",
                                                  "absolute", "huber",         kManyYesNo};

/// The first is the usual one.
std::span<const std::string_view> metrics_of(const Task& task) {
  static constexpr std::array<std::string_view, 3> kClasses{"accuracy", "balanced_accuracy",
                                                            "macro_f1"};
  static constexpr std::array<std::string_view, 5> kTwoClasses{
      "accuracy", "balanced_accuracy", "macro_f1", "auroc", "average_precision"};
  static constexpr std::array<std::string_view, 3> kNumbers{"r2", "mae", "rmse"};
  static constexpr std::array<std::string_view, 2> kWords{"perplexity", "accuracy"};
  static constexpr std::array<std::string_view, 4> kLabels{"auroc", "average_precision", "macro_f1",
                                                           "accuracy"};
  if (predicts_words(task)) return kWords;
  if (is_multi_label(task)) return kLabels;
  if (is_regression(task)) return kNumbers;
  if (task.classes == 2) return kTwoClasses;
  return kClasses;
}

/// The most that a column takes as JSON or TOML.
std::size_t written_size(const Column& column) {
  std::size_t bytes = to_string(column).size() + 40 + 5 * column.missing.size();
  for (const auto& spellings : column.values) bytes += 4 + 4 * spellings.size();
  const auto options = column.target + column.group + column.time + !column.values.empty() +
                       !column.missing.empty() + (column.scale != Column::Scale::linear) +
                       (column.unknown != Column::Unknown::refused);
  return bytes + 16 * static_cast<std::size_t>(options);
}

/// What is wrong with the columns of a table.
std::optional<std::string> column_problem(const Task& task) {
  if (task.model != "mlp" && !is_own(task)) {
    return "column must be left out, except for an mlp, a script or a worker";
  }
  if (task.columns.size() > kMaxColumns)
    return "column must be there at most " + text(kMaxColumns) + " times";
  std::size_t bytes = 0;
  std::size_t inputs = 0;
  std::set<std::string_view> names;
  for (const Column& column : task.columns) {
    const std::string_view shown = std::string_view(column.name).substr(0, kMaxName);
    if (const auto wrong = problem(column)) {
      return "column \"" + std::string(shown) + "\" " + *wrong;
    }
    if (column.target && column.kind == Column::Kind::category && column.values.size() < 2) {
      return "column \"" + std::string(shown) +
             "\" is the target and needs values, at least two; where a site has one only, merge "
             "its draft with those of others (kith task merge)";
    }
    if (!names.insert(column.name).second)
      return "column \"" + std::string(shown) + "\" is there twice";
    bytes += written_size(column);
    inputs += features(column);
  }
  if (bytes > kMaxColumnText) {
    return "column must be shorter: all are " + text(bytes) + " bytes of text, of which " +
           text(kMaxColumnText) + " are allowed";
  }
  for (const auto& [role, is] :
       {std::pair("group", &Column::group), std::pair("time", &Column::time)}) {
    const auto count = std::ranges::count(task.columns, true, is);
    if (count > 1)
      return std::string("column must have at most one with ") + role + " = true; there are " +
             text(count);
  }
  const auto classes = classes_of(task.columns);
  if (!classes) {
    return "column must have one with target = true, what is to be predicted, or several that are "
           "all yes-no";
  }
  if (inputs == 0) return "column must have one of which something can be learnt beside the target";
  if (task.classes != *classes) {
    return "classes must be " + text(*classes) + ", as follows from what is predicted";
  }
  return std::nullopt;
}

/// What is wrong with what classes are called.
std::optional<std::string> label_problem(const Task& task) {
  if (!task.labels.empty() && task.labels.size() != task.classes) {
    return "labels must be as many as there are classes, " + text(task.classes);
  }
  if (std::set<std::string_view>(task.labels.begin(), task.labels.end()).size() !=
      task.labels.size()) {
    return "labels must be different";
  }
  if (std::ranges::any_of(task.labels, [](const std::string& label) {
        return label.empty() || label.size() > kMaxName || label.find('\n') != label.npos;
      })) {
    return "labels must have 1 to " + text(kMaxName) + " characters, and no line end";
  }
  return std::nullopt;
}

/// What is wrong with the fields that depend on the kind of data.
std::optional<std::string> data_problem(const Task& task) {
  const DataKind kind = data_kind(task);
  const bool texts = kind == DataKind::text && !predicts_words(task);
  if (kind != DataKind::pictures && !texts && !task.labels.empty()) {
    return "labels must be left out, except for pictures and a text-classifier";
  }
  if (kind != DataKind::text && !(task.vocabulary.empty() && task.vocabulary_hash.empty())) {
    return "vocabulary must be left out, except for text";
  }
  if (kind == DataKind::table) return column_problem(task);
  if (kind == DataKind::text) {
    const auto hash = crypto::from_hex(task.vocabulary_hash);
    if (task.vocabulary.empty() || !hash || hash->size() != crypto::Hash().size()) {
      return "vocabulary must name a file with one word a line, for a " + task.model;
    }
    if (texts && !within(task.words, 3, kMaxClasses)) {
      return "vocabulary must have from 1 to " + text(kMaxClasses - 2) + " words";
    }
    if (texts && task.labels.empty()) {
      return "labels must name the classes of texts, as their files call them";
    }
    if (!task.columns.empty()) return "column must be left out where words are predicted";
  }
  if (kind == DataKind::pictures) {
    const std::size_t sides = task.input.size();
    if (sides < 1 || sides > 4 || !all_within(task.input, kMaxImageSide)) {
      return "input must be 1 to 4 numbers from 1 to " + text(kMaxImageSide);
    }
    if (task.model == "cnn1d" && sides != 2) {
      return "input must be the length and the channels, for a cnn1d";
    }
    if ((task.model == "cnn" || task.model == "resnet") && sides != 3) {
      return "input must be channels, height and width, for a " + task.model;
    }
  }
  return label_problem(task);
}

/// What is wrong with what a model is trained for and judged by.
std::optional<std::string> goal_problem(const Task& task) {
  if (std::ranges::find(kLosses, task.loss) == kLosses.end()) {
    return "loss must be \"cross-entropy\", \"squared\", \"absolute\", \"huber\" or "
           "\"binary-cross-entropy\"";
  }
  const auto& range = task.target_range;
  if (range.size() != 2 || !std::isfinite(range[0]) || !std::isfinite(range[1]) ||
      !(range[0] < range[1])) {
    return "target_range must be two numbers, the smaller first";
  }
  const bool numbers = is_regression(task);
  const bool table = data_kind(task) == DataKind::table;
  const bool named = !task.loss.empty();
  const bool several = is_multi_label(task);
  const bool of_table = several && table && target_of(task.columns) == nullptr;
  if (table && named &&
      ((task.loss == kManyYesNo) != of_table ||
       (task.loss != kLosses[1] && !of_table) != (classes_of(task.columns) == 1U))) {
    return "loss must be left out, or suit the target column: \"cross-entropy\" for classes, "
           "\"binary-cross-entropy\" for several yes-no columns, the others for a number";
  }
  if (table && range != std::vector<double>{-1, 1}) {
    return "target_range must be left out for a table, whose target column has low and high";
  }
  if ((numbers || several) && data_kind(task) == DataKind::text) {
    return "loss must be \"cross-entropy\", for a " + task.model;
  }
  if (numbers && task.classes != 1) return "classes must be left out where a number is predicted";
  if (!numbers && !within(task.classes, 2, kMaxClasses)) {
    return "classes must be from 2 to " + text(kMaxClasses);
  }
  const std::span<const std::string_view> known = metrics_of(task);
  if (!task.metric.empty() && std::ranges::find(known, task.metric) == known.end()) {
    std::string all;
    for (const std::string_view name : known) all += (all.empty() ? "" : ", ") + std::string(name);
    return "metric must be one of " + all;
  }
  const bool weighted = !task.class_weights.empty();
  if (weighted && several) return "class_weights must be left out for several yes-no targets";
  if (weighted && (numbers || predicts_words(task) ||
                   task.class_weights.size() != task.classes)) {
    return "class_weights must be one number for each class";
  }
  if (!std::ranges::all_of(task.class_weights,
                           [](double weight) { return weight > 0 && std::isfinite(weight); })) {
    return "class_weights must be numbers above 0";
  }
  return std::nullopt;
}

/// What is wrong with the steps of training, beside their size.
std::optional<std::string> training_problem(const Task& task) {
  if (task.optimiser != "sgd" && task.optimiser != "adamw") {
    return "optimiser must be \"sgd\" or \"adamw\"";
  }
  if (!(task.gradient_clip >= 0 && std::isfinite(task.gradient_clip))) {
    return "gradient_clip must be a number, at least 0";
  }
  if (task.schedule != "constant" && task.schedule != "cosine") {
    return "schedule must be \"constant\" or \"cosine\"";
  }
  const bool falls = task.schedule == "cosine";
  if (falls != (task.schedule_rounds > 0)) {
    return falls ? "schedule_rounds must be in how many rounds the learning rate falls, for a cosine"
                 : "schedule_rounds must be left out, except for a cosine";
  }
  if (task.schedule_rounds > kMaxScheduled || task.warmup_rounds > kMaxScheduled) {
    return std::string(task.warmup_rounds > kMaxScheduled ? "warmup_rounds" : "schedule_rounds") +
           " must be at most " + text(kMaxScheduled);
  }
  if (falls && task.warmup_rounds >= task.schedule_rounds) {
    return "warmup_rounds must be less than schedule_rounds, which they are part of";
  }
  if (!(task.label_smoothing >= 0 && task.label_smoothing < 1)) {
    return "label_smoothing must be at least 0 and below 1";
  }
  if (task.label_smoothing > 0 && is_regression(task)) {
    return "label_smoothing must be left out where a number is predicted";
  }
  return std::nullopt;
}

/// How many answers a model chooses from.
unsigned choices(const Task& task) { return is_multi_label(task) ? 2 : task.classes; }

/// The most that an example can count, before it is weighted.
double bound_of(const Task& task) {
  if (!is_regression(task)) return worst_score(choices(task));
  const bool squared = task.loss.empty() || task.loss == "squared";
  return squared ? 4 : 2;  // an error as large as the target's range, which is 2
}

}  // namespace

bool is_regression(const Task& task) {
  if (data_kind(task) == DataKind::table) return classes_of(task.columns) == 1U;
  return !task.loss.empty() && task.loss != kLosses[1] && task.loss != kManyYesNo;
}

bool is_multi_label(const Task& task) {
  return task.loss == kManyYesNo || std::ranges::count(task.columns, true, &Column::target) > 1;
}

bool predicts_words(const Task& task) {
  if (is_own(task)) return !task.vocabulary.empty() && task.labels.empty();
  return task.model == "gru-lm";
}

double unscaled_target(const Task& task, double scaled) {
  if (const Column* const target = target_of(task.columns)) return unscaled(*target, scaled);
  return task.target_range[0] + (scaled + 1) / 2 * (task.target_range[1] - task.target_range[0]);
}

unsigned outputs(const Task& task) { return is_regression(task) ? 1 : task.classes; }

std::string class_name(const Task& task, std::size_t of) {
  const Column* const target = target_of(task.columns);
  if (!task.columns.empty() && is_multi_label(task)) {
    std::size_t before = 0;
    for (const Column& column : task.columns) {
      if (column.target && before++ == of) return column.name;
    }
  }
  if (target == nullptr && of < task.labels.size()) return task.labels[of];
  if (target == nullptr) return std::to_string(of);
  const auto& values = values_of(*target);
  return of < values.size() ? values[of].front() : std::to_string(of);
}

double score(const Task& task, double loss) {
  if (!is_regression(task)) return score(loss, choices(task));
  const double bound = bound_of(task);
  return loss >= 0 ? std::min(loss, bound) : bound;
}

double largest_score(const Task& task) {
  const auto& weights = task.class_weights;
  if (weights.empty()) return bound_of(task);
  const double mean = std::reduce(weights.begin(), weights.end()) / static_cast<double>(weights.size());
  return bound_of(task) * *std::ranges::max_element(weights) / mean;
}

double learning_rate_at(const Task& task, double done) {
  const double warmup = task.warmup_rounds, all = task.schedule_rounds;
  // Not quite nothing at the very beginning, so that the first step is one.
  if (done < warmup) return task.learning_rate * std::max(done / warmup, kLowestRate);
  if (task.schedule != "cosine") return task.learning_rate;
  const double part = std::min((done - warmup) / (all - warmup), 1.0);
  const double height = (1 + std::cos(std::numbers::pi * part)) / 2;
  return task.learning_rate * (kLowestRate + (1 - kLowestRate) * height);
}

std::string metric_of(const Task& task) {
  return task.metric.empty() ? std::string(metrics_of(task).front()) : task.metric;
}

DataKind data_kind(const Task& task) {
  if (predicts_words(task) || task.model == "text-classifier") return DataKind::text;
  if (is_own(task) && !task.vocabulary.empty()) return DataKind::text;
  return task.columns.empty() ? DataKind::pictures : DataKind::table;
}

const Column* target_of(const std::vector<Column>& columns) {
  if (std::ranges::count(columns, true, &Column::target) != 1) return nullptr;
  return &*std::ranges::find(columns, true, &Column::target);
}

std::optional<unsigned> classes_of(const std::vector<Column>& columns) {
  const Column* const target = target_of(columns);
  if (target == nullptr) {
    const auto targets = std::ranges::count(columns, true, &Column::target);
    const auto answered = std::ranges::count_if(columns, [](const Column& column) {
      return column.target && column.kind == Column::Kind::yes_no;
    });
    if (targets == 0 || answered != targets) return std::nullopt;
    return static_cast<unsigned>(targets);
  }
  if (target->kind == Column::Kind::number) return 1;
  return static_cast<unsigned>(values_of(*target).size());
}

std::optional<std::string> problem(const Task& task) {
  if (!is_name(task.name)) {
    return "name must be 1 to " + text(kMaxName) + " letters, digits, dots, dashes or underscores";
  }
  if (std::ranges::find(kModels, task.model) == kModels.end()) {
    return "model must be \"mlp\", \"cnn\", \"cnn1d\", \"resnet\", \"gru-lm\", "
           "\"text-classifier\", "
           "\"script\" or \"worker\"";
  }
  if (task.sizes.size() > kMaxLayers || !all_within(task.sizes, kMaxLayerSize)) {
    return "sizes must be at most " + text(kMaxLayers) + " numbers from 1 to " +
           text(kMaxLayerSize);
  }
  const bool script = task.model == "script";
  if (script != !task.script.empty()) {
    return script ? "script must name the file of a TorchScript module, for a script"
                  : "script must be left out, except for a script";
  }
  if (script && !task.sizes.empty()) return "sizes must be left out, for a script";
  if (auto wrong = pattern_problem(task)) return wrong;
  if (task.model != "mlp" && !is_own(task) && task.sizes.empty()) {
    return "sizes must have a number, for a " + task.model;
  }
  if (task.model == "gru-lm" && task.sizes.size() != 2) {
    return "sizes must be two numbers, of the embedding and of the hidden state, for a gru-lm";
  }
  if (auto wrong = data_problem(task)) return wrong;
  if (auto wrong = goal_problem(task)) return wrong;
  if (!(task.learning_rate > 0 && std::isfinite(task.learning_rate))) {
    return "learning_rate must be a number above 0";
  }
  if (!(task.momentum >= 0 && task.momentum < 1)) {
    return "momentum must be at least 0 and below 1";
  }
  if (!(task.weight_decay >= 0 && std::isfinite(task.weight_decay))) {
    return "weight_decay must be a number, at least 0";
  }
  if (auto wrong = training_problem(task)) return wrong;
  if (!within(task.batch, 1, kMaxBatch)) return "batch must be from 1 to " + text(kMaxBatch);
  return std::nullopt;
}

std::string canonical_text(const Task& task) {
  assert(!problem(task));
  std::map<std::string, std::string> fields = {
      {"batch", text(task.batch)},
      {"classes", text(task.classes)},
      {"encoding", std::string(name(task.encoding))},
      {"learning_rate", text(task.learning_rate)},
      {"model", task.model},
      {"momentum", text(task.momentum)},
      {"name", task.name},
      {"seed", text(task.seed)},
      {"sizes", text(std::span<const unsigned>(task.sizes))},
      {"weight_decay", text(task.weight_decay)},
  };
  switch (data_kind(task)) {
    case DataKind::pictures:
      fields["input"] = text(std::span<const unsigned>(task.input));
      break;
    case DataKind::text:
      fields["vocabulary"] = task.vocabulary_hash;
      break;
    case DataKind::table:
      for (std::size_t i = 0; i < task.columns.size(); ++i) {
        std::string number = text(i + 1);
        number.insert(0, 4 - number.size(), '0');
        fields["column_" + number] = to_string(task.columns[i]);
      }
      break;
  }
  for (std::size_t i = 0; i < task.labels.size(); ++i) {
    std::string number = text(i);
    number.insert(0, 5 - number.size(), '0');
    fields["label_" + number] = task.labels[i];
  }
  if (is_multi_label(task)) fields["loss"] = kManyYesNo;
  if (is_regression(task)) {
    fields["loss"] = task.loss.empty() ? "squared" : task.loss;
    if (data_kind(task) != DataKind::table) {
      fields["target_range"] = text(task.target_range[0]) + "," + text(task.target_range[1]);
    }
  }
  if (task.share != Task().share) fields["share"] = joined(task.share);
  if (!task.freeze.empty()) fields["freeze"] = joined(task.freeze);
  if (task.share_buffers) fields["share_buffers"] = "true";
  if (!task.metric.empty()) fields["metric"] = task.metric;
  // What is as it always was has no field: tasks from before keep their hashes.
  const Task usual;
  if (task.optimiser != usual.optimiser) fields["optimiser"] = task.optimiser;
  if (task.gradient_clip != 0) fields["gradient_clip"] = text(task.gradient_clip);
  if (task.schedule != usual.schedule) {
    fields["schedule"] = task.schedule;
    fields["schedule_rounds"] = text(task.schedule_rounds);
  }
  if (task.warmup_rounds != 0) fields["warmup_rounds"] = text(task.warmup_rounds);
  if (task.label_smoothing != 0) fields["label_smoothing"] = text(task.label_smoothing);
  if (!task.class_weights.empty()) {
    fields["class_weights"] = text(std::span<const double>(task.class_weights));
  }
  std::string lines;
  for (const auto& [key, value] : fields) lines += key + "=" + value + "\n";
  return lines;
}

std::string manifest(const Task& task, const crypto::Hash& initial_model,
                     const std::string& frozen_model) {
  return "kith task\n" + canonical_text(task) + "initial_model=" + crypto::to_hex(initial_model) +
         "\n" + (frozen_model.empty() ? "" : "frozen_model=" + frozen_model + "\n");
}

std::vector<TaskDifference> differences(std::string_view ours, std::string_view theirs) {
  std::map<std::string, TaskDifference> fields;
  const auto read = [&](std::string_view text, std::string TaskDifference::*side) {
    while (!text.empty()) {
      const std::string_view field = text.substr(0, text.find('\n'));
      text.remove_prefix(std::min(field.size() + 1, text.size()));
      const std::size_t equals = field.find('=');
      if (equals == std::string_view::npos) continue;
      const std::string key(field.substr(0, equals));
      fields[key].field = key;
      fields[key].*side = field.substr(equals + 1);
    }
  };
  read(ours, &TaskDifference::ours);
  read(theirs, &TaskDifference::theirs);
  std::vector<TaskDifference> found;
  for (auto& [key, difference] : fields) {
    if (difference.ours != difference.theirs) found.push_back(std::move(difference));
  }
  return found;
}

crypto::Hash task_hash(const Task& task, const crypto::Hash& initial_model,
                       const std::string& frozen_model) {
  return crypto::hash(as_byte_view(manifest(task, initial_model, frozen_model)));
}

}  // namespace kith::model
