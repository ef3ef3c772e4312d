#include "model/pull.hpp"

#include <algorithm>
#include <limits>
#include <tuple>

namespace kith::model {

std::vector<std::string> choose_pulls(std::vector<PullCandidate> candidates, std::size_t budget,
                                      std::size_t explore, std::mt19937_64& random) {
  budget = std::min(budget, candidates.size());
  explore = std::min(explore, budget);
  std::ranges::shuffle(candidates, random);
  const auto promise = [](const PullCandidate& peer) {
    // Nobody has spoken against a peer that was never scored, but the admitted come first.
    const double rho = peer.rho.value_or(std::numeric_limits<double>::infinity());
    return std::tuple(!peer.admitted, -rho);
  };
  std::ranges::stable_sort(candidates, {}, promise);
  const auto rest = candidates.begin() + static_cast<std::ptrdiff_t>(budget - explore);
  std::stable_sort(rest, candidates.end(), [](const PullCandidate& a, const PullCandidate& b) {
    return a.scored < b.scored;
  });
  std::vector<std::string> chosen;
  for (std::size_t i = 0; i < budget; ++i) chosen.push_back(std::move(candidates[i].peer));
  return chosen;
}

}  // namespace kith::model
