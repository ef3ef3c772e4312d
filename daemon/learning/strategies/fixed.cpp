#include "daemon/learning/strategies/fixed.hpp"

#include <algorithm>

namespace kith::daemon {

std::vector<std::string> Fixed::pulls(std::uint64_t, const std::vector<std::string>& peers,
                                      std::mt19937_64&) {
  std::vector<std::string> wanted;
  std::ranges::copy_if(peers, std::back_inserter(wanted), [this](auto& peer) { return has(peer); });
  return wanted;
}

net::awaitable<Choice> Fixed::choose(Situation situation) {
  std::vector<std::string> members;
  for (const Candidate& candidate : situation.candidates) {
    if (has(candidate.peer)) members.push_back(candidate.peer);
  }
  Choice choice;
  choice.mixture = mixture(situation, members, half_life_);
  co_return choice;
}

bool Fixed::has(const std::string& peer) const {
  return !only_ || std::ranges::find(*only_, peer) != only_->end();
}

}  // namespace kith::daemon
