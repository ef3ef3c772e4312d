#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace kith::model {

/// What is known of a peer when it is decided whose snapshots to fetch.
struct PullCandidate {
  std::string peer;  ///< node id, in text
  bool admitted = false;
  std::optional<double> rho{};  ///< smoothed; nullopt if it was never scored
  std::uint64_t scored = 0;     ///< round of its newest score; 0 if it was never scored
};

/// Whose snapshots to fetch this round: at most `budget` peers, the cluster first, then the most
/// promising.  `explore` of the places go to those not scored for longest, so that nobody is
/// written off for ever.  `random` breaks ties among the equally unknown.
[[nodiscard]] std::vector<std::string> choose_pulls(std::vector<PullCandidate> candidates,
                                                    std::size_t budget, std::size_t explore,
                                                    std::mt19937_64& random);

}  // namespace kith::model
