#include "model/lazy_scoring.hpp"

#include <algorithm>

namespace kith::model {

std::size_t next_look(std::size_t looked, std::size_t all) {
  const std::size_t next = std::max(kFirstLook, 2 * looked);
  return next + next / 2 > all ? all : next;
}

bool settled(const RelativeInfluence& score, std::span<const float> peer_losses,
             std::span<const float> alone_losses, const Stopping& stopping) {
  if (score.against != Yardstick::own) return false;
  if (score.high < stopping.drop_below) return true;
  if (clearly_worse(peer_losses, alone_losses, stopping.slack + 1)) return true;
  const bool no_worse = alone_losses.empty() || mean(peer_losses) <= mean(alone_losses);
  return score.low > stopping.admit_above && no_worse;
}

}  // namespace kith::model
