#include "net/conduct.hpp"

#include "net/limits.hpp"

#include <algorithm>

namespace kith::net {

bool Conduct::afford(Instant now, const NodeId& peer, Duration effort) {
  Instant& until = indebted_until_[peer];
  until = std::max(until, now);
  if (until + effort > now + limits::kEffortAtOnce) return false;
  until += effort;
  return true;
}

}  // namespace kith::net
