#pragma once

#include "net/charter.hpp"
#include "net/conduct.hpp"
#include "net/swarm.hpp"

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace kith::net {

/// Brings everyone the newest version of the charter, and every fork of it to light.
///
/// A node tells its peers which version it follows, and of a rival that it knows.  Whoever lacks
/// such a version asks for it by its hash, then for the one before it, until it meets one of its
/// own.  What lies above that continues its charter, or is a rival of it; no version counts before
/// it and all below it are verified.  docs/protocol.md, "Charter".
///
/// A pure state machine, as the Gossip, who owns this.
/// Memory: the charter, a rival, and what is on its way from one peer at a time: each at most
/// limits::kCharterFile.
class CharterSync {
 public:
  // What the owner is to do or to know, in order.
  using Transmit = Swarm::Transmit;
  using Accused = Swarm::Accused;
  struct Grown {  ///< follow this from now on: write it down
    NodeId from;
    CharterChain chain;
  };
  /// Who signed both is in find_fork(): keep this as the evidence.  Of more than one rival, only
  /// the first is told, and what continues it.
  struct Forked {
    NodeId from;
    CharterChain rival;
  };
  using Event = std::variant<Transmit, Accused, Grown, Forked>;

  /// `conduct` is borrowed and must outlive this.
  explicit CharterSync(Conduct& conduct) : conduct_(conduct) {}

  /// What the owner follows, the rival that it knows, and the rivals that it has decided against.
  void follow(Instant now, CharterChain chain, std::optional<CharterChain> rival,
              Verdicts verdicts);
  /// Nothing is followed yet: the charter whose first version this is, from whoever has it.
  void await(const Hash& founded) { founded_ = founded; }
  [[nodiscard]] bool follows() const { return chain_.has_value(); }
  [[nodiscard]] const std::optional<CharterChain>& chain() const { return chain_; }
  [[nodiscard]] const std::optional<CharterChain>& rival() const { return rival_; }
  /// A version of the charter or of the rival; nullptr if it is in neither.
  [[nodiscard]] const SignedCharter* version(const Hash& id) const;
  /// The version that a connected peer says it follows; nullopt before it has.
  [[nodiscard]] std::optional<CharterPlace> followed_by(const NodeId& peer) const;

  /// Only of a peer whose hello has kFollowsCharter.
  void handle_connected(Instant now, const NodeId& peer);
  void handle_disconnected(Instant now, const NodeId& peer);
  void handle(Instant now, const NodeId& from, const CharterHeads& message);
  void handle(Instant now, const NodeId& from, const CharterWanted& message);
  void handle(Instant now, const NodeId& from, CharterVersion& message);
  void handle_timeout(Instant now);

  [[nodiscard]] Instant next_timeout() const;
  [[nodiscard]] std::optional<Event> poll_event();

 private:
  /// Versions on their way from a peer, the newest first.
  struct Pursuit {
    NodeId from;
    CharterPlace goal;
    Hash wanted{};
    Instant until;
    Instant end;  // of all of it
    std::vector<SignedCharter> found{};
    std::size_t bytes = 0;
  };

  [[nodiscard]] CharterHeads heads() const;
  void announce(Instant now);
  [[nodiscard]] bool is_news(const NodeId& from, const CharterPlace& place) const;
  void pursue(Instant now);
  void ask(Instant now, const Hash& version);
  /// The version before the last that was found is in `base`: are they sound?
  void join(Instant now, const CharterChain& base, std::uint64_t number);
  /// Ends the pursuit: its goal is not asked for again.
  void refuse(Instant now, const std::string& why);
  void remember_refused(const CharterPlace& place);
  /// Whether the owner has decided against `rival`, and that still holds.
  [[nodiscard]] bool decided_against(const CharterFork& fork, const CharterChain& rival) const;
  void abandon(Instant now);
  void transmit(const NodeId& to, Message message);

  Conduct& conduct_;
  std::optional<CharterChain> chain_, rival_;
  std::optional<Hash> founded_;  // what is awaited
  Verdicts verdicts_;
  std::set<std::pair<NodeId, Hash>> refused_;          // what a peer could not show: others may
  std::optional<NodeId> asked_last_;                   // all have their turn
  std::map<NodeId, std::vector<CharterPlace>> peers_;  // what they have told
  std::optional<Pursuit> pursuit_;
  std::optional<Instant> remind_at_;
  std::deque<Event> events_;
};

}  // namespace kith::net
