#pragma once

#include "daemon/config/config.hpp"
#include "model/task.hpp"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace kith::daemon {

/// Names a task in a file, for people to compare.  What nodes compare also covers M0, which only a
/// running node knows.
[[nodiscard]] std::string fingerprint_of(const model::Task& task);

/// For programs: [{field, before, after}].
[[nodiscard]] nlohmann::json differences_json(const std::vector<model::TaskDifference>& differences);

/// What a node's configuration says, and what would become of it.
struct TaskChange {
  std::string text;  ///< of the file, afterwards
  Config before, after;
  [[nodiscard]] std::vector<model::TaskDifference> differences() const;
};
/// The configuration in `file` with this task in place of its own; without a task, as it is.  Nothing
/// is written.  Throws Failure as load_config() and replace_task() do.
[[nodiscard]] TaskChange change_task(const std::filesystem::path& file,
                                     const std::optional<model::Task>& task);

/// What came of accept_task().
struct AcceptedTask {
  std::string fingerprint;
  std::vector<model::TaskDifference> differs{};  ///< from what the configuration said
  bool begins_anew = false;                      ///< what was learnt so far is of another task
  std::optional<std::filesystem::path> aside{};  ///< where that lies now
};
/// Has the node of the configuration in `file` learn this task from now on; without one, the task
/// that the configuration says.  What was learnt of another is put aside; what was spent of the
/// examples' privacy stays spent.
///
/// Requires that nobody runs the node.  Throws Failure: as change_task(), EX_TEMPFAIL if it runs,
/// EX_IOERR if the disk fails.
AcceptedTask accept_task(const std::filesystem::path& file, const std::optional<model::Task>& task);

}  // namespace kith::daemon
