#include "net/swarm.hpp"

#include <algorithm>
#include <cassert>
#include <iterator>

namespace kith::net {
namespace {

std::vector<bool> nothing_of(std::uint64_t size) {
  return std::vector<bool>(static_cast<std::size_t>(chunk_count(size)), false);
}

/// What of `chunks`, which are sorted, is not among `others`.
std::vector<Hash> without(const std::vector<Hash>& chunks, std::vector<Hash> others) {
  std::vector<Hash> rest;
  std::ranges::sort(others);
  std::ranges::set_difference(chunks, others, std::back_inserter(rest));
  return rest;
}

}  // namespace

Swarm::Swarm(NodeId self, Conduct& conduct, std::uint64_t seed, Settings settings)
    : self_(self), conduct_(conduct), settings_(settings), random_(seed) {}

// --- What exists, and what is wanted -----------------------------------------------------------

void Swarm::add(const SnapshotId& id, const Head& head) {
  Entry entry;
  entry.head = head;
  if (head.origin != self_) entry.holders.insert(head.origin);
  snapshots_.emplace(id, std::move(entry));
}

void Swarm::add_complete(const SnapshotId& id, const Head& head, const Manifest& manifest) {
  add(id, head);
  Entry& entry = snapshots_.at(id);
  entry.manifest = manifest;
  entry.complete = true;
}

void Swarm::drop(const SnapshotId& id) {
  const auto found = snapshots_.find(id);
  assert(found != snapshots_.end());
  stop_fetches(found->second);
  const Head head = found->second.head;
  std::vector<Hash> chunks;
  if (found->second.manifest) chunks = std::move(found->second.manifest->chunks);
  std::ranges::sort(chunks);
  snapshots_.erase(found);
  for (const auto& [other, entry] : snapshots_) {
    if (entry.manifest && !chunks.empty()) chunks = without(chunks, entry.manifest->chunks);
  }
  events_.push_back(Dropped{id, head, std::move(chunks)});
}

void Swarm::want(Instant now, const SnapshotId& id) {
  const auto found = snapshots_.find(id);
  if (found == snapshots_.end() || found->second.complete) return;
  found->second.wanted = true;
  fetch_more(now, id, found->second);
}

void Swarm::lost(Instant now, const SnapshotId& id) {
  const auto found = snapshots_.find(id);
  if (found == snapshots_.end() || !found->second.complete) return;
  Entry& entry = found->second;
  entry.complete = false;
  entry.wanted = true;
  entry.have = nothing_of(entry.head.size);
  entry.missing = entry.have.size();
  fetch_more(now, id, entry);
}

// --- Connections -------------------------------------------------------------------------------

void Swarm::handle_connected(Instant now, const NodeId& id) {
  peers_[id] = Peer{};
  fetch_more(now);
}

void Swarm::handle_disconnected(Instant now, const NodeId& id) {
  if (peers_.erase(id) == 0) return;
  for (auto& [snapshot, entry] : snapshots_) {
    entry.holders.erase(id);
    std::erase_if(entry.in_flight, [&](const auto& item) { return item.second.from == id; });
  }
  fetch_more(now);
}

void Swarm::handle_holds(Instant now, const NodeId& peer,
                         const std::vector<SnapshotId>& snapshots) {
  for (const SnapshotId& id : snapshots) {
    const auto found = snapshots_.find(id);
    if (found != snapshots_.end()) found->second.holders.insert(peer);
  }
  fetch_more(now);
}

void Swarm::handle(Instant now, const NodeId& from, const Holding& message) {
  const auto found = snapshots_.find(message.snapshot);
  if (found == snapshots_.end()) return;
  found->second.holders.insert(from);
  fetch_more(now, found->first, found->second);
}

void Swarm::handle_timeout(Instant now) {
  for (auto& [id, entry] : snapshots_) {
    std::vector<std::uint32_t> late;
    for (const auto& [piece, flight] : entry.in_flight) {
      if (now >= flight.deadline) late.push_back(piece);
    }
    for (const std::uint32_t piece : late) {
      entry.resting[entry.in_flight.at(piece).from] = now + settings_.retry;
      stop_fetch(entry, piece);
    }
  }
  fetch_more(now);
}

Instant Swarm::next_timeout() const {
  Instant next = Instant::max();
  for (const auto& [id, entry] : snapshots_) {
    if (!entry.wanted) continue;
    for (const auto& [piece, flight] : entry.in_flight) next = std::min(next, flight.deadline);
    for (const auto& [peer, until] : entry.resting) next = std::min(next, until);
  }
  return next;
}

std::optional<Swarm::Event> Swarm::poll_event() {
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

// --- Fetching ----------------------------------------------------------------------------------

void Swarm::handle(Instant now, const NodeId& from, Piece& message) {
  const auto found = snapshots_.find(message.snapshot);
  if (found == snapshots_.end()) return;
  Entry& entry = found->second;
  const auto flight = entry.in_flight.find(message.piece);
  if (flight == entry.in_flight.end() || flight->second.from != from) return;  // late or unasked
  stop_fetch(entry, message.piece);

  Verdict wrong;
  if (message.piece == kManifestPiece) {
    wrong = accept_manifest(entry, message.data);
  } else if (crypto::hash(message.data) != entry.manifest->chunks[message.piece]) {
    wrong = "sent a chunk that does not match its hash";
  }
  if (wrong) {
    // The hash is under the origin's signature, so the fault is the relay's.
    entry.holders.erase(from);
    entry.resting[from] = now + settings_.fetch;
    accuse(now, from, *wrong);
    return fetch_more(now, found->first, entry);
  }
  if (message.piece != kManifestPiece) {
    entry.have[message.piece] = true;
    --entry.missing;
    events_.push_back(WritePiece{found->first, message.piece, std::move(message.data)});
  }
  if (entry.manifest && entry.missing == 0) finish(found->first, entry);
  fetch_more(now);
}

Swarm::Verdict Swarm::accept_manifest(Entry& entry, ByteView bytes) {
  if (bytes.size() != entry.head.manifest_size || crypto::hash(bytes) != entry.head.manifest) {
    return "sent a manifest that does not match its hash";
  }
  auto manifest = decode<Manifest>(bytes);
  if (!manifest || manifest->chunks.size() != chunk_count(entry.head.size)) {
    // The hash fits, so the origin made it so: nobody will ever have a better one.
    entry.wanted = false;
    return "published a snapshot whose manifest is malformed";
  }
  entry.manifest = std::move(manifest);
  entry.have = nothing_of(entry.head.size);
  entry.missing = entry.have.size();
  return std::nullopt;
}

void Swarm::finish(const SnapshotId& id, Entry& entry) {
  entry.complete = true;
  entry.wanted = false;
  entry.have = {};
  entry.resting.clear();
  events_.push_back(Completed{id, entry.head});
  for (const auto& [peer_id, peer] : peers_) transmit(peer_id, Holding{id});
}

void Swarm::handle(Instant now, const NodeId& from, const Unavailable& message) {
  const auto found = snapshots_.find(message.snapshot);
  if (found == snapshots_.end()) return;
  Entry& entry = found->second;
  const auto flight = entry.in_flight.find(message.piece);
  if (flight == entry.in_flight.end() || flight->second.from != from) return;
  stop_fetch(entry, message.piece);
  entry.resting[from] = now + settings_.retry;
  if (!message.busy && from != entry.head.origin) entry.holders.erase(from);
  fetch_more(now, found->first, entry);
}

void Swarm::fetch_more(Instant now) {
  for (auto& [id, entry] : snapshots_) fetch_more(now, id, entry);
}

void Swarm::fetch_more(Instant now, const SnapshotId& id, Entry& entry) {
  if (!entry.wanted || entry.complete) return;
  std::erase_if(entry.resting, [now](const auto& item) { return now >= item.second; });

  std::vector<NodeId> holders;
  for (const NodeId& holder : entry.holders) {
    const auto peer = peers_.find(holder);
    if (peer == peers_.end() || entry.resting.contains(holder)) continue;
    if (peer->second.in_flight < limits::kFetchesPerPeer) holders.push_back(holder);
  }
  if (holders.empty()) return;
  std::ranges::shuffle(holders, random_);

  std::vector<std::uint32_t> pieces;
  if (!entry.manifest) {
    if (!entry.in_flight.contains(kManifestPiece)) pieces.push_back(kManifestPiece);
  } else {
    for (std::uint32_t piece = 0; piece < entry.have.size(); ++piece) {
      if (!entry.have[piece] && !entry.in_flight.contains(piece)) pieces.push_back(piece);
    }
    std::ranges::shuffle(pieces, random_);
  }

  for (const std::uint32_t piece : pieces) {
    const auto least_busy = std::ranges::min_element(
        holders, {}, [this](const NodeId& holder) { return peers_.at(holder).in_flight; });
    Peer& peer = peers_.at(*least_busy);
    if (peer.in_flight >= limits::kFetchesPerPeer) return;
    ++peer.in_flight;
    entry.in_flight[piece] = {*least_busy, now + settings_.fetch};
    transmit(*least_busy, Fetch{id, piece});
  }
}

void Swarm::stop_fetch(Entry& entry, std::uint32_t piece) {
  const auto flight = entry.in_flight.extract(piece);
  assert(!flight.empty());
  const auto peer = peers_.find(flight.mapped().from);
  if (peer != peers_.end()) --peer->second.in_flight;
}

void Swarm::stop_fetches(Entry& entry) {
  while (!entry.in_flight.empty()) stop_fetch(entry, entry.in_flight.begin()->first);
}

// --- Serving -----------------------------------------------------------------------------------

void Swarm::handle(Instant, const NodeId& from, const Fetch& message) {
  const auto found = snapshots_.find(message.snapshot);
  const bool held = found != snapshots_.end() && found->second.complete;
  const bool exists = held && (message.piece == kManifestPiece ||
                               message.piece < found->second.manifest->chunks.size());
  if (!exists) return transmit(from, Unavailable{message.snapshot, message.piece, false});
  Peer& peer = peers_.at(from);
  if (peer.asked.size() >= limits::kFetchesPerPeer) {
    return transmit(from, Unavailable{message.snapshot, message.piece, true});
  }
  peer.asked.push_back(message);
  if (!peer.serving) serve_next(from);
}

void Swarm::serve_next(const NodeId& id) {
  Peer& peer = peers_.at(id);
  peer.serving = !peer.asked.empty();
  if (!peer.serving) return;
  const Fetch next = peer.asked.front();
  peer.asked.pop_front();
  const auto found = snapshots_.find(next.snapshot);
  if (found == snapshots_.end()) {
    transmit(id, Unavailable{next.snapshot, next.piece, false});
    return serve_next(id);
  }
  events_.push_back(ReadPiece{id, next.snapshot, next.piece});
}

void Swarm::handle_piece_read(Instant, const NodeId& for_peer, const SnapshotId& snapshot,
                              std::uint32_t piece, std::optional<Bytes> data) {
  if (!peers_.contains(for_peer)) return;
  if (data) return transmit(for_peer, Piece{snapshot, piece, std::move(*data)});
  transmit(for_peer, Unavailable{snapshot, piece, false});
}

void Swarm::handle_drained(Instant, const NodeId& peer) {
  if (peers_.contains(peer)) serve_next(peer);
}

// --- Small things ------------------------------------------------------------------------------

std::uint64_t Swarm::held_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& [id, entry] : snapshots_) {
    if (entry.complete || entry.wanted) bytes += entry.head.size;
  }
  return bytes;
}

const Manifest* Swarm::manifest(const SnapshotId& id) const {
  const auto found = snapshots_.find(id);
  return found == snapshots_.end() || !found->second.manifest ? nullptr : &*found->second.manifest;
}

bool Swarm::complete(const SnapshotId& id) const {
  const auto found = snapshots_.find(id);
  return found != snapshots_.end() && found->second.complete;
}

void Swarm::transmit(const NodeId& to, Message message) {
  events_.push_back(Transmit{to, std::move(message)});
}

void Swarm::accuse(Instant now, const NodeId& peer, std::string what) {
  // If it cannot afford it, enough was said.
  if (!conduct_.afford(now, peer, limits::kAccusationEffort)) return;
  events_.push_back(Accused{peer, std::move(what)});
}

}  // namespace kith::net
