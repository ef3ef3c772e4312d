#include "net/swarm.hpp"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <numeric>

namespace kith::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kEndgame = 4;  // missing chunks that are asked of two
// A piece is late after twice the time that the peer took for others, within these; then it is
// asked of somebody else, too.  After four times that, or limits::kFetch, the promise is broken.
constexpr Duration kSoonestLate = seconds(1), kLatestLate = seconds(60);
constexpr unsigned kPatienceMost = 32;           // times as long for who is silent again and again
constexpr Duration kBadPieceRest = seconds(30);  // nothing is asked of who sent one
constexpr Duration kRelayPatience = seconds(2);  // without anything on its way: ask for a relay
constexpr Duration kRelayPatienceMost = seconds(60);  // it doubles up to this
constexpr std::size_t kFewest = 2;     // pieces asked of one peer at once: one comes, one waits
constexpr auto kHorizon = seconds(1);  // more are asked of a peer that answers them within this

std::size_t chunks_of(const Head& head) { return static_cast<std::size_t>(chunk_count(head.size)); }

/// What of `chunks`, which are sorted, is not among `others`.
std::vector<Hash> without(const std::vector<Hash>& chunks, std::vector<Hash> others) {
  std::vector<Hash> rest;
  std::ranges::sort(others);
  std::ranges::set_difference(chunks, others, std::back_inserter(rest));
  return rest;
}

bool rests(Instant now, const std::optional<Instant>& until) { return until && now < *until; }

void wake(Instant now, std::optional<Instant>& until) {
  if (until && now >= *until) until.reset();
}

/// How many pieces to have on order of a peer that takes `service` for one.
std::size_t window(const std::optional<Duration>& service) {
  if (!service) return kFewest;
  const auto in_time = kHorizon / std::max<Duration>(*service, milliseconds(1));
  return std::clamp(static_cast<std::size_t>(in_time), kFewest, limits::kFetchesPerPeer);
}

}  // namespace

Swarm::Swarm(NodeId self, Conduct& conduct, std::uint64_t seed, Settings settings)
    : self_(self), conduct_(conduct), settings_(settings), random_(seed) {}

// --- What exists, and what is wanted -----------------------------------------------------------

void Swarm::add(const SnapshotId& id, const Head& head, const NodeId& teller) {
  Entry& entry = snapshots_[id];
  entry.head = head;
  entry.teller = teller;
  if (head.origin != self_) entry.holders[head.origin].all = true;
}

void Swarm::add_stored(const SnapshotId& id, const Head& head, const Manifest& manifest,
                       Stored stored) {
  Entry& entry = snapshots_[id];
  entry.head = head;
  entry.manifest = manifest;
  entry.complete = stored == Stored::whole;
  if (head.origin != self_) entry.holders[head.origin].all = true;
  if (!entry.complete) set_have(entry, std::vector<bool>(chunks_of(head)));
}

void Swarm::drop(const SnapshotId& id) {
  const auto found = snapshots_.find(id);
  assert(found != snapshots_.end());
  give_up(id, found->second);
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
  found->second.for_others = false;
  begin(now, id, found->second);
}

void Swarm::relay(Instant now, const SnapshotId& id) {
  const auto found = snapshots_.find(id);
  if (found == snapshots_.end() || found->second.complete || found->second.wanted) return;
  found->second.for_others = true;
  begin(now, id, found->second);
}

void Swarm::begin(Instant now, const SnapshotId& id, Entry& entry) {
  if (entry.wanted) return;
  entry.wanted = true;
  entry.copies.assign(chunks_of(entry.head), 0);
  entry.idle_since = now;
  entry.patience = kRelayPatience;
  wanted_.push_back(id);
  for (auto& [peer_id, peer] : peers_) peer.to_announce.insert(id);
  fetch_more(now, id, entry);
}

void Swarm::give_up(const SnapshotId& id, Entry& entry) {
  entry.wanted = entry.for_others = false;
  while (!entry.flights.empty()) stop(entry.idle_since, entry, entry.flights.begin());
  std::erase(wanted_, id);
  std::erase_if(entry.holders, [](const auto& item) { return !item.second.all; });
}

void Swarm::found(Instant now, const SnapshotId& id, const std::vector<bool>& chunks) {
  const auto found = snapshots_.find(id);
  if (found == snapshots_.end() || !found->second.manifest) return;
  Entry& entry = found->second;
  assert(chunks.size() == entry.manifest->chunks.size());
  if (entry.complete) {
    if (std::ranges::find(chunks, false) == chunks.end()) return;
    entry.complete = false;
    set_have(entry, chunks);
    return begin(now, id, entry);
  }
  std::vector<bool> all = entry.have;
  for (std::uint32_t chunk = 0; chunk < chunks.size(); ++chunk) {
    if (all[chunk] || !chunks[chunk]) continue;
    all[chunk] = true;
    cancel_others(now, id, entry, chunk);
    entry.fresh.push_back(chunk);
  }
  if (!entry.fresh.empty() && !tell_at_) tell_at_ = now + settings_.have_delay;
  set_have(entry, std::move(all));
  if (entry.missing.empty()) finish(id, entry);
}

void Swarm::set_have(Entry& entry, std::vector<bool> have) {
  entry.have = std::move(have);
  entry.missing.clear();
  for (std::uint32_t chunk = 0; chunk < entry.have.size(); ++chunk) {
    if (!entry.have[chunk]) entry.missing.push_back(chunk);
  }
  std::ranges::shuffle(entry.missing, random_);
}

// --- Connections and time ----------------------------------------------------------------------

void Swarm::handle_connected(Instant now, const NodeId& id) {
  handle_disconnected(now, id);
  peers_[id] = Peer{};
  fetch_more(now);
}

void Swarm::handle_disconnected(Instant now, const NodeId& id) {
  const auto peer = peers_.find(id);
  if (peer == peers_.end()) return;
  for (auto& [snapshot, entry] : snapshots_) {
    for (auto flight = entry.flights.begin(); flight != entry.flights.end();) {
      flight = flight->second.from == id ? stop(now, entry, flight) : std::next(flight);
    }
    withdraw(entry, id);
    entry.interested.erase(id);
  }
  end_turn(peer->second);
  std::erase(waiting_, id);
  peers_.erase(peer);
  fetch_more(now);
  serve(now);
}

void Swarm::handle_timeout(Instant now) {
  if (tell_at_ && now >= *tell_at_) tell_fresh();
  for (auto& [id, peer] : peers_) {
    wake(now, peer.resting_until);
    if (peer.turn_ends && now >= *peer.turn_ends) end_turn(peer);
  }
  for (const SnapshotId& id : wanted_) {
    Entry& entry = snapshots_.at(id);
    for (auto& [peer, holder] : entry.holders) wake(now, holder.resting_until);
    for (auto flight = entry.flights.begin(); flight != entry.flights.end();) {
      if (!flight->second.late && now >= flight->second.late_at) {
        flight->second.late = true;
        conduct_.blame(now, flight->second.from, Conduct::kLatePiece);
      }
      if (now < flight->second.broken_at) {
        ++flight;
        continue;
      }
      const auto holder = entry.holders.find(flight->second.from);
      if (!flight->second.cancelled) {
        Peer& peer = peers_.at(flight->second.from);
        peer.patience = std::min(2 * peer.patience, kPatienceMost);
        if (holder != entry.holders.end()) holder->second.resting_until = now + settings_.retry;
      }
      break_promise(now, id, entry, flight++);
    }
  }
  fetch_more(now);
  for (const SnapshotId& id : wanted_) {
    Entry& entry = snapshots_.at(id);
    if (entry.flights.empty() && now >= entry.idle_since + entry.patience) {
      ask_for_relay(now, id, entry);
    }
  }
  serve(now);
}

Instant Swarm::next_timeout() const {
  Instant next = tell_at_.value_or(Instant::max());
  for (const auto& [id, peer] : peers_) {
    if (peer.turn_ends && !waiting_.empty()) next = std::min(next, *peer.turn_ends);
    if (peer.resting_until && !wanted_.empty()) next = std::min(next, *peer.resting_until);
  }
  for (const SnapshotId& id : wanted_) {
    const Entry& entry = snapshots_.at(id);
    if (entry.flights.empty()) next = std::min(next, entry.idle_since + entry.patience);
    for (const auto& [piece, flight] : entry.flights) {
      next = std::min(next, flight.late ? flight.broken_at : flight.late_at);
    }
    for (const auto& [peer, holder] : entry.holders) {
      if (holder.resting_until) next = std::min(next, *holder.resting_until);
    }
  }
  return next;
}

std::optional<Swarm::Event> Swarm::poll_event() {
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

// --- Who wants and who holds what --------------------------------------------------------------

void Swarm::greet(const NodeId& peer) {
  peers_.at(peer).to_announce.insert(wanted_.begin(), wanted_.end());
}

void Swarm::announce() {
  for (auto& [peer_id, peer] : peers_) {
    for (const SnapshotId& id : std::exchange(peer.to_announce, {})) {
      const auto found = snapshots_.find(id);
      if (found == snapshots_.end() || !found->second.wanted) continue;
      const auto holder = found->second.holders.find(peer_id);
      if (holder != found->second.holders.end() && holder->second.all) continue;
      transmit(peer_id, Wanted{id, false});
    }
  }
}

void Swarm::ask_for_relay(Instant now, const SnapshotId& id, Entry& entry) {
  entry.idle_since = now;
  const bool first = entry.patience == kRelayPatience;
  entry.patience = std::min<Duration>(2 * entry.patience, kRelayPatienceMost);
  if (peers_.empty()) return;
  // He who told us of it is nearer to the origin; so is he who told him.
  const bool teller = first && entry.teller && peers_.contains(*entry.teller);
  const auto chance =
      std::next(peers_.begin(), static_cast<std::ptrdiff_t>(random_() % peers_.size()));
  transmit(teller ? *entry.teller : chance->first, Wanted{id, true});
}

void Swarm::handle(Instant now, const NodeId& from, const Wanted& message) {
  const auto found = snapshots_.find(message.snapshot);
  if (found == snapshots_.end()) return;
  const Duration effort = message.relay ? limits::kRelayEffort : limits::kWantedEffort;
  if (!conduct_.afford(now, from, effort)) return;
  Entry& entry = found->second;
  if (entry.complete) return transmit(from, Holding{found->first});
  entry.interested.insert(from);
  Have have{found->first, {}};
  for (std::uint32_t chunk = 0; chunk < entry.have.size(); ++chunk) {
    if (entry.have[chunk]) have.chunks.push_back(chunk);
  }
  if (entry.manifest) transmit(from, std::move(have));
  if (!message.relay || entry.wanted) return;
  const auto relays = std::ranges::count_if(
      wanted_, [this](const SnapshotId& id) { return snapshots_.at(id).for_others; });
  if (static_cast<std::size_t>(relays) >= limits::kRelaysAtOnce) return;
  events_.push_back(Needed{found->first, entry.head});
}

void Swarm::handle(Instant now, const NodeId& from, const Have& message) {
  const auto found = snapshots_.find(message.snapshot);
  // Told to who asked only; so what is kept is bounded by what we want.
  if (found == snapshots_.end() || !found->second.wanted) return;
  Entry& entry = found->second;
  const std::size_t count = chunks_of(entry.head);
  if (std::ranges::any_of(message.chunks, [count](auto chunk) { return chunk >= count; })) {
    return accuse(now, from, "said it holds a chunk that does not exist");
  }
  Holder& holder = entry.holders[from];
  if (holder.all) return;
  holder.some.resize(count);
  for (const std::uint32_t chunk : message.chunks) {
    if (holder.some[chunk]) continue;
    holder.some[chunk] = true;
    ++holder.count;
    ++entry.copies[chunk];
  }
  spare_the_whole(found->first, entry);
  fetch_more(now, found->first, entry);
}

void Swarm::handle(Instant now, const NodeId& from, const Holding& message) {
  handle_holds(now, from, {message.snapshot});
}

void Swarm::handle_holds(Instant now, const NodeId& peer,
                         const std::vector<SnapshotId>& snapshots) {
  for (const SnapshotId& id : snapshots) {
    const auto found = snapshots_.find(id);
    if (found == snapshots_.end()) continue;
    claim_all(found->second, peer);
    found->second.interested.erase(peer);
  }
  fetch_more(now);
}

void Swarm::claim_all(Entry& entry, const NodeId& peer) {
  withdraw(entry, peer);
  entry.holders[peer].all = true;
}

void Swarm::withdraw(Entry& entry, const NodeId& peer) {
  const auto found = entry.holders.find(peer);
  if (found == entry.holders.end()) return;
  const std::vector<bool>& some = found->second.some;
  for (std::size_t chunk = 0; chunk < some.size(); ++chunk) {
    if (some[chunk]) --entry.copies[chunk];
  }
  if (peer == entry.head.origin) return;  // has none but `all`
  entry.holders.erase(found);
}

void Swarm::tell_fresh() {
  tell_at_.reset();
  for (auto& [id, entry] : snapshots_) {
    if (entry.fresh.empty()) continue;
    const auto fresh = std::exchange(entry.fresh, {});
    for (const NodeId& peer : entry.interested) {
      const auto holder = entry.holders.find(peer);
      const std::vector<bool>* theirs = holder == entry.holders.end() || holder->second.some.empty()
                                            ? nullptr
                                            : &holder->second.some;
      Have have{id, {}};
      std::ranges::copy_if(fresh, std::back_inserter(have.chunks),
                           [&](std::uint32_t chunk) { return !theirs || !(*theirs)[chunk]; });
      if (!have.chunks.empty()) transmit(peer, std::move(have));
    }
  }
}

// --- Fetching ----------------------------------------------------------------------------------

void Swarm::fetch_more(Instant now) {
  if (std::ranges::none_of(peers_, [&](const auto& item) { return willing(now, item.second); })) {
    return;
  }
  for (const SnapshotId& id : wanted_) fetch_more(now, id, snapshots_.at(id));
}

void Swarm::fetch_more(Instant now, const SnapshotId& id, Entry& entry) {
  if (!entry.wanted) return;
  std::vector<NodeId> holders = willing_holders(now, entry);
  if (!entry.manifest) {
    const auto flights = entry.flights.equal_range(kManifestPiece);
    const auto asked = [&](const NodeId& holder) {
      return std::any_of(flights.first, flights.second, [&](const auto& flight) {
        return !flight.second.late || flight.second.from == holder;
      });
    };
    const auto holder = std::ranges::find_if_not(holders, asked);
    if (holder != holders.end()) ask(now, id, entry, *holder, kManifestPiece);
    return;
  }
  // One of each in turn, so that none has a long queue while another has nothing to do.
  while (!holders.empty()) {
    std::erase_if(holders, [&](const NodeId& holder) {
      const auto piece = choose(entry, holder);
      if (!piece) return true;
      ask(now, id, entry, holder, *piece);
      const Peer& peer = peers_.at(holder);
      return peer.in_flight >= window(peer.service);
    });
  }
}

bool Swarm::willing(Instant now, const Peer& peer) const {
  return !rests(now, peer.resting_until) && peer.in_flight < window(peer.service);
}

/// Those of good standing first, then the least busy, then by chance.
std::vector<NodeId> Swarm::willing_holders(Instant now, const Entry& entry) {
  std::vector<NodeId> holders;
  for (const auto& [id, holder] : entry.holders) {
    const auto peer = peers_.find(id);
    if (peer == peers_.end() || (!holder.all && holder.some.empty())) continue;
    if (!rests(now, holder.resting_until) && willing(now, peer->second)) holders.push_back(id);
  }
  std::ranges::shuffle(holders, random_);
  std::ranges::stable_sort(holders, {}, [&](const NodeId& id) {
    return std::pair(conduct_.standing(now, id) < 0, peers_.at(id).in_flight);
  });
  return holders;
}

/// The chunk to ask of `holder`: the one of which we know the fewest copies, by chance among
/// equals.
std::optional<std::uint32_t> Swarm::choose(const Entry& entry, const NodeId& id) const {
  const Holder& holder = entry.holders.at(id);
  const auto held = [&](std::uint32_t chunk) { return holder.all || holder.some[chunk]; };
  // Of how many others it is on its way, in time; nullopt if it was asked of this one.
  const auto on_its_way = [&](std::uint32_t chunk) -> std::optional<std::size_t> {
    std::size_t count = 0;
    const auto [begin, end] = entry.flights.equal_range(chunk);
    for (auto flight = begin; flight != end; ++flight) {
      if (flight->second.from == id) return std::nullopt;
      count += flight->second.late ? 0U : 1U;
    }
    return count;
  };
  std::optional<std::uint32_t> best;
  for (const std::uint32_t chunk : entry.missing) {
    if (!held(chunk) || (best && entry.copies[chunk] >= entry.copies[*best])) continue;
    if (on_its_way(chunk) == std::optional<std::size_t>(0)) best = chunk;
  }
  if (best || entry.missing.size() > kEndgame) return best;
  for (const std::uint32_t chunk : entry.missing) {
    if (held(chunk) && on_its_way(chunk) == std::optional<std::size_t>(1)) return chunk;
  }
  return std::nullopt;
}

void Swarm::ask(Instant now, const SnapshotId& id, Entry& entry, const NodeId& to,
                std::uint32_t piece) {
  Peer& peer = peers_.at(to);
  ++peer.in_flight;
  const Duration each = peer.service.value_or(kSoonestLate / 2);
  const auto ahead = static_cast<Duration::rep>(peer.in_flight);
  const Duration late =
      peer.patience * std::clamp<Duration>(2 * ahead * each, kSoonestLate, kLatestLate);
  const Duration broken = std::max<Duration>(4 * late, peer.patience * limits::kFetch);
  entry.flights.emplace(piece, Flight{to, ++asked_, now, now + late, now + broken});
  transmit(to, Fetch{id, piece});
}

Swarm::Flights::iterator Swarm::stop(Instant now, Entry& entry, Flights::iterator flight) {
  const auto peer = peers_.find(flight->second.from);
  if (peer != peers_.end() && !flight->second.cancelled) --peer->second.in_flight;
  const auto next = entry.flights.erase(flight);
  if (entry.flights.empty()) entry.idle_since = now;
  return next;
}

void Swarm::handle(Instant now, const NodeId& from, Piece& message) {
  const auto found = snapshots_.find(message.snapshot);
  if (found == snapshots_.end()) return;
  Entry& entry = found->second;
  const auto [begin, end] = entry.flights.equal_range(message.piece);
  const auto flight =
      std::find_if(begin, end, [&](const auto& item) { return item.second.from == from; });
  if (flight == end) return;  // much too late, or unasked
  Peer& peer = peers_.at(from);
  const Duration took = now - std::max(flight->second.asked, peer.answered);
  if (message.piece != kManifestPiece) {  // which is small
    peer.service = peer.service ? (3 * *peer.service + took) / 4 : took;
  }
  peer.answered = now;
  peer.patience = 1;
  const std::uint64_t number = flight->second.number;
  stop(now, entry, flight);
  break_skipped(now, from, number);
  if (message.piece == kManifestPiece) {
    accept_manifest(now, from, found->first, entry, message.data);
  } else {
    accept_chunk(now, from, found->first, entry, message);
  }
  fetch_more(now);
}

void Swarm::break_promise(Instant now, const SnapshotId& id, Entry& entry,
                          Flights::iterator flight) {
  const NodeId from = flight->second.from;
  if (!flight->second.cancelled) {
    conduct_.blame(now, from, Conduct::kBrokenPromise);
    transmit(from, Cancel{id, flight->first});
  }
  stop(now, entry, flight);
}

// Pieces come in the order in which they are asked: what was asked earlier will not come any more.
void Swarm::break_skipped(Instant now, const NodeId& peer, std::uint64_t before) {
  for (const SnapshotId& id : wanted_) {
    Entry& entry = snapshots_.at(id);
    for (auto flight = entry.flights.begin(); flight != entry.flights.end();) {
      const auto current = flight++;
      const bool skipped = current->second.from == peer && current->second.number < before;
      if (skipped) break_promise(now, id, entry, current);
    }
  }
}

void Swarm::accept_manifest(Instant now, const NodeId& from, const SnapshotId& id, Entry& entry,
                            ByteView bytes) {
  if (bytes.size() != entry.head.manifest_size || crypto::hash(bytes) != entry.head.manifest) {
    return refuse(now, from, entry, "sent a manifest that does not match its hash");
  }
  auto manifest = decode<Manifest>(bytes);
  if (!manifest || manifest->chunks.size() != chunks_of(entry.head)) {
    // The hash fits, so the origin made it so: nobody will ever have a better one.
    give_up(id, entry);
    return accuse(now, entry.head.origin, "published a snapshot whose manifest is malformed");
  }
  entry.manifest = std::move(manifest);
  set_have(entry, std::vector<bool>(chunks_of(entry.head)));
  cancel_others(now, id, entry, kManifestPiece);
  events_.push_back(Begun{id, entry.head});
  for (const NodeId& peer : entry.interested) transmit(peer, Have{id, {}});
}

void Swarm::accept_chunk(Instant now, const NodeId& from, const SnapshotId& id, Entry& entry,
                         Piece& message) {
  if (crypto::hash(message.data) != entry.manifest->chunks[message.piece]) {
    return refuse(now, from, entry, "sent a chunk that does not match its hash");
  }
  conduct_.praise(now, from, chunk_size(entry.head.size, message.piece));
  entry.patience = kRelayPatience;
  entry.have[message.piece] = true;
  std::erase(entry.missing, message.piece);
  cancel_others(now, id, entry, message.piece);
  events_.push_back(WritePiece{id, message.piece, std::move(message.data)});
  if (entry.missing.empty()) return finish(id, entry);
  entry.fresh.push_back(message.piece);
  if (!tell_at_) tell_at_ = now + settings_.have_delay;
}

// The hash is under the origin's signature, so the fault is the relay's.
void Swarm::refuse(Instant now, const NodeId& from, Entry& entry, std::string what) {
  withdraw(entry, from);
  peers_.at(from).resting_until = now + kBadPieceRest;
  conduct_.blame(now, from, Conduct::kForgery);
  accuse(now, from, std::move(what));
}

// While there are chunks that only those have who hold all, we ask of these no others: the sooner
// each chunk is somewhere else, too, the sooner everyone has all.
void Swarm::spare_the_whole(const SnapshotId& id, Entry& entry) {
  std::vector<Flights::value_type*> spare;
  for (auto& flight : entry.flights) {
    if (flight.first == kManifestPiece || flight.second.cancelled) continue;
    const auto holder = entry.holders.find(flight.second.from);
    const bool whole = holder != entry.holders.end() && holder->second.all;
    if (whole && entry.copies[flight.first] > 0) spare.push_back(&flight);
  }
  for (const std::uint32_t chunk : entry.missing) {
    if (spare.empty()) return;
    if (entry.copies[chunk] > 0 || entry.flights.contains(chunk)) continue;
    auto& [piece, flight] = *spare.back();
    spare.pop_back();
    flight.cancelled = flight.late = true;
    --peers_.at(flight.from).in_flight;
    transmit(flight.from, Cancel{id, piece});
  }
}

void Swarm::cancel_others(Instant now, const SnapshotId& id, Entry& entry, std::uint32_t piece) {
  for (auto flight = entry.flights.find(piece);
       flight != entry.flights.end() && flight->first == piece;) {
    if (!flight->second.cancelled) transmit(flight->second.from, Cancel{id, piece});
    flight = stop(now, entry, flight);
  }
}

void Swarm::finish(const SnapshotId& id, Entry& entry) {
  give_up(id, entry);
  entry.complete = true;
  entry.have = {};
  entry.fresh.clear();
  events_.push_back(Completed{id, entry.head});
  for (const NodeId& peer : std::exchange(entry.interested, {})) transmit(peer, Holding{id});
}

void Swarm::handle(Instant now, const NodeId& from, const Unavailable& message) {
  const auto found = snapshots_.find(message.snapshot);
  if (found == snapshots_.end()) return;
  Entry& entry = found->second;
  const auto [begin, end] = entry.flights.equal_range(message.piece);
  const auto flight =
      std::find_if(begin, end, [&](const auto& item) { return item.second.from == from; });
  if (flight == end) return;
  stop(now, entry, flight);
  const auto holder = entry.holders.find(from);
  if (message.busy) {
    peers_.at(from).resting_until = now + settings_.retry;
  } else if (from == entry.head.origin) {
    entry.holders.at(from).resting_until = now + settings_.retry;
    const auto lacking = std::ranges::find(entry.missing, message.piece);
    if (lacking != entry.missing.end()) {
      std::rotate(lacking, lacking + 1, entry.missing.end());  // the others before it
    }
  } else if (holder != entry.holders.end()) {
    std::vector<bool>& some = holder->second.some;
    if (message.piece >= some.size()) {
      withdraw(entry, from);
    } else if (some[message.piece]) {
      some[message.piece] = false;
      --holder->second.count;
      --entry.copies[message.piece];
    }
  }
  fetch_more(now);
}

// --- Serving -----------------------------------------------------------------------------------

bool Swarm::holds(const SnapshotId& id, std::uint32_t piece) const {
  const auto found = snapshots_.find(id);
  if (found == snapshots_.end() || !found->second.manifest) return false;
  const Entry& entry = found->second;
  if (piece == kManifestPiece) return true;
  if (piece >= entry.manifest->chunks.size()) return false;
  return entry.complete || entry.have[piece];
}

void Swarm::handle(Instant now, const NodeId& from, const Fetch& message) {
  if (!holds(message.snapshot, message.piece)) {
    return transmit(from, Unavailable{message.snapshot, message.piece, false});
  }
  Peer& peer = peers_.at(from);
  if (peer.asked.size() >= limits::kFetchesPerPeer) {
    return transmit(from, Unavailable{message.snapshot, message.piece, true});
  }
  peer.asked.push_back(message);
  wait(now, from);
  serve(now);
}

void Swarm::handle(Instant, const NodeId& from, const Cancel& message) {
  std::erase_if(peers_.at(from).asked, [&](const Fetch& fetch) {
    return fetch.snapshot == message.snapshot && fetch.piece == message.piece;
  });
}

void Swarm::wait(Instant now, const NodeId& id) {
  Peer& peer = peers_.at(id);
  if (peer.asked.empty() || peer.serving || peer.waits_since) return;
  peer.waits_since = now;
  waiting_.push_back(id);
}

// What was sent the fewest times comes first: others can have the rest of those who got it.  But
// nobody waits for long, and among equals it goes round.
std::deque<NodeId>::iterator Swarm::next_served(Instant now) {
  const Peer& first = peers_.at(waiting_.front());
  if (now >= *first.waits_since + limits::kFetch / 2) return waiting_.begin();
  return std::ranges::min_element(waiting_, {}, [this](const NodeId& id) {
    const Peer& peer = peers_.at(id);
    if (peer.asked.empty()) return std::pair<std::size_t, std::size_t>(0, 0);
    return std::pair(times_sent(peer.asked.front()), progress(id, peer.asked.front().snapshot));
  });
}

std::size_t Swarm::times_sent(const Fetch& fetch) const {
  const auto found = snapshots_.find(fetch.snapshot);
  if (found == snapshots_.end() || fetch.piece >= found->second.sent.size()) return 0;
  return found->second.sent[fetch.piece];
}

std::size_t Swarm::progress(const NodeId& id, const SnapshotId& snapshot) const {
  const auto found = snapshots_.find(snapshot);
  if (found == snapshots_.end()) return 0;
  const auto holder = found->second.holders.find(id);
  return holder == found->second.holders.end() ? 0 : holder->second.count;
}

// A peer gets one piece, then it is the others' turn.
void Swarm::serve(Instant now) {
  while (uploading_ < limits::kUploadsAtOnce && !waiting_.empty()) {
    const auto chosen = next_served(now);
    const NodeId id = *chosen;
    waiting_.erase(chosen);
    Peer& peer = peers_.at(id);
    peer.waits_since.reset();
    while (!peer.asked.empty() && !peer.serving) {
      const Fetch next = peer.asked.front();
      peer.asked.pop_front();
      if (!holds(next.snapshot, next.piece)) {
        transmit(id, Unavailable{next.snapshot, next.piece, false});
        continue;
      }
      auto& sent = snapshots_.at(next.snapshot).sent;
      sent.resize(snapshots_.at(next.snapshot).manifest->chunks.size());
      if (next.piece < sent.size() && sent[next.piece] < UINT16_MAX) ++sent[next.piece];
      peer.serving = true;
      peer.turn_ends = now + limits::kUploadTurn;
      ++uploading_;
      events_.push_back(ReadPiece{id, next.snapshot, next.piece});
    }
  }
}

void Swarm::end_turn(Peer& peer) {
  if (!peer.turn_ends) return;
  peer.turn_ends.reset();
  --uploading_;
}

void Swarm::handle_piece_read(Instant now, const NodeId& for_peer, const SnapshotId& snapshot,
                              std::uint32_t piece, std::optional<Bytes> data) {
  const auto found = snapshots_.find(snapshot);
  if (!data && found != snapshots_.end() && piece < found->second.have.size() &&
      found->second.have[piece]) {
    Entry& entry = found->second;  // partly held: of a complete one the owner says what it found
    entry.have[piece] = false;
    entry.missing.push_back(piece);
    fetch_more(now, snapshot, entry);
  }
  if (!peers_.contains(for_peer)) return;
  if (data) return transmit(for_peer, Piece{snapshot, piece, std::move(*data)});
  transmit(for_peer, Unavailable{snapshot, piece, false});
}

void Swarm::handle_drained(Instant now, const NodeId& id) {
  const auto found = peers_.find(id);
  if (found == peers_.end() || !found->second.serving) return;
  Peer& peer = found->second;
  peer.serving = false;
  end_turn(peer);
  wait(now, id);
  serve(now);
}

// --- Small things ------------------------------------------------------------------------------

std::uint64_t Swarm::held_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& [id, entry] : snapshots_) {
    const bool partly = entry.missing.size() < entry.have.size();
    if (entry.complete || entry.wanted || partly) bytes += entry.head.size;
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
