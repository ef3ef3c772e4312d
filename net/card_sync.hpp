#pragma once

#include "net/conduct.hpp"
#include "net/directory.hpp"
#include "net/swarm.hpp"

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

namespace kith::net {

/// Brings everyone the newest card of every member.
///
/// Peers tell each other which cards they have when they connect, and again from time to time, and
/// are sent those that they lack; one that is news goes to everybody.  Who dials shows its own on the
/// connection, and so is known even to a node that has never heard of its key.
///
/// A pure state machine, as the Gossip, who owns this.  Memory: one card a member.
class CardSync {
 public:
  // What the owner is to do or to know, in order.
  using Transmit = Swarm::Transmit;
  using Accused = Swarm::Accused;
  /// The member has another card in the directory now: write it down, reach it as that says, and end
  /// connections that another key authenticates.
  struct Renewed {
    NodeId member;
  };
  /// Somebody has our node key, and signed this card later than we did ours: we ourselves, before we
  /// came out of a backup, or a thief.  Told once each.
  struct RenewedElsewhere {
    Card card;
  };
  using Event = std::variant<Transmit, Accused, Renewed, RenewedElsewhere>;

  /// `directory`, whose cards it keeps up to date, and `conduct` are borrowed and must outlive this.
  CardSync(NodeId self, Directory& directory, Conduct& conduct)
      : self_(self), directory_(directory), conduct_(conduct) {}

  /// What this node writes on its own card: it counts whatever others say, whenever it is a member.
  /// Tells everybody.
  void set_own(const Card& card);
  /// Takes a card that no peer sent: from a file, or of who shows it on a connection that its key
  /// has authenticated.  `date` in seconds since 1970.  Whether it is in force now.
  bool take(Instant now, std::uint64_t date, const Card& card);
  /// The members are others, as `from` has told: it is asked for the cards of those who are new.
  void handle_members_changed(const std::optional<NodeId>& from);

  void handle_connected(Instant now, const NodeId& peer);
  void handle_disconnected(const NodeId& peer) { peers_.erase(peer); }
  void handle(Instant now, const NodeId& from, const CardList& message);
  void handle(Instant now, std::uint64_t date, const NodeId& from, const Cards& message);
  void handle_timeout(Instant now);

  /// Those of the members, at most one each.
  [[nodiscard]] std::vector<Card> all() const;
  /// The newest that somebody else signed with our key; nullopt if nobody has.
  [[nodiscard]] const std::optional<Card>& signed_elsewhere() const { return elsewhere_; }
  [[nodiscard]] Instant next_timeout() const { return remind_at_.value_or(Instant::max()); }
  [[nodiscard]] std::optional<Event> poll_event();

 private:
  /// Whether it was news, and counts now.
  bool accept(Instant now, std::uint64_t date, const std::optional<NodeId>& from, const Card& card);
  void spread(const std::optional<NodeId>& from, std::vector<Card> news);
  [[nodiscard]] CardList list() const;
  void transmit(const NodeId& to, Message message);

  NodeId self_;
  Directory& directory_;
  Conduct& conduct_;
  std::optional<Card> own_;  // also while we are no member
  std::optional<Card> elsewhere_;
  std::map<NodeId, Instant> indebted_until_;  // a member renews itself as often as time pays for
  std::set<NodeId> peers_;                    // connected
  std::optional<Instant> remind_at_;
  std::deque<Event> events_;
};

}  // namespace kith::net
