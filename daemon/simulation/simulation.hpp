#pragma once

#include "daemon/simulation/scenario.hpp"

#include <filesystem>
#include <iosfwd>
#include <nlohmann/json.hpp>

namespace kith::daemon {

/// Which finished runs of the same scenario are not done again.
enum class Reuse {
  of_this_program,  ///< the very same kith and kith-worker, by the hash of their files
  of_any_program,   ///< each result says by which it was made
};

/// Runs every strategy and seed of `scenario`: real learners and workers on real data, over a
/// network in virtual time.  Data, workers' states and results go to `directory`; runs that were
/// finished there before, of the same scenario, are not done again; see Reuse.  Shows progress on
/// `out`.
///
/// Returns the results as docs/simulation.md describes them.  Equal scenarios give equal results,
/// but for what is measured in real seconds.  Throws Failure; Interrupted if `interrupted`.
nlohmann::json simulate(const Scenario& scenario, const std::filesystem::path& directory,
                        Reuse reuse, std::ostream& out);

}  // namespace kith::daemon
