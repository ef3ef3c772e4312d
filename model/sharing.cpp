#include "model/sharing.hpp"

#include <algorithm>
#include <cassert>
#include <cstdlib>
#include <fnmatch.h>
#include <utility>

namespace kith::model {
namespace {

constexpr std::size_t kMaxPatterns = 64;
constexpr std::size_t kMaxPattern = 256;  // bytes
constexpr std::ptrdiff_t kMaxStars = 4;   // in one: each may cost the square of what it matches

bool matches(const std::string& pattern, std::string_view name) {
  return fnmatch(pattern.c_str(), std::string(name).c_str(), 0) == 0;
}

bool any_matches(std::span<const std::string> patterns, std::string_view name) {
  return std::ranges::any_of(patterns, [&](const auto& each) { return matches(each, name); });
}

std::optional<std::string> list_problem(const char* field, std::span<const std::string> patterns) {
  if (patterns.size() > kMaxPatterns) {
    return std::string(field) + " must have at most " + std::to_string(kMaxPatterns) + " patterns";
  }
  for (const std::string& pattern : patterns) {
    const bool printable = std::ranges::all_of(pattern, [](char c) { return c > ' ' && c < 0x7f; });
    if (pattern.empty() || pattern.size() > kMaxPattern || !printable ||
        pattern.find(',') != pattern.npos || std::ranges::count(pattern, '*') > kMaxStars) {
      return std::string(field) +
             " must be names of tensors, in which * stands for anything, at most " +
             std::to_string(kMaxStars) + " times, like \"backbone.*\"";
    }
  }
  return std::nullopt;
}

std::size_t values_of(const TensorSpec& tensor) {
  std::size_t values = 1;
  for (const std::uint64_t side : tensor.shape) values *= side;
  return values;
}

}  // namespace

std::string_view name(Role role) {
  switch (role) {
    case Role::shared:
      return "shared";
    case Role::kept:
      return "kept";
    case Role::frozen:
      return "frozen";
  }
  std::abort();  // every enumerator is above
}

std::optional<std::string> pattern_problem(const Task& task) {
  if (task.share.empty())
    return "share must have a pattern: without one nobody learns from anybody";
  if (auto wrong = list_problem("share", task.share)) return wrong;
  return list_problem("freeze", task.freeze);
}

Role role_of(const Task& task, std::string_view tensor, bool parameter) {
  if (any_matches(task.freeze, tensor)) return Role::frozen;
  const bool may_travel = parameter || task.share_buffers;
  return may_travel && any_matches(task.share, tensor) ? Role::shared : Role::kept;
}

std::optional<std::string> assign_roles(const Task& task, std::vector<Tensor>& tensors) {
  for (const auto& [field, patterns] :
       {std::pair("share", &task.share), std::pair("freeze", &task.freeze)}) {
    for (const std::string& pattern : *patterns) {
      const auto matched = [&](const Tensor& tensor) { return matches(pattern, tensor.spec.name); };
      if (std::ranges::none_of(tensors, matched)) {
        return "no tensor of the model is called " + pattern + ", as task." + field +
               " has it; the first is " + tensors.front().spec.name;
      }
    }
  }
  for (Tensor& tensor : tensors) tensor.role = role_of(task, tensor.spec.name, tensor.parameter);
  if (std::ranges::none_of(tensors,
                           [](const Tensor& tensor) { return tensor.role == Role::shared; })) {
    return "nothing of the model is shared, by task.share and task.freeze: nobody would learn from "
           "anybody";
  }
  return std::nullopt;
}

Schema schema_of(const std::vector<Tensor>& tensors, Role role) {
  Schema schema;
  for (const Tensor& tensor : tensors) {
    if (tensor.role == role) schema.tensors.push_back(tensor.spec);
  }
  return schema;
}

Slice::Slice(const std::vector<Tensor>& tensors, Role role) {
  for (const Tensor& tensor : tensors) {
    const std::size_t size = values_of(tensor.spec);
    if (tensor.role == role) {
      const bool goes_on = !ranges_.empty() && ranges_.back().begin + ranges_.back().size == all_;
      if (goes_on) {
        ranges_.back().size += size;
      } else {
        ranges_.push_back({all_, size});
      }
    }
    all_ += size;
  }
}

std::vector<float> Slice::from(const std::vector<float>& whole) const {
  assert(whole.size() == all_);
  std::vector<float> values;
  for (const Range& range : ranges_) {
    const auto first = whole.begin() + static_cast<std::ptrdiff_t>(range.begin);
    values.insert(values.end(), first, first + static_cast<std::ptrdiff_t>(range.size));
  }
  return values;
}

std::span<const float> Slice::view(const std::vector<float>& whole,
                                   std::vector<float>& room) const {
  if (is_all()) return whole;
  room = from(whole);
  return room;
}

void Slice::into(std::vector<float>& whole, const std::vector<float>& values) const {
  assert(whole.size() == all_);
  auto next = values.begin();
  for (const Range& range : ranges_) {
    const auto size = static_cast<std::ptrdiff_t>(range.size);
    std::copy(next, next + size, whole.begin() + static_cast<std::ptrdiff_t>(range.begin));
    next += size;
  }
}

}  // namespace kith::model
