#pragma once

#include "net/conduct.hpp"
#include "net/message.hpp"
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

/// Fetches the pieces of wanted snapshots from whoever holds them, and serves those that we hold,
/// also of snapshots that are still on their way.
///
/// Payload is never pushed: a piece comes because it was asked for, and is verified before anybody
/// sees it.  Whoever wants a snapshot says so, and is told what others hold of it.  The chunk that
/// the fewest are known to hold is asked first, by chance among equals, of a holder of good
/// standing; one that is late is asked of another, too.  If nobody holds a snapshot, a peer is
/// asked to relay it.  Which snapshots exist is for the Gossip to know, who owns this.
///
/// A pure state machine, as the Gossip: see there.
/// Memory: manifests, and for each wanted snapshot a bit for each chunk and peer; never chunk data.
class Swarm {
 public:
  struct Settings {
    Duration have_delay =
        std::chrono::milliseconds(50);         ///< chunks of one moment are told together
    Duration retry = std::chrono::seconds(2);  ///< before a busy peer is asked again
  };

  // What the owner is to do or to know, in order.
  struct Transmit {
    NodeId to;
    Message message;
  };
  /// Load it and call handle_piece_read().  If piece is kManifestPiece, it is encode(*manifest()).
  struct ReadPiece {
    NodeId for_peer;
    SnapshotId snapshot{};
    std::uint32_t piece = 0;
  };
  struct WritePiece {  ///< verified: store it; a later ReadPiece may be for it
    SnapshotId snapshot{};
    std::uint32_t piece = 0;
    Bytes data;
  };
  struct Begun {  ///< its manifest came: note both, so that what is written is found after a
                  ///< restart
    SnapshotId snapshot{};
    Head head;
  };
  struct Needed {  ///< a peer finds nobody who holds it: call relay() if there is room
    SnapshotId snapshot{};
    Head head;
  };
  struct Completed {  ///< every piece was handed to WritePiece, or found()
    SnapshotId snapshot{};
    Head head;
  };
  struct Dropped {  ///< superseded: its data may go
    SnapshotId snapshot{};
    Head head;
    /// The chunks that may be on the disk.  Those that another snapshot has too are not
    /// among them: a liar who names somebody else's chunks does not get them deleted.
    std::vector<Hash> chunks;
  };
  struct Accused {  ///< `peer` broke the protocol
    NodeId peer;
    std::string what;
  };
  using Event =
      std::variant<Transmit, ReadPiece, WritePiece, Begun, Needed, Completed, Dropped, Accused>;

  /// `conduct` is borrowed and must outlive this.  `seed` makes every choice reproducible.
  Swarm(NodeId self, Conduct& conduct, std::uint64_t seed, Settings settings);

  // What exists.
  /// `teller` is the peer of whom we heard of it first: it is nearer to the origin than we are.
  void add(const SnapshotId& snapshot, const Head& head, const NodeId& teller);
  enum class Stored { whole, partly };
  /// Adds a snapshot as add() does, but one whose manifest the owner has, and all its pieces if it is
  /// `whole`; otherwise it says what it found().
  void add_stored(const SnapshotId& snapshot, const Head& head, const Manifest& manifest,
                  Stored stored);
  void drop(const SnapshotId& snapshot);

  /// Fetches `snapshot` until it is complete or dropped; those wanted first come first.
  void want(Instant now, const SnapshotId& snapshot);
  /// Fetches `snapshot` as want() does, but for the sake of others.
  void relay(Instant now, const SnapshotId& snapshot);
  /// The owner looked at its disk, and these chunks of `snapshot` are there and right.  If it was
  /// complete, and now is not, it is fetched again.
  void found(Instant now, const SnapshotId& snapshot, const std::vector<bool>& chunks);

  void handle_connected(Instant now, const NodeId& peer);
  void handle_disconnected(Instant now, const NodeId& peer);
  /// `peer`, which is connected, said that it holds all of these.
  void handle_holds(Instant now, const NodeId& peer, const std::vector<SnapshotId>& snapshots);
  // Of a connected peer.
  void handle(Instant now, const NodeId& from, const Holding& message);
  void handle(Instant now, const NodeId& from, const Fetch& message);
  void handle(Instant now, const NodeId& from, Piece& message);
  void handle(Instant now, const NodeId& from, const Unavailable& message);
  void handle(Instant now, const NodeId& from, const Have& message);
  void handle(Instant now, const NodeId& from, const Wanted& message);
  void handle(Instant now, const NodeId& from, const Cancel& message);
  /// The answer to ReadPiece; nullopt if it could not be read.
  void handle_piece_read(Instant now, const NodeId& for_peer, const SnapshotId& snapshot,
                         std::uint32_t piece, std::optional<Bytes> data);
  /// The peer's queue has room again after the piece of handle_piece_read().
  void handle_drained(Instant now, const NodeId& peer);
  void handle_timeout(Instant now);

  /// Tells `peer` all that we want at the next announce().
  void greet(const NodeId& peer);
  /// Says what we came to want.  Only who knows of a snapshot understands: first tell of its head.
  void announce();

  [[nodiscard]] Instant next_timeout() const;
  [[nodiscard]] std::optional<Event> poll_event();

  [[nodiscard]] const Manifest* manifest(const SnapshotId& snapshot) const;
  [[nodiscard]] bool complete(const SnapshotId& snapshot) const;
  /// Bytes of all snapshots of which we hold or fetch anything: what they take, or will, on disk.
  [[nodiscard]] std::uint64_t held_bytes() const;

 private:
  struct Flight {  // a piece that was asked of a peer
    NodeId from;
    std::uint64_t number = 0;  // ascending as we ask
    Instant asked, late_at, broken_at;
    bool late = false;
    bool cancelled = false;  // by us; welcome if it was already on its way
  };
  struct Holder {
    bool all = false;
    std::vector<bool> some;  // chunks, if not all; empty: none
    std::size_t count = 0;   // of them
    std::optional<Instant> resting_until;
  };
  struct Entry {
    Head head;
    bool wanted = false, for_others = false, complete = false;
    std::optional<Manifest> manifest;
    std::vector<bool> have;                        // chunks, once the manifest is here
    std::vector<std::uint32_t> missing;            // chunks, in a random order
    std::vector<std::uint16_t> copies;             // by chunk: holders of `some`
    std::vector<std::uint16_t> sent;               // by chunk: how often we did
    std::vector<std::uint32_t> fresh;              // chunks that came and were not told yet
    std::multimap<std::uint32_t, Flight> flights;  // by piece
    std::map<NodeId, Holder> holders;              // connected or not; the origin always is one
    std::set<NodeId> interested;                   // connected peers, to be told what comes
    std::optional<NodeId> teller;
    Instant idle_since;   // nothing is in flight
    Duration patience{};  // then a relay is asked for
  };
  struct Peer {
    std::set<SnapshotId> to_announce;    // that we want them
    std::deque<Fetch> asked;             // of us
    std::optional<Instant> waits_since;  // in waiting_
    bool serving = false;                // one piece is being read or queued
    std::optional<Instant> turn_ends;    // while it counts in limits::kUploadsAtOnce
    std::size_t in_flight = 0;           // pieces asked of it
    std::optional<Duration> service;     // smoothed time it takes for one
    unsigned patience = 1;               // doubles when it is silent, until it answers
    Instant answered;                    // last
    std::optional<Instant> resting_until;
  };
  using Flights = std::multimap<std::uint32_t, Flight>;

  // Holders.
  void claim_all(Entry& entry, const NodeId& peer);
  void withdraw(Entry& entry, const NodeId& peer);

  // Fetching.
  void begin(Instant now, const SnapshotId& id, Entry& entry);
  void set_have(Entry& entry, std::vector<bool> have);
  void fetch_more(Instant now);
  void fetch_more(Instant now, const SnapshotId& id, Entry& entry);
  [[nodiscard]] bool willing(Instant now, const Peer& peer) const;
  [[nodiscard]] std::vector<NodeId> willing_holders(Instant now, const Entry& entry);
  [[nodiscard]] std::optional<std::uint32_t> choose(const Entry& entry, const NodeId& holder) const;
  void ask(Instant now, const SnapshotId& id, Entry& entry, const NodeId& peer,
           std::uint32_t piece);
  Flights::iterator stop(Instant now, Entry& entry, Flights::iterator flight);
  void break_promise(Instant now, const SnapshotId& id, Entry& entry, Flights::iterator flight);
  void break_skipped(Instant now, const NodeId& peer, std::uint64_t before);
  void accept_manifest(Instant now, const NodeId& from, const SnapshotId& id, Entry& entry,
                       ByteView bytes);
  void accept_chunk(Instant now, const NodeId& from, const SnapshotId& id, Entry& entry,
                    Piece& message);
  void refuse(Instant now, const NodeId& from, Entry& entry, std::string what);
  void spare_the_whole(const SnapshotId& id, Entry& entry);
  void cancel_others(Instant now, const SnapshotId& id, Entry& entry, std::uint32_t piece);
  void give_up(const SnapshotId& id, Entry& entry);
  void finish(const SnapshotId& id, Entry& entry);
  void ask_for_relay(Instant now, const SnapshotId& id, Entry& entry);
  void tell_fresh();

  // Serving.
  [[nodiscard]] bool holds(const SnapshotId& id, std::uint32_t piece) const;
  void serve(Instant now);
  void wait(Instant now, const NodeId& peer);
  [[nodiscard]] std::deque<NodeId>::iterator next_served(Instant now);
  [[nodiscard]] std::size_t progress(const NodeId& peer, const SnapshotId& snapshot) const;
  [[nodiscard]] std::size_t times_sent(const Fetch& fetch) const;
  void end_turn(Peer& peer);

  void transmit(const NodeId& to, Message message);
  void accuse(Instant now, const NodeId& peer, std::string what);

  NodeId self_;
  Conduct& conduct_;
  Settings settings_;
  std::mt19937_64 random_;
  std::map<SnapshotId, Entry> snapshots_;
  std::vector<SnapshotId> wanted_;  // in the order of wanting
  std::map<NodeId, Peer> peers_;
  std::deque<NodeId> waiting_;  // peers, for their turn
  std::size_t uploading_ = 0;
  std::uint64_t asked_ = 0;  // pieces, ever
  std::optional<Instant> tell_at_;
  std::deque<Event> events_;
};

}  // namespace kith::net
