#pragma once

#include "crypto/identity.hpp"
#include "net/limits.hpp"
#include "net/time.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <vector>

namespace kith::net {

using crypto::NodeId;

/// Decides which members we dial, when, and whom we part with.
///
/// In a consortium of up to 9 nodes all of them.  In a larger one 8 chosen by chance, each replaced
/// by another if it cannot be reached, and one of them every half hour anyway; and with those that
/// dial us we keep at most 32 connections.  A member that failed is tried again after a pause that
/// doubles, with jitter, so that a consortium that lost its switch does not come back all at once.
///
/// Where most nodes only dial out, those that listen fill up.  Who has nobody yet is let in all the
/// same, in place of one that came when it had others.
///
/// Time is an argument, and connections are the caller's.  Threads: none of its own; use from one.
class Dialler {
 public:
  enum class Direction { outbound, inbound };
  /// What other connections a node says it has.
  enum class Company { some, none };

  explicit Dialler(std::uint64_t seed) : random_(seed) {}

  /// The other members, from now on, and whether each has an address.  Who has left is forgotten:
  /// whatever is still said of it does nothing.
  void set_members(const std::map<NodeId, bool>& reachable);

  /// Whom to dial now; call until nullopt.  Each call is to be answered by connected() or failed().
  [[nodiscard]] std::optional<NodeId> poll_dial(Instant now);
  /// Whom to part with now, for a change; call until nullopt, and disconnected() when it is done.
  [[nodiscard]] std::optional<NodeId> poll_leave(Instant now);
  [[nodiscard]] Instant next_timeout() const;

  /// What we say of ourselves: none if we have fewer than two.
  [[nodiscard]] Company company() const;

  /// Whether there is room for a connection.
  struct Room {
    bool granted = false;
    std::optional<NodeId> instead_of{};  ///< part with this one first
  };
  /// Whether a connection with `peer`, which says that it has `company`, may be added.
  [[nodiscard]] Room room_for(const NodeId& peer, Company company) const;
  void connected(Instant now, const NodeId& peer, Direction direction, Company company);
  void disconnected(Instant now, const NodeId& peer);
  /// Nobody answered, or who answered was not him, or sent us away.
  void failed(Instant now, const NodeId& peer);

  /// It has other addresses from now on, or none: no pause is left over from the former ones.
  void renewed(Instant now, const NodeId& peer, bool reachable);
  /// `peer` is not dialled until allow(), whatever else.
  void deny(const NodeId& peer);
  void allow(const NodeId& peer);

  [[nodiscard]] std::size_t connections() const { return count(State::inbound, State::outbound); }
  [[nodiscard]] std::size_t outbound() const { return count(State::outbound, State::outbound); }
  /// When `peer` is dialled at the earliest; nullopt if it is connected, being dialled, denied, or
  /// has no address.
  [[nodiscard]] std::optional<Instant> next_attempt(const NodeId& peer) const;

 private:
  enum class State { idle, dialling, inbound, outbound };
  struct Peer {
    bool reachable = false, denied = false;
    State state = State::idle;
    Company company = Company::some;  // when it connected
    Instant due;                      // if idle: not dialled before then
    Duration pause{};                 // before the next attempt
    Instant connected_at;
  };
  /// Nothing but time keeps us from dialling it.
  [[nodiscard]] static bool is_choice(const Peer& peer) {
    return peer.reachable && !peer.denied && peer.state == State::idle;
  }
  [[nodiscard]] bool sparse() const { return peers_.size() + 1 > limits::kFullMesh; }
  [[nodiscard]] Peer* find(const NodeId& peer);
  [[nodiscard]] bool wants_more() const;
  [[nodiscard]] std::size_t count(State least, State most) const;
  void rest(Instant now, Peer& peer);
  [[nodiscard]] Duration jittered(Duration pause);

  std::map<NodeId, Peer> peers_;
  std::mt19937_64 random_;
  std::optional<Instant> rotate_at_;  // once there is something to rotate
};

}  // namespace kith::net
