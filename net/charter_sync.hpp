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

/// Brings everyone the newest version of the charter, and rivals of it to light.
///
/// A node tells its peers which version it follows.  Whoever lacks versions asks for them by their
/// numbers, in order; each is verified as it comes.  If the first of them does not follow ours, the
/// peer is on another chain: that is followed if it outranks ours (see relation()), and else its
/// version is kept as evidence, passed on, and changes nothing.  Who is expelled is handed the version
/// that does so, unasked.  docs/protocol.md, "Charter".
///
/// A pure state machine, as the Gossip, who owns this.
/// Memory: the charter, and what is on its way from one peer at a time: at most limits::kCharterFile
/// each; and limits::kRivals versions of rivals.
class CharterSync {
 public:
  // What the owner is to do or to know, in order.
  using Transmit = Swarm::Transmit;
  using Accused = Swarm::Accused;
  struct Grown {  ///< chain() is another one now: write it down
    NodeId from;
    bool left_ours = false;  ///< it outranks the one that was followed, and is not its continuation
  };
  /// A sound version that contradicts ours: write rivals() down.
  struct Contradicted {
    NodeId from;
    std::uint64_t number = 0;
    std::vector<NodeId> signed_twice{};  ///< its stewards who signed ours of that number as well
  };
  using Event = std::variant<Transmit, Accused, Grown, Contradicted>;

  /// `conduct` is borrowed and must outlive this.
  explicit CharterSync(Conduct& conduct) : conduct_(conduct) {}

  /// What the owner has decided to follow; which rivals are known already, and up to which number
  /// they are settled: of these nothing is said.
  void follow(Instant now, CharterChain chain, std::vector<SignedCharter> rivals,
              std::uint64_t settled);
  /// Nothing is followed yet: the charter whose first version is `founded`, and which has `known`.
  void await(const Hash& founded, const CharterPlace& known);

  [[nodiscard]] const CharterChain& chain() const { return chain_; }  ///< empty if none is followed
  [[nodiscard]] const std::vector<SignedCharter>& rivals() const { return rivals_; }
  [[nodiscard]] std::uint64_t settled() const { return settled_; }
  /// nullptr if there is no version of that number.
  [[nodiscard]] const SignedCharter* version(std::uint64_t number) const;
  /// The version that a connected peer says it follows; nullopt before it has.
  [[nodiscard]] std::optional<CharterPlace> followed_by(const NodeId& peer) const;

  void handle_connected(Instant now, const NodeId& peer);
  void handle_disconnected(Instant now, const NodeId& peer);
  void handle(Instant now, const NodeId& from, const CharterHead& message);
  void handle(Instant now, const NodeId& from, const CharterWanted& message);
  void handle(Instant now, const NodeId& from, CharterVersion& message);
  void handle_timeout(Instant now);

  [[nodiscard]] Instant next_timeout() const;
  [[nodiscard]] std::optional<Event> poll_event();

 private:
  /// What is being asked of a peer.
  struct Pursuit {
    enum class Step {
      forward,    ///< the versions after ours, in order
      authority,  ///< it is on another chain: do our stewards stand behind that?
      backward,   ///< they do: where does it part from ours?
      evidence,   ///< they do not: where does it part, and who signed both?
    };
    NodeId from;
    CharterPlace goal;
    Step step{};
    std::uint64_t wanted = 0;  ///< the number asked for
    Instant until;             ///< for the answer
    Instant end;               ///< of all of it
    CharterChain found{};      ///< forward: ours with what was verified so far
    std::vector<SignedCharter> back{};  ///< backward: the highest number first
    std::uint64_t alike = 1;                   ///< evidence: a number at which both are the same
    std::optional<SignedCharter> parting{};    ///< evidence: the lowest that is known to differ
    std::size_t bytes = 0;
  };

  [[nodiscard]] bool awaiting() const { return chain_.empty() && founded_.has_value(); }
  [[nodiscard]] CharterPlace place() const;
  void announce(Instant now);
  [[nodiscard]] bool is_news(const NodeId& from, const CharterPlace& place) const;
  [[nodiscard]] bool is_rival(const Hash& version) const;
  void pursue(Instant now);
  void ask(Instant now, Pursuit::Step step, std::uint64_t number);
  void go_forward(Instant now, SignedCharter version);
  void look_for_authority(Instant now, SignedCharter version);
  void go_backward(Instant now, SignedCharter version);
  void look_for_evidence(Instant now, SignedCharter version);
  void keep_evidence(Instant now, const SignedCharter& version);
  void hear_unasked(Instant now, const NodeId& from, std::uint64_t number,
                    const SignedCharter& version);
  void add_rival(const NodeId& from, std::uint64_t number, const SignedCharter& version);
  void drop_what_is_no_rival();  ///< what is followed now
  void tell_of(const NodeId& peer, const SignedCharter& rival);
  /// Follows what was found so far.
  void adopt(Instant now, bool left_ours);
  void grown(Instant now, const NodeId& from, bool left_ours);
  /// Ends the pursuit: this peer is not asked for its goal again.
  void refuse(Instant now, const std::string& why);
  void give_up(Instant now);
  void drop_pursuit(Instant now);
  void forget_goal();
  void transmit(const NodeId& to, Message message);

  Conduct& conduct_;
  CharterChain chain_;
  std::vector<SignedCharter> rivals_;
  std::uint64_t settled_ = 0;
  std::optional<Hash> founded_;         // what is awaited
  std::optional<CharterPlace> anchor_;  // and must be in it
  std::set<std::pair<NodeId, Hash>> refused_;  // what a peer could not show: others may
  std::optional<NodeId> asked_last_;           // all have their turn
  std::map<NodeId, std::optional<CharterPlace>> peers_;  // what they have told
  std::optional<Pursuit> pursuit_;
  std::optional<Instant> remind_at_;
  std::deque<Event> events_;
};

}  // namespace kith::net
