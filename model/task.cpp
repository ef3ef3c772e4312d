#include "model/task.hpp"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cmath>
#include <iterator>
#include <map>
#include <span>
#include <string_view>

namespace kith::model {
namespace {

constexpr std::size_t kMaxName = 64;  // bytes
constexpr std::size_t kMaxLayers = 32;
constexpr unsigned kMaxLayerSize = 65536;  // units or channels
constexpr unsigned kMaxImageSide = 4096;   // pixels, and channels
constexpr unsigned kMaxClasses = 65536;
constexpr unsigned kMaxBatch = 65536;  // examples

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

}  // namespace

std::optional<std::string> problem(const Task& task) {
  if (!is_name(task.name)) {
    return "name must be 1 to " + text(kMaxName) + " letters, digits, dots, dashes or underscores";
  }
  if (task.model != "mlp" && task.model != "cnn") return "model must be \"mlp\" or \"cnn\"";
  if (task.sizes.size() > kMaxLayers || !all_within(task.sizes, kMaxLayerSize)) {
    return "sizes must be at most " + text(kMaxLayers) + " numbers from 1 to " +
           text(kMaxLayerSize);
  }
  if (task.model == "cnn" && task.sizes.empty()) return "sizes must have a number, for a cnn";
  if (!all_within(task.input, kMaxImageSide)) {
    return "input must be channels, height and width, each from 1 to " + text(kMaxImageSide);
  }
  if (!within(task.classes, 2, kMaxClasses)) {
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
  const std::map<std::string_view, std::string> fields = {
      {"batch", text(task.batch)},
      {"classes", text(task.classes)},
      {"clip_factor", text(task.clip_factor)},
      {"input", text(std::span<const unsigned>(task.input))},
      {"learning_rate", text(task.learning_rate)},
      {"model", task.model},
      {"momentum", text(task.momentum)},
      {"name", task.name},
      {"seed", text(task.seed)},
      {"sizes", text(std::span<const unsigned>(task.sizes))},
      {"weight_decay", text(task.weight_decay)},
  };
  std::string lines;
  for (const auto& [key, value] : fields) lines += std::string(key) + "=" + value + "\n";
  return lines;
}

crypto::Hash task_hash(const Task& task, const crypto::Hash& initial_model) {
  return crypto::hash(as_byte_view("kith task\n" + canonical_text(task) +
                                   "initial_model=" + crypto::to_hex(initial_model) + "\n"));
}

}  // namespace kith::model
