#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace kith::daemon {

/// What each run of a simulation came to: an object for every element of results.runs, in the same
/// order, as docs/simulation.md describes it.  Attackers are not judged.
[[nodiscard]] nlohmann::json summarize(const nlohmann::json& results);

/// A line a strategy, for a terminal: means over the seeds of results.summary, and their spread.
[[nodiscard]] std::vector<std::string> summary_table(const nlohmann::json& results);

}  // namespace kith::daemon
