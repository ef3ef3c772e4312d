#pragma once

#include "model/data/text.hpp"
#include "model/task.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace kith::data {

/// A task that suits a member's files, for people to look at, correct and agree on.  Files with one
/// class only make a part of one (data/merge.hpp).
struct Draft {
  model::Task task;
  /// One for each column of the task: what speaks for it, or against; perhaps empty.
  std::vector<std::string> reasons;
  std::vector<std::string> notes;  ///< sentences on the whole
  std::string target;          ///< what is predicted, for people
  std::uint64_t examples = 0;  ///< that were seen
  std::optional<Vocabulary> vocabulary{};  ///< of texts; task.vocabulary is to name its file
};

/// What a draft says in its notes if its files show one class only, named `name`.
[[nodiscard]] std::string only_class_note(const std::string& name);

/// Looks at tables whose first lines name their columns: kinds, usual ranges (from the 1st to the
/// 99th percentile), values, spellings of missing values, and the target, unless it is named.
/// Columns of all files count; a file may lack some.  Throws DataError.
[[nodiscard]] Draft draft_table(std::span<const std::filesystem::path> files,
                                const std::string& target = "");

/// Looks at folders with a folder of pictures for each class: their names, the usual size, and whether
/// there are colours.  Throws DataError.
[[nodiscard]] Draft draft_pictures(std::span<const std::filesystem::path> folders);

/// Looks at NPZ and safetensors files, or pairs of NPY files: the shape of an example, and whether the
/// answers are classes, numbers or yes-or-no.  Throws DataError.
[[nodiscard]] Draft draft_arrays(std::span<const std::filesystem::path> files);

/// Whether a file has texts, by its name and its first line.  Throws DataError.
[[nodiscard]] bool holds_texts(const std::filesystem::path& file);
/// Looks at texts: the commonest words, and their labels if all have some.  Throws DataError.
[[nodiscard]] Draft draft_texts(std::span<const std::filesystem::path> files);

}  // namespace kith::data
