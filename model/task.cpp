#include "model/task.hpp"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cmath>
#include <iterator>
#include <map>
#include <set>
#include <span>
#include <string_view>
#include <utility>

namespace kith::model {
namespace {

constexpr std::array<std::string_view, 4> kModels{"mlp", "cnn", "resnet", "gru-lm"};
constexpr std::size_t kMaxName = 64;  // bytes
constexpr std::size_t kMaxLayers = 32;
constexpr unsigned kMaxLayerSize = 65536;  // units or channels
constexpr unsigned kMaxImageSide = 4096;   // pixels, and channels
constexpr unsigned kMaxClasses = 65536;
constexpr unsigned kMaxBatch = 65536;  // examples
constexpr std::size_t kMaxColumns = 1024;
// Bytes that all columns may have as text: JSON in a message to the worker, TOML for a new member.
constexpr std::size_t kMaxColumnText = 56 << 10;

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

std::string text(std::span<const unsigned> numbers) {
  std::string joined;
  for (const unsigned number : numbers) joined += (joined.empty() ? "" : ",") + text(number);
  return joined;
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
  if (task.model != "mlp") return "column must be left out, except for an mlp";
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
       {std::pair("target", &Column::target), std::pair("group", &Column::group),
        std::pair("time", &Column::time)}) {
    const auto count = std::ranges::count(task.columns, true, is);
    if (count > 1)
      return std::string("column must have at most one with ") + role + " = true; there are " +
             text(count);
  }
  const auto classes = classes_of(task.columns);
  if (!classes) return "column must have one with target = true, what is to be predicted";
  if (inputs == 0) return "column must have one of which something can be learnt beside the target";
  if (task.classes != *classes) {
    return "classes must be " + text(*classes) + ", as follows from the target column";
  }
  return std::nullopt;
}

/// What is wrong with the fields that depend on the kind of data.
std::optional<std::string> data_problem(const Task& task) {
  const DataKind kind = data_kind(task);
  if (kind != DataKind::text && !(task.vocabulary.empty() && task.vocabulary_hash.empty())) {
    return "vocabulary must be left out, except for a gru-lm";
  }
  if (kind == DataKind::table) return column_problem(task);
  if (kind == DataKind::text) {
    const auto hash = crypto::from_hex(task.vocabulary_hash);
    if (task.vocabulary.empty() || !hash || hash->size() != crypto::Hash().size()) {
      return "vocabulary must name a file with one word a line, for a gru-lm";
    }
    if (!task.columns.empty()) return "column must be left out, except for an mlp";
  }
  if (kind == DataKind::pictures && !all_within(task.input, kMaxImageSide)) {
    return "input must be channels, height and width, each from 1 to " + text(kMaxImageSide);
  }
  return std::nullopt;
}

}  // namespace

DataKind data_kind(const Task& task) {
  if (task.model == "gru-lm") return DataKind::text;
  return task.columns.empty() ? DataKind::pictures : DataKind::table;
}

const Column* target_of(const std::vector<Column>& columns) {
  if (std::ranges::count(columns, true, &Column::target) != 1) return nullptr;
  return &*std::ranges::find(columns, true, &Column::target);
}

std::optional<unsigned> classes_of(const std::vector<Column>& columns) {
  const Column* const target = target_of(columns);
  if (target == nullptr) return std::nullopt;
  if (target->kind == Column::Kind::number) return 1;
  return static_cast<unsigned>(values_of(*target).size());
}

std::optional<std::string> problem(const Task& task) {
  if (!is_name(task.name)) {
    return "name must be 1 to " + text(kMaxName) + " letters, digits, dots, dashes or underscores";
  }
  if (std::ranges::find(kModels, task.model) == kModels.end()) {
    return "model must be \"mlp\", \"cnn\", \"resnet\" or \"gru-lm\"";
  }
  if (task.sizes.size() > kMaxLayers || !all_within(task.sizes, kMaxLayerSize)) {
    return "sizes must be at most " + text(kMaxLayers) + " numbers from 1 to " +
           text(kMaxLayerSize);
  }
  if (task.model != "mlp" && task.sizes.empty()) {
    return "sizes must have a number, for a " + task.model;
  }
  if (task.model == "gru-lm" && task.sizes.size() != 2) {
    return "sizes must be two numbers, of the embedding and of the hidden state, for a gru-lm";
  }
  if (auto wrong = data_problem(task)) return wrong;
  const bool number = classes_of(task.columns) == 1U;
  if (!number && !within(task.classes, 2, kMaxClasses)) {
    return "classes must be from 2 to " + text(kMaxClasses);
  }
  if (!(task.learning_rate > 0 && std::isfinite(task.learning_rate))) {
    return "learning_rate must be a number above 0";
  }
  if (!(task.momentum >= 0 && task.momentum < 1)) {
    return "momentum must be at least 0 and below 1";
  }
  if (!(task.weight_decay >= 0 && std::isfinite(task.weight_decay))) {
    return "weight_decay must be a number, at least 0";
  }
  if (!within(task.batch, 1, kMaxBatch)) return "batch must be from 1 to " + text(kMaxBatch);
  if (!(task.clip_factor > 0 && std::isfinite(task.clip_factor))) {
    return "clip_factor must be a number above 0";
  }
  return std::nullopt;
}

std::string canonical_text(const Task& task) {
  assert(!problem(task));
  std::map<std::string, std::string> fields = {
      {"batch", text(task.batch)},
      {"classes", text(task.classes)},
      {"clip_factor", text(task.clip_factor)},
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
  std::string lines;
  for (const auto& [key, value] : fields) lines += key + "=" + value + "\n";
  return lines;
}

std::string manifest(const Task& task, const crypto::Hash& initial_model) {
  return "kith task\n" + canonical_text(task) + "initial_model=" + crypto::to_hex(initial_model) +
         "\n";
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

crypto::Hash task_hash(const Task& task, const crypto::Hash& initial_model) {
  return crypto::hash(as_byte_view(manifest(task, initial_model)));
}

}  // namespace kith::model
