#include "net/conduct.hpp"

#include "net/limits.hpp"

#include <algorithm>
#include <cmath>

namespace kith::net {

bool Conduct::afford(Instant now, const NodeId& peer, Duration effort) {
  Instant& until = records_[peer].indebted_until;
  until = std::max(until, now);
  if (until + effort > now + limits::kEffortAtOnce) return false;
  until += effort;
  return true;
}

void Conduct::praise(Instant now, const NodeId& peer, std::size_t bytes) {
  add(now, peer, kUsefulMebibyte * static_cast<double>(bytes) / (1 << 20));
}

void Conduct::blame(Instant now, const NodeId& peer, double points) { add(now, peer, -points); }

double Conduct::standing(Instant now, const NodeId& peer) const {
  const auto found = records_.find(peer);
  if (found == records_.end()) return 0;
  const std::chrono::duration<double> age = now - found->second.at;
  return found->second.points * std::exp2(-age / std::chrono::duration<double>(kHalves));
}

void Conduct::add(Instant now, const NodeId& peer, double points) {
  const double sum = standing(now, peer) + points;
  Record& record = records_[peer];
  record.points = std::clamp(sum, -kMost, kMost);
  record.at = now;
}

}  // namespace kith::net
