#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

/// How good a model is at each class: a confusion matrix, put into words.
namespace kith::daemon {

/// `confusion` as model::confusion() counts, of as many classes as there are `names`:
///
///     [{name, examples, said, recall, precision, f1, mistaken: {class, examples}}]
///
/// What is not defined is null: recall of a class without examples, precision of one that was never
/// said; `mistaken`, what the class was most often taken for, if it never was.
[[nodiscard]] nlohmann::json explain_classes(std::span<const std::uint64_t> confusion,
                                             const std::vector<std::string>& names);

/// A table of explain_classes(), and the matrix below it if it is narrow enough to be read.
[[nodiscard]] std::vector<std::string> class_lines(const nlohmann::json& classes,
                                                   std::span<const std::uint64_t> confusion);

}  // namespace kith::daemon
