#pragma once

#include "net/conduct.hpp"
#include "net/renewal.hpp"
#include "net/swarm.hpp"

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

namespace kith::net {

/// Brings everyone the newest renewal of every member.
///
/// Whoever connects says which ones it has, and again from time to time, and is sent those that it
/// lacks; one that is news goes to everybody.  A member that nobody knows by its new key shows its
/// renewal on the connection that it makes with it, and so needs nobody else: take_shown().
///
/// A pure state machine, as the Gossip, who owns this.  Memory: one renewal a member.
class RenewalSync {
 public:
  // What the owner is to do or to know, in order.
  using Transmit = Swarm::Transmit;
  using Accused = Swarm::Accused;
  /// Connect with it at these addresses, and seal to this key, from now on; write down all().
  struct Renewed {
    NodeId member;
    crypto::ChannelPublicKey channel{};
    std::vector<std::string> addresses{};
  };
  /// Somebody has our node key, and made a later renewal of it than we did: we ourselves, before we
  /// came out of a backup, or a thief.
  struct RenewedElsewhere {};
  using Event = std::variant<Transmit, Accused, Renewed, RenewedElsewhere>;

  /// `conduct` is borrowed and must outlive this.
  RenewalSync(NodeId self, Conduct& conduct) : self_(self), conduct_(conduct) {}

  /// Whose entries may be renewed.  Renewals of entries that are in it stay in force.
  void follow(const Charter& charter);
  /// Takes back what is in_force() for that charter, our own included.  No events.
  void restore(const std::vector<Renewal>& renewals);
  /// What the operator has: each counts if it is news.
  void offer(Instant now, const std::vector<Renewal>& renewals);
  [[nodiscard]] std::vector<Renewal> all() const;

  /// Of who has dialled us with the key that it names.  Whether it is in force now.
  bool take_shown(Instant now, const Renewal& renewal);

  /// Only of a peer whose hello has kTakesRenewals.
  void handle_connected(Instant now, const NodeId& peer);
  void handle_disconnected(Instant now, const NodeId& peer);
  void handle(Instant now, const NodeId& from, const RenewalList& message);
  void handle(Instant now, const NodeId& from, const Renewals& message);

  void handle_timeout(Instant now);

  [[nodiscard]] Instant next_timeout() const;
  [[nodiscard]] std::optional<Event> poll_event();

 private:
  struct Entry {
    Member in_charter;
    Hash hash{};
    std::optional<Renewal> renewal{};
    Instant indebted_until{};  // a member renews itself as often as time pays for
  };
  /// Whether it was news, and counts now.
  bool take(Instant now, const std::optional<NodeId>& from, const Renewal& renewal);
  void spread(const std::optional<NodeId>& from, std::vector<Renewal> news);
  [[nodiscard]] RenewalList list() const;
  void transmit(const NodeId& to, Message message);

  NodeId self_;
  Conduct& conduct_;
  std::map<NodeId, Entry> entries_;
  std::map<NodeId, Instant> peers_;  // connected: when it is answered again
  std::optional<Instant> remind_at_;
  std::deque<Event> events_;
};

}  // namespace kith::net
