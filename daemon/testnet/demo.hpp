#pragma once

#include "daemon/testnet/comparison.hpp"
#include "daemon/testnet/testnet.hpp"

#include <filesystem>
#include <iosfwd>
#include <optional>

namespace kith::daemon {

/// Watches running nodes until each has finished its rounds, showing live progress on `out`, and
/// returns what they came to, which it also writes to DIR/<strategy>/outcome.json.
/// `still_running` is called now and then and throws if it is no use to wait.
/// Throws Failure if nodes do not answer for a minute; Interrupted.
StrategyOutcome watch(const Testnet& testnet, const std::string& run, std::ostream& out,
                      const std::function<void()>& still_running);

/// What watch() wrote.  Throws Failure(EX_NOINPUT) if a strategy is missing.
std::map<std::string, StrategyOutcome> read_outcomes(const Testnet& testnet);

/// Runs every strategy of kCompared as real `kith run` processes, one strategy after the other.
/// However it ends, no process is left.  Throws Failure, Interrupted.
Comparison run_demo(const Testnet& testnet, std::ostream& out);

}  // namespace kith::daemon
