#include "net/gossip.hpp"

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

Gossip::Gossip(const Consortium& consortium, NodeId self, Hash task, std::uint64_t seed,
               Settings settings)
    : consortium_(consortium), self_(self), task_(task), settings_(settings), random_(seed) {}

// --- What the owner starts ---------------------------------------------------------------------

bool Gossip::restore(const SignedHead& signed_head, const Manifest& manifest, Instant) {
  const auto head = parse_head(signed_head);
  if (!head || head->task != task_ || !consortium_.find(head->origin)) return false;
  if (!verify_head(signed_head, head->origin, consortium_.id())) return false;
  const SnapshotId id = signed_head.id();
  if (!is_news(id, *head) || crypto::hash(encode(manifest)) != head->manifest) return false;
  insert(id, signed_head, *head);
  Entry& entry = snapshots_.at(id);
  entry.manifest = manifest;
  entry.complete = true;
  return true;
}

void Gossip::publish(Instant now, const SignedHead& signed_head, const Manifest& manifest) {
  [[maybe_unused]] const bool ours = restore(signed_head, manifest, now);
  assert(ours);
  const SnapshotId id = signed_head.id();
  drop_superseded(self_);
  tell_everyone(now, id);
}

void Gossip::want(Instant now, const SnapshotId& id) {
  const auto found = snapshots_.find(id);
  if (found == snapshots_.end() || found->second.complete) return;
  found->second.wanted = true;
  fetch_more(now, id, found->second);
}

void Gossip::lost(Instant now, const SnapshotId& id) {
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

void Gossip::handle_connected(Instant now, const NodeId& id) {
  peers_[id] = Peer{};
  // Both sides greet with what they know, so neither has to answer.
  transmit(id, summary(true));
  if (!anti_entropy_at_) anti_entropy_at_ = now + settings_.anti_entropy;
  fetch_more(now);
}

void Gossip::handle_disconnected(Instant now, const NodeId& id) {
  if (peers_.erase(id) == 0) return;
  for (auto& [snapshot, entry] : snapshots_) {
    entry.holders.erase(id);
    std::erase_if(entry.in_flight, [&](const auto& item) { return item.second.from == id; });
  }
  fetch_more(now);
}

void Gossip::handle_message(Instant now, const NodeId& from, Message message) {
  if (!peers_.contains(from)) return;
  std::visit(
      [&](auto& body) {
        if constexpr (requires { handle(now, from, body); }) handle(now, from, body);
      },
      message);
}

void Gossip::handle_timeout(Instant now) {
  if (flood_at_ && now >= *flood_at_) flood();
  if (anti_entropy_at_ && now >= *anti_entropy_at_) {
    anti_entropy_at_ = now + settings_.anti_entropy;
    if (!peers_.empty()) {
      const auto chosen =
          std::next(peers_.begin(), static_cast<std::ptrdiff_t>(random_() % peers_.size()));
      transmit(chosen->first, summary(false));
    }
  }
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

Instant Gossip::next_timeout() const {
  Instant next = Instant::max();
  if (flood_at_) next = std::min(next, *flood_at_);
  if (anti_entropy_at_) next = std::min(next, *anti_entropy_at_);
  for (const auto& [id, entry] : snapshots_) {
    if (!entry.wanted) continue;
    for (const auto& [piece, flight] : entry.in_flight) next = std::min(next, flight.deadline);
    for (const auto& [peer, until] : entry.resting) next = std::min(next, until);
  }
  return next;
}

std::optional<Gossip::Event> Gossip::poll_event() {
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

// --- Heads -------------------------------------------------------------------------------------

void Gossip::handle(Instant now, const NodeId& from, const Heads& message) {
  for (const SignedHead& head : message.heads) accept_head(now, from, head);
}

void Gossip::accept_head(Instant now, const NodeId& from, const SignedHead& signed_head) {
  const SnapshotId id = signed_head.id();
  if (snapshots_.contains(id)) {
    peers_.at(from).knows.insert(id);
    return;
  }
  const auto head = parse_head(signed_head);
  if (!head) return accuse(now, from, "sent a head that is malformed");
  // An unknown origin may be a member that we have not heard of yet: no blame.
  if (!consortium_.find(head->origin) || quarantined_.contains(head->origin)) return;
  if (head->task != task_) return;

  // Two heads for one place in a log convict the origin, whoever brings them.
  const auto log = logs_.find(head->origin);
  const bool contradicts = log != logs_.end() && log->second.contains(head->position);
  if (!contradicts && !is_news(id, *head)) return;
  if (!afford(now, from, limits::kSignatureEffort)) return;
  if (!verify_head(signed_head, head->origin, consortium_.id())) {
    return accuse(now, from, "sent a head whose signature is wrong");
  }
  if (head->origin == self_) return;  // ours, and from before we lost our memory
  if (contradicts) return quarantine(head->origin);

  insert(id, signed_head, *head);
  drop_superseded(head->origin);
  if (!snapshots_.contains(id)) return;
  peers_.at(from).knows.insert(id);
  tell_everyone(now, id);
  events_.push_back(Discovered{id, *head});
}

bool Gossip::is_news(const SnapshotId& id, const Head& head) const {
  if (snapshots_.contains(id)) return false;
  const auto dropped = dropped_.find(head.origin);
  return dropped == dropped_.end() || head.position > dropped->second;
}

void Gossip::insert(const SnapshotId& id, const SignedHead& signed_head, const Head& head) {
  Entry entry;
  entry.signed_head = signed_head;
  entry.head = head;
  if (head.origin != self_) entry.holders.insert(head.origin);
  snapshots_.emplace(id, std::move(entry));
  logs_[head.origin].emplace(head.position, id);
}

void Gossip::drop_superseded(const NodeId& origin) {
  auto& log = logs_.at(origin);
  while (log.size() > limits::kSnapshotsPerOrigin) drop(SnapshotId(log.begin()->second));
}

void Gossip::drop(const SnapshotId& id) {
  const auto found = snapshots_.find(id);
  assert(found != snapshots_.end());
  stop_fetches(found->second);
  const Head head = found->second.head;
  std::vector<Hash> chunks;
  if (found->second.manifest) chunks = std::move(found->second.manifest->chunks);
  std::ranges::sort(chunks);
  logs_.at(head.origin).erase(head.position);
  auto& newest = dropped_[head.origin];
  newest = std::max(newest, head.position);
  snapshots_.erase(found);
  for (const auto& [other, entry] : snapshots_) {
    if (entry.manifest && !chunks.empty()) chunks = without(chunks, entry.manifest->chunks);
  }
  for (auto& [peer_id, peer] : peers_) peer.knows.erase(id);
  events_.push_back(Dropped{id, head, std::move(chunks)});
}

void Gossip::quarantine(const NodeId& origin) {
  quarantined_.insert(origin);
  const auto log = logs_.at(origin);
  for (const auto& [position, id] : log) drop(id);
  events_.push_back(Accused{origin, "signed two different snapshots for one sequence number"});
}

void Gossip::tell_everyone(Instant now, const SnapshotId& id) {
  for (auto& [peer_id, peer] : peers_) {
    if (!peer.knows.contains(id)) peer.to_tell.insert(id);
  }
  if (!flood_at_) flood_at_ = now + settings_.flood_delay;
}

void Gossip::flood() {
  flood_at_.reset();
  for (auto& [peer_id, peer] : peers_) {
    Heads message;
    for (const SnapshotId& id : std::exchange(peer.to_tell, {})) {
      const auto found = snapshots_.find(id);
      if (found == snapshots_.end() || !peer.knows.insert(id).second) continue;
      message.heads.push_back(found->second.signed_head);
      if (message.heads.size() == limits::kHeadsPerMessage) {
        transmit(peer_id, std::exchange(message, {}));
      }
    }
    if (!message.heads.empty()) transmit(peer_id, std::move(message));
  }
}

// --- Anti-entropy ------------------------------------------------------------------------------

Summary Gossip::summary(bool answer) const {
  Summary message;
  message.answer = answer;
  for (const auto& [id, entry] : snapshots_) message.entries.push_back({id, entry.complete});
  return message;
}

void Gossip::handle(Instant now, const NodeId& from, const Summary& message) {
  if (!afford(now, from, limits::kSummaryEffort)) return;
  Peer& peer = peers_.at(from);
  std::set<SnapshotId> theirs;
  for (const Summary::Entry& item : message.entries) {
    theirs.insert(item.snapshot);
    const auto found = snapshots_.find(item.snapshot);
    if (found != snapshots_.end() && item.complete) found->second.holders.insert(from);
  }
  // What we told them may have been lost: what counts is what they say they know.
  peer.knows.clear();
  for (const auto& [id, entry] : snapshots_) {
    if (theirs.contains(id)) {
      peer.knows.insert(id);
    } else {
      peer.to_tell.insert(id);
    }
  }
  if (!peer.to_tell.empty() && !flood_at_) flood_at_ = now + settings_.flood_delay;
  if (!message.answer) transmit(from, summary(true));
  fetch_more(now);
}

void Gossip::handle(Instant now, const NodeId& from, const Holding& message) {
  const auto found = snapshots_.find(message.snapshot);
  if (found == snapshots_.end()) return;
  found->second.holders.insert(from);
  fetch_more(now, found->first, found->second);
}

// --- Fetching ----------------------------------------------------------------------------------

void Gossip::handle(Instant now, const NodeId& from, Piece& message) {
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

Gossip::Verdict Gossip::accept_manifest(Entry& entry, ByteView bytes) {
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

void Gossip::finish(const SnapshotId& id, Entry& entry) {
  entry.complete = true;
  entry.wanted = false;
  entry.have = {};
  entry.resting.clear();
  events_.push_back(Completed{id, entry.head});
  for (const auto& [peer_id, peer] : peers_) transmit(peer_id, Holding{id});
}

void Gossip::handle(Instant now, const NodeId& from, const Unavailable& message) {
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

void Gossip::fetch_more(Instant now) {
  for (auto& [id, entry] : snapshots_) fetch_more(now, id, entry);
}

void Gossip::fetch_more(Instant now, const SnapshotId& id, Entry& entry) {
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

void Gossip::stop_fetch(Entry& entry, std::uint32_t piece) {
  const auto flight = entry.in_flight.extract(piece);
  assert(!flight.empty());
  const auto peer = peers_.find(flight.mapped().from);
  if (peer != peers_.end()) --peer->second.in_flight;
}

void Gossip::stop_fetches(Entry& entry) {
  while (!entry.in_flight.empty()) stop_fetch(entry, entry.in_flight.begin()->first);
}

// --- Serving -----------------------------------------------------------------------------------

void Gossip::handle(Instant, const NodeId& from, const Fetch& message) {
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

void Gossip::serve_next(const NodeId& id) {
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

void Gossip::handle_piece_read(const NodeId& for_peer, const SnapshotId& snapshot,
                               std::uint32_t piece, std::optional<Bytes> data) {
  if (!peers_.contains(for_peer)) return;
  if (data) return transmit(for_peer, Piece{snapshot, piece, std::move(*data)});
  transmit(for_peer, Unavailable{snapshot, piece, false});
}

void Gossip::handle_drained(const NodeId& peer) {
  if (peers_.contains(peer)) serve_next(peer);
}

// --- Small things ------------------------------------------------------------------------------

bool Gossip::afford(Instant now, const NodeId& peer, Duration effort) {
  Instant& until = indebted_until_[peer];
  until = std::max(until, now);
  if (until + effort > now + limits::kEffortAtOnce) return false;
  until += effort;
  return true;
}

std::vector<SnapshotId> Gossip::newest() const {
  std::vector<SnapshotId> ids;
  for (const auto& [origin, log] : logs_) {
    if (origin != self_ && !log.empty()) ids.push_back(log.rbegin()->second);
  }
  return ids;
}

std::optional<SnapshotId> Gossip::newest(const NodeId& origin) const {
  const auto log = logs_.find(origin);
  if (log == logs_.end() || log->second.empty()) return std::nullopt;
  return log->second.rbegin()->second;
}

std::uint64_t Gossip::held_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& [id, entry] : snapshots_) {
    if (entry.complete || entry.wanted) bytes += entry.head.size;
  }
  return bytes;
}

std::optional<Head> Gossip::head(const SnapshotId& id) const {
  const auto found = snapshots_.find(id);
  if (found == snapshots_.end()) return std::nullopt;
  return found->second.head;
}

const SignedHead* Gossip::signed_head(const SnapshotId& id) const {
  const auto found = snapshots_.find(id);
  return found == snapshots_.end() ? nullptr : &found->second.signed_head;
}

const Manifest* Gossip::manifest(const SnapshotId& id) const {
  const auto found = snapshots_.find(id);
  return found == snapshots_.end() || !found->second.manifest ? nullptr : &*found->second.manifest;
}

bool Gossip::complete(const SnapshotId& id) const {
  const auto found = snapshots_.find(id);
  return found != snapshots_.end() && found->second.complete;
}

void Gossip::transmit(const NodeId& to, Message message) {
  events_.push_back(Transmit{to, std::move(message)});
}

void Gossip::accuse(Instant now, const NodeId& peer, std::string what) {
  if (!afford(now, peer, limits::kAccusationEffort)) return;  // enough was said
  events_.push_back(Accused{peer, std::move(what)});
}

}  // namespace kith::net
