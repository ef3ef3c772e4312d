#pragma once

#include "crypto/identity.hpp"
#include "net/time.hpp"

#include <cstddef>
#include <map>

namespace kith::net {

using crypto::NodeId;

/// What we remember of how each member behaves, across its connections.
///
/// Its standing is ours alone: it says whom to ask first, and bans nobody.
/// Memory: bounded by the number of members.  Threads: none of its own; use from one thread.
class Conduct {
 public:
  // Points, which halve with time.
  static constexpr Duration kHalves = std::chrono::minutes(10);
  static constexpr double kMost = 100;          ///< and least, below zero
  static constexpr double kUsefulMebibyte = 1;  ///< gained
  static constexpr double kLatePiece = 0.5;     ///< lost
  static constexpr double kBrokenPromise = 2;   ///< lost by not sending what it said it holds
  static constexpr double kForgery = 50;        ///< lost by a wrong piece or signature

  /// Whether `peer` may make us compute for this long: then it is in debt for as long, which time
  /// pays off.  See limits::kEffortAtOnce.
  [[nodiscard]] bool afford(Instant now, const NodeId& peer, Duration effort);

  /// It sent a piece of a snapshot that we had use for, of this many bytes.
  void praise(Instant now, const NodeId& peer, std::size_t bytes);
  void blame(Instant now, const NodeId& peer, double points);
  /// 0 for a stranger, negative for who did more harm than good; fades with time.
  [[nodiscard]] double standing(Instant now, const NodeId& peer) const;

 private:
  struct Record {
    Instant indebted_until;
    double points = 0;  // as of `at`
    Instant at;
  };
  void add(Instant now, const NodeId& peer, double points);

  std::map<NodeId, Record> records_;
};

}  // namespace kith::net
