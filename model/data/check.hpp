#pragma once

#include "model/data/dataset.hpp"
#include "model/task.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace kith::data {

/// How many values fall into each of equally wide bins from `low` to `high`; what lies outside
/// counts in the first or the last.
struct Histogram {
  double low = 0, high = 0;
  std::vector<std::uint64_t> counts{};
  void fields(auto& field) const {
    field("low", low), field("high", high), field("counts", counts);
  }
};

/// One of the classes, or one of the values of a target.
struct ClassShare {
  std::string name;
  std::uint64_t train = 0, validation = 0, test = 0;  ///< examples
  void fields(auto& field) const {
    field("name", name), field("train", train), field("validation", validation);
    field("test", test);
  }
};

/// A column of a table that a model learns from.
struct CheckedColumn {
  std::string name, kind;
  std::uint64_t missing = 0, below = 0, above = 0, unknown = 0;  ///< cells: see Noticed
  std::optional<Histogram> numbers{};  ///< of the training rows that have it, in its own unit
  std::vector<ClassShare> values{};    ///< of a category, ordinal or yes-no; training rows only
  void fields(auto& field) const {
    field("name", name), field("kind", kind), field("missing", missing), field("below", below);
    field("above", above), field("unknown", unknown), field("numbers", numbers);
    field("values", values);
  }
};

/// What an operator should know before a node learns from its examples.
struct CheckReport {
  std::uint64_t train = 0, validation = 0, test = 0;  ///< examples
  std::vector<ClassShare> classes{};   ///< those that occur; none where numbers are predicted
  std::optional<Histogram> target{};   ///< of the training examples, where numbers are predicted
  std::vector<CheckedColumn> columns{};  ///< of tables
  std::uint64_t groups = 0;            ///< that rows belong to; 0 without a group column
  std::uint64_t copies = 0;            ///< training examples that are copies of an earlier one
  std::uint64_t test_copies = 0;       ///< test examples that are trained or validated on, too
  std::uint64_t looked_at = 0;         ///< validation examples that the next two are about
  std::uint64_t near_copies = 0;  ///< whose nearest training example is a hundredth as far as the tenth
  std::uint64_t next_to_nearest = 0;   ///< whose nearest training example stands beside them in the files
  double next_by_chance = 0;  ///< so many of these if the order told no more than the class
  std::vector<std::string> notes{};    ///< sentences
  std::vector<std::string> to_mend{};  ///< sentences: what makes numbers wrong, and what helps
  [[nodiscard]] bool fine() const { return to_mend.empty(); }
  void fields(auto& field) const {
    field("train", train), field("validation", validation), field("test", test);
    field("classes", classes), field("target", target), field("columns", columns);
    field("groups", groups), field("copies", copies);
    field("test_copies", test_copies), field("looked_at", looked_at);
    field("near_copies", near_copies), field("next_to_nearest", next_to_nearest);
    field("next_by_chance", next_by_chance), field("notes", notes), field("to_mend", to_mend);
  }
};

/// Looks at all examples once; at their neighbours for at most 500 of them.
[[nodiscard]] CheckReport check(const Dataset& dataset, const model::Task& task,
                                model::SplitBy split);

/// "750 examples to train on, 250 to validate with, 0 to test with"
[[nodiscard]] std::string counts_text(const CheckReport& report);

/// What these examples cannot show, whosever model is judged by them: a sentence without its end for each.
/// Looks at all examples that are trained or validated on, at most once.
[[nodiscard]] std::vector<std::string> unknowable(const Dataset& dataset, const model::Task& task);

}  // namespace kith::data
