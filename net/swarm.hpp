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

/// Fetches the pieces of wanted snapshots from whoever holds them, and serves those that we hold.
///
/// Payload is never pushed: a piece comes because it was asked for, and is verified before anybody
/// sees it.  Which snapshots exist is for the Gossip to know, who owns this.
///
/// A pure state machine, as the Gossip: see there.  Memory: manifests; never chunk data.
class Swarm {
 public:
  struct Settings {
    Duration fetch = limits::kFetch;
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
  struct WritePiece {  ///< verified: store it
    SnapshotId snapshot{};
    std::uint32_t piece = 0;
    Bytes data;
  };
  struct Completed {  ///< every piece was handed to WritePiece
    SnapshotId snapshot{};
    Head head;
  };
  struct Dropped {  ///< superseded: its data may go
    SnapshotId snapshot{};
    Head head;
    /// Of which WritePiece may have stored some.  Those that another snapshot has too are not
    /// among them: a liar who names somebody else's chunks does not get them deleted.
    std::vector<Hash> chunks;
  };
  struct Accused {  ///< `peer` broke the protocol
    NodeId peer;
    std::string what;
  };
  using Event = std::variant<Transmit, ReadPiece, WritePiece, Completed, Dropped, Accused>;

  /// `conduct` is borrowed and must outlive this.  `seed` makes every choice reproducible.
  Swarm(NodeId self, Conduct& conduct, std::uint64_t seed, Settings settings);

  // What exists.
  void add(const SnapshotId& snapshot, const Head& head);
  /// As add(), for one whose pieces the owner can read.
  void add_complete(const SnapshotId& snapshot, const Head& head, const Manifest& manifest);
  void drop(const SnapshotId& snapshot);

  /// Fetches `snapshot` until it is complete or dropped.
  void want(Instant now, const SnapshotId& snapshot);
  /// The owner found that a piece of a complete snapshot is gone: fetch it again.
  void lost(Instant now, const SnapshotId& snapshot);

  void handle_connected(Instant now, const NodeId& peer);
  void handle_disconnected(Instant now, const NodeId& peer);
  /// `peer`, which is connected, said that it holds all of these.
  void handle_holds(Instant now, const NodeId& peer, const std::vector<SnapshotId>& snapshots);
  // Of a connected peer.
  void handle(Instant now, const NodeId& from, const Holding& message);
  void handle(Instant now, const NodeId& from, const Fetch& message);
  void handle(Instant now, const NodeId& from, Piece& message);
  void handle(Instant now, const NodeId& from, const Unavailable& message);
  /// The answer to ReadPiece; nullopt if it could not be read.
  void handle_piece_read(Instant now, const NodeId& for_peer, const SnapshotId& snapshot,
                         std::uint32_t piece, std::optional<Bytes> data);
  /// The peer's queue has room again after the piece of handle_piece_read().
  void handle_drained(Instant now, const NodeId& peer);
  void handle_timeout(Instant now);

  [[nodiscard]] Instant next_timeout() const;
  [[nodiscard]] std::optional<Event> poll_event();

  [[nodiscard]] const Manifest* manifest(const SnapshotId& snapshot) const;
  [[nodiscard]] bool complete(const SnapshotId& snapshot) const;
  /// Bytes of all snapshots that are complete or being fetched: what they take, or will, on disk.
  [[nodiscard]] std::uint64_t held_bytes() const;

 private:
  struct InFlight {
    NodeId from;
    Instant deadline;
  };
  struct Entry {
    Head head;
    bool wanted = false, complete = false;
    std::optional<Manifest> manifest;
    std::vector<bool> have;                       // chunks, once the manifest is here
    std::size_t missing = 0;                      // chunks
    std::map<std::uint32_t, InFlight> in_flight;  // by piece
    std::set<NodeId> holders;                     // said so; the origin always is one
    std::map<NodeId, Instant> resting;            // not asked before then
  };
  struct Peer {
    std::deque<Fetch> asked;    // of us
    bool serving = false;       // one piece is being read or queued
    std::size_t in_flight = 0;  // pieces asked of it
  };
  using Verdict = std::optional<std::string>;  // what is wrong

  [[nodiscard]] Verdict accept_manifest(Entry& entry, ByteView bytes);
  void finish(const SnapshotId& id, Entry& entry);
  void fetch_more(Instant now);
  void fetch_more(Instant now, const SnapshotId& id, Entry& entry);
  void stop_fetch(Entry& entry, std::uint32_t piece);
  void stop_fetches(Entry& entry);
  void serve_next(const NodeId& peer);
  void transmit(const NodeId& to, Message message);
  void accuse(Instant now, const NodeId& peer, std::string what);

  NodeId self_;
  Conduct& conduct_;
  Settings settings_;
  std::mt19937_64 random_;
  std::map<SnapshotId, Entry> snapshots_;
  std::map<NodeId, Peer> peers_;
  std::deque<Event> events_;
};

}  // namespace kith::net
