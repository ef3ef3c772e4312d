#pragma once

#include "crypto/identity.hpp"
#include "net/time.hpp"

#include <map>

namespace kith::net {

using crypto::NodeId;

/// What we remember of how each member behaves, across its connections.
///
/// Memory: bounded by the number of members.  Threads: none of its own; use from one thread.
class Conduct {
 public:
  /// Whether `peer` may make us compute for this long: then it is in debt for as long, which time
  /// pays off.  See limits::kEffortAtOnce.
  [[nodiscard]] bool afford(Instant now, const NodeId& peer, Duration effort);

 private:
  std::map<NodeId, Instant> indebted_until_;
};

}  // namespace kith::net
