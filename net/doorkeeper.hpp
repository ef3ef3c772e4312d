#pragma once

#include "net/session.hpp"
#include "net/time.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

namespace kith::net {

/// The network that a connection came from: what one attacker can easily have many addresses of.
/// A /24 of IPv4 (also when written as IPv6), a /48 of IPv6.
class Subnet {
 public:
  explicit Subnet(const std::array<std::uint8_t, 4>& ipv4);
  explicit Subnet(const std::array<std::uint8_t, 16>& ipv6);
  auto operator<=>(const Subnet&) const = default;

 private:
  std::array<std::uint8_t, 7> bytes_{};  // family and prefix
};

/// Decides which of the connections that came to us, and have not proved to be a member's, we keep.
///
/// There is room for a few.  Whoever comes when it is full takes the place of another: of one that
/// has shown least, of the subnet that has most such, the oldest.  So a flood displaces itself, and
/// an honest node, whose first message comes with its connection, is not displaced by the silent.
/// Nobody is made to wait: what waits in the kernel's queue keeps the honest waiting behind it.
///
/// What costs is the key agreement of a first message.  Beyond 50 wrong ones a second those subnets
/// that have sent a wrong one lately are shut out.
///
/// Time is an argument, and sockets are the caller's.  Memory: bounded, whoever comes.
/// Threads: none of its own; use from one thread.
class Doorkeeper {
 public:
  using Ticket = std::uint64_t;
  struct Decision {
    std::optional<Ticket> admitted;  ///< nullopt: close it
    std::optional<Ticket> evicted;   ///< close this one; left() is still to be called
  };

  /// A connection came.
  [[nodiscard]] Decision arrived(Instant now, const Subnet& from);
  /// It has `shown` so much by now.  Call for all before arrived().
  void update(Ticket ticket, Session::Shown shown);
  /// It is closed, or established.  Nothing happens if that was said before.
  void left(Instant now, Ticket ticket);

  [[nodiscard]] std::size_t size() const { return waiting_.size(); }

 private:
  struct Waiting {
    Subnet from;
    Session::Shown shown = Session::Shown::silent;
    bool evicted = false;
  };
  [[nodiscard]] bool shut_out(Instant now, const Subnet& from) const;
  [[nodiscard]] std::optional<Ticket> make_room(const Subnet& newcomer);

  std::map<Ticket, Waiting> waiting_;  // by arrival
  Ticket next_ = 0;
  Instant indebted_until_;               // by wrong messages of everyone
  std::map<Subnet, Instant> offenders_;  // until when that counts
};

}  // namespace kith::net
