#pragma once

#include "model/data/draft.hpp"
#include "model/task.hpp"

#include <string>
#include <vector>

// One task of the drafts that several members made of their own files.
namespace kith::data {

/// A member's draft, and what people call it: the name of its file.
struct NamedTask {
  std::string name;
  model::Task task;
};

/// One task that reads the files of all of them: every class and value, ranges from the lowest to
/// the highest, the spellings of missing values, the words of all vocabularies rank by rank.  What
/// cannot be the same for all is left out and told of in `notes`, which also name a draft whose
/// range is far from that of the others; of the target it is refused.  The same in whatever order
/// the drafts stand.  Holds nothing that no draft holds.
///
/// Without `name` all drafts must have the same.  Requires no problem() of any draft, but that one
/// may know of one class only (with_another_class()).  Throws DataError, which names the field or
/// column, and the drafts.
[[nodiscard]] Draft merge_drafts(std::vector<NamedTask> drafts, const std::string& name = "");

/// Whether a draft's files show one class only: it is part of a task, but none by itself.
[[nodiscard]] bool has_one_class(const model::Task& task);
/// Such a draft as a task that can be looked at, with a second class that nobody has.
[[nodiscard]] model::Task with_another_class(model::Task task);
/// The inverse.
[[nodiscard]] model::Task without_another_class(model::Task task);

}  // namespace kith::data
