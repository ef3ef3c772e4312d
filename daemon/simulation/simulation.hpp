#pragma once

#include "daemon/simulation/scenario.hpp"

#include <filesystem>
#include <iosfwd>
#include <nlohmann/json.hpp>

namespace kith::daemon {

/// Runs every strategy and seed of `scenario`: real learners and workers on real data, over a
/// network in virtual time.  Data, workers' states and results go to `directory`; runs that were
/// finished there before, of the same scenario, are not done again.  Shows progress on `out`.
///
/// Returns the results as docs/simulation.md describes them.  Equal scenarios give equal results,
/// but for what is measured in real seconds.  Throws Failure; Interrupted if `interrupted`.
nlohmann::json simulate(const Scenario& scenario, const std::filesystem::path& directory,
                        std::ostream& out);

}  // namespace kith::daemon
