#pragma once

#include "model/task.hpp"

#include <filesystem>

namespace kith::daemon {

/// As load_task(), of a draft that is to be merged with others (data::merge_drafts): it may know of
/// one class only.  Throws Failure(EX_CONFIG) with FILE:LINE.
[[nodiscard]] model::Task load_draft(const std::filesystem::path& file);

}  // namespace kith::daemon
