#pragma once

#include "net/card_sync.hpp"
#include "net/charter_sync.hpp"
#include "net/directory.hpp"
#include "net/membership_record.hpp"
#include "net/message.hpp"
#include "net/swarm.hpp"
#include "net/time.hpp"

#include <deque>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <variant>
#include <vector>

namespace kith::net {

/// Spreads the heads of snapshots to everyone, has its Swarm fetch those that the owner wants, and
/// knows who belongs: what peers say of the charter and of cards takes effect at once.
///
/// Heads flood; payload is never pushed.  What a lossy or cut network swallowed is found again by
/// anti-entropy with one random peer at a time.
///
/// A pure state machine: the owner feeds handle_*() and drains poll_event(), which is also where it
/// is asked to read and write chunk data, so no disk is touched in here.
///
/// Memory: heads and manifests; never chunk data.  Threads: none of its own; use from one thread.
class Gossip {
 public:
  struct Settings {
    Duration flood_delay = std::chrono::milliseconds(20);  ///< heads of one moment travel together
    Duration anti_entropy = std::chrono::seconds(30);
    Swarm::Settings swarm{};
  };

  // What the owner is to do or to know, in order.
  using Transmit = Swarm::Transmit;
  using ReadPiece = Swarm::ReadPiece;
  using WritePiece = Swarm::WritePiece;
  using Completed = Swarm::Completed;
  using Dropped = Swarm::Dropped;
  using Accused = Swarm::Accused;
  using Begun = Swarm::Begun;
  using Needed = Swarm::Needed;
  struct Discovered {  ///< a head that we had not seen: call want() if it should be fetched
    SnapshotId snapshot{};
    Head head;
  };
  struct Convicted {  ///< of equivocation, until it takes another key: keep this, and restore() it
    NodeId origin;
    Evidence evidence;
  };
  /// A head that we signed and do not remember, so we came out of a backup: whatever we publish
  /// next goes into a new log, above this.
  struct Outrun {
    LogPosition position;
  };
  /// The newest version is another one: record() is to be written down.  Connections with those who
  /// were removed are to be ended, those who were added may be dialled.
  struct CharterChanged {
    std::optional<NodeId> from{};  ///< who told; none if the owner did
    std::vector<Member> added{}, removed{};
    bool left_ours = false;  ///< it parts from the one that was followed, and outranks it
  };
  using Contradicted = CharterSync::Contradicted;
  using Renewed = CardSync::Renewed;
  using RenewedElsewhere = CardSync::RenewedElsewhere;
  using Event = std::variant<Transmit, ReadPiece, WritePiece, Discovered, Begun, Needed, Completed,
                             Dropped, Accused, Convicted, Outrun, CharterChanged, Contradicted,
                             Renewed, RenewedElsewhere>;

  /// `record` has the chain that is followed: at least one version.  `date`, in seconds since 1970,
  /// is that of `now`.  `seed` makes every choice reproducible.
  Gossip(Instant now, std::uint64_t date, MembershipRecord record, NodeId self, Hash task,
         std::uint64_t seed, Settings settings);
  Gossip(Instant now, std::uint64_t date, MembershipRecord record, NodeId self, Hash task,
         std::uint64_t seed)
      : Gossip(now, date, std::move(record), self, task, seed, Settings{}) {}

  // --- Who belongs -------------------------------------------------------------------------------

  [[nodiscard]] const Directory& directory() const { return directory_; }
  /// What is to be written down of it.
  [[nodiscard]] MembershipRecord record() const;
  /// What the owner has decided to follow from now on; its cards count if they are news.
  void follow(Instant now, MembershipRecord record);
  /// See CardSync.
  void set_own_card(const Card& card) { cards_.set_own(card); }
  bool take_card(Instant now, const Card& card);
  /// What day it is, in seconds since 1970: to be told again from time to time.
  void set_date(Instant now, std::uint64_t date) { calendar_.set(now, date); }

  // --- Snapshots ---------------------------------------------------------------------------------

  /// Takes back what was stored before a restart.  No events; false if it is not valid (any more).
  bool restore(const SignedHead& head, const Manifest& manifest, Swarm::Stored stored);
  bool restore(const Evidence& evidence);
  /// Announces our own snapshot, all of whose pieces the owner can read from now on.  False, and
  /// nothing happens, if it is not signed by the key of our card, or we are no member any more.
  [[nodiscard]] bool publish(Instant now, const SignedHead& head, const Manifest& manifest);
  /// Fetches `snapshot` until it is complete or dropped.
  void want(Instant now, const SnapshotId& snapshot);
  /// Fetches `snapshot` as want() does, but for the sake of others; see Needed.
  void relay(Instant now, const SnapshotId& snapshot);
  /// The owner looked at its disk, and these chunks of `snapshot` are there and right.  If it was
  /// complete, and now is not, it is fetched again.
  void found(Instant now, const SnapshotId& snapshot, const std::vector<bool>& chunks);

  // --- What happens ------------------------------------------------------------------------------

  void handle_connected(Instant now, const NodeId& peer);
  void handle_disconnected(Instant now, const NodeId& peer);
  void handle_message(Instant now, const NodeId& peer, Message message);
  /// The answer to ReadPiece; nullopt if it could not be read.
  void handle_piece_read(Instant now, const NodeId& for_peer, const SnapshotId& snapshot,
                         std::uint32_t piece, std::optional<Bytes> data) {
    swarm_.handle_piece_read(now, for_peer, snapshot, piece, std::move(data));
  }
  /// The peer's queue has room again after the piece of handle_piece_read().
  void handle_drained(Instant now, const NodeId& peer) { swarm_.handle_drained(now, peer); }
  void handle_timeout(Instant now);

  [[nodiscard]] Instant next_timeout() const;
  [[nodiscard]] std::optional<Event> poll_event();

  /// The latest snapshot that each origin but ourselves has published.
  [[nodiscard]] std::vector<SnapshotId> newest() const;
  [[nodiscard]] std::optional<SnapshotId> newest(const NodeId& origin) const;
  [[nodiscard]] std::optional<Head> head(const SnapshotId& snapshot) const;
  [[nodiscard]] const SignedHead* signed_head(const SnapshotId& snapshot) const;
  [[nodiscard]] const Manifest* manifest(const SnapshotId& snapshot) const {
    return swarm_.manifest(snapshot);
  }
  [[nodiscard]] bool complete(const SnapshotId& snapshot) const {
    return swarm_.complete(snapshot);
  }
  [[nodiscard]] std::size_t snapshot_count() const { return snapshots_.size(); }
  /// Bytes of all snapshots that are complete or being fetched: what they take, or will, on disk.
  [[nodiscard]] std::uint64_t held_bytes() const { return swarm_.held_bytes(); }
  [[nodiscard]] const CharterSync& charters() const { return charters_; }
  [[nodiscard]] const CardSync& cards() const { return cards_; }
  /// Whether it has equivocated with the key that it has now.
  [[nodiscard]] bool quarantined(const NodeId& origin) const;
  [[nodiscard]] std::vector<NodeId> quarantined() const;
  /// For people: what we think of a peer's conduct, positive for good.
  [[nodiscard]] double standing(Instant now, const NodeId& peer) const {
    return conduct_.standing(now, peer);
  }

 private:
  struct Entry {
    SignedHead signed_head;
    Head head;
  };
  struct Peer {
    std::set<SnapshotId> knows;         // heads it told us or we told it
    std::set<SnapshotId> to_tell;       // heads, at the next flood
    std::map<NodeId, Instant> told_of;  // the evidence against whom it has, since when
  };

  void handle(Instant now, const NodeId& from, const Heads& message);
  void handle(Instant now, const NodeId& from, const Summary& message);
  void handle(Instant now, const NodeId& from, const Evidence& message);

  /// Carries out what charters and cards have come to want.
  void settle(Instant now);
  void apply_charter(Instant now, const std::optional<NodeId>& from, bool left_ours);
  void forget(Instant now, const NodeId& origin);
  /// Whether `head`, which names its key, is by a member with the key that it has now.
  [[nodiscard]] bool is_current(const Head& head) const;
  void accept_head(Instant now, const NodeId& from, const SignedHead& signed_head);
  [[nodiscard]] bool is_news(const SnapshotId& id, const Head& head) const;
  void insert(const SnapshotId& id, const SignedHead& signed_head, const Head& head);
  void drop(const SnapshotId& id);
  void drop_superseded(const NodeId& origin);
  void convict(Instant now, const NodeId& origin, const Evidence& evidence);
  void tell_of(Instant now, const NodeId& peer, const NodeId& origin);
  void flood_soon(Instant now);
  void tell_everyone(Instant now, const SnapshotId& id);
  void flood();
  [[nodiscard]] Summary summary(bool answer) const;

  void transmit(const NodeId& to, Message message);
  void accuse(Instant now, const NodeId& peer, std::string what);

  Directory directory_;
  Calendar calendar_;
  NodeId self_;
  Hash task_;
  Settings settings_;
  std::mt19937_64 random_;
  std::map<SnapshotId, Entry> snapshots_;
  std::map<NodeId, std::map<LogPosition, SnapshotId>> logs_;  // by origin
  std::map<NodeId, LogPosition> dropped_;                     // newest position dropped, by origin
  std::map<NodeId, Peer> peers_;
  std::map<NodeId, Instant> indebted_until_;                  // for heads, by origin
  std::map<NodeId, Evidence> convicted_;                      // counts while its key is in force
  Conduct conduct_;
  Swarm swarm_;
  CharterSync charters_{conduct_};
  CardSync cards_;
  std::deque<Event> events_;
  std::optional<Instant> flood_at_;
  std::optional<Instant> anti_entropy_at_;
};

}  // namespace kith::net
