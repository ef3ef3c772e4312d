#include "daemon/exchange/shelf.hpp"

#include "daemon/system/log.hpp"

#include <algorithm>
#include <utility>

namespace kith::daemon {
namespace {

bool is_there(const Blobs& blobs, const net::Hash& chunk) {
  const auto data = blobs.read(chunk);
  return data && crypto::hash(*data) == chunk;  // a power cut damages what was not synced
}

std::string name_of(const net::Host& host, const net::NodeId& id) {
  const auto* const member = host.directory().find(id);
  return member != nullptr ? member->name : to_string(id);
}

}  // namespace

std::vector<ShelvedSnapshot> read_shelf(Store& store) {
  std::vector<ShelvedSnapshot> found;
  std::set<crypto::Hash> known;
  for (const StoredHead& stored : store.heads()) {
    auto head = net::decode<net::SignedHead>(stored.head);
    auto manifest = net::decode<net::Manifest>(stored.manifest);
    if (!head || !manifest) {
      store.drop_head(stored.origin, stored.position);
      continue;
    }
    known.insert(manifest->chunks.begin(), manifest->chunks.end());
    const auto have = [&](const net::Hash& chunk) { return store.blobs().contains(chunk); };
    const bool whole = stored.complete && std::ranges::all_of(manifest->chunks, have);
    found.push_back({std::move(*head), std::move(*manifest), whole, stored.round});
  }
  for (const crypto::Hash& name : store.blobs().names()) {
    if (!known.contains(name)) store.blobs().remove(name);
  }
  return found;
}

void Shelf::restore(const std::vector<ShelvedSnapshot>& found) {
  for (const ShelvedSnapshot& each : found) {
    const auto how = each.whole ? net::Swarm::Stored::whole : net::Swarm::Stored::partly;
    if (!host_.gossip().restore(each.head, each.manifest, how)) {
      const auto head = net::parse_head(each.head);
      if (head) drop(*head, each.manifest.chunks);
    } else if (!each.whole) {  // what an interrupted download left is not fetched again
      recount(each.head.id());
    }
  }
}

void Shelf::read_piece(const net::SnapshotId& snapshot, std::uint32_t piece,
                       net::HostOwner::PieceRead done) {
  const auto* manifest = host_.gossip().manifest(snapshot);
  const bool exists = manifest && piece < manifest->chunks.size();
  disk_.post([this, snapshot, done = std::move(done),
              name = exists ? manifest->chunks[piece] : crypto::Hash{}] {
    auto data = store_.blobs().read(name);
    // Damaged, by a power cut: passing it on would make a liar of us.
    if (data && crypto::hash(*data) != name) data.reset();
    net::asio::post(io_, [this, snapshot, done, data = std::move(data)] {
      if (!data) recount(snapshot);
      done(data);
    });
  });
}

void Shelf::write_piece(const net::SnapshotId& snapshot, std::uint32_t piece, Bytes data,
                        std::function<void()> written) {
  const auto* manifest = host_.gossip().manifest(snapshot);
  if (!manifest) return net::asio::post(io_, std::move(written));
  disk_.post(
      [this, name = manifest->chunks[piece], data = std::move(data)] {
        store_.blobs().write(name, data, Blobs::Durability::refetchable);
      },
      std::move(written));
}

void Shelf::keep(const net::SnapshotId& snapshot, const net::Head& head, bool complete,
                 std::function<void()> done) {
  const auto* signed_head = host_.gossip().signed_head(snapshot);
  const auto* manifest = host_.gossip().manifest(snapshot);
  if (stopping_ || !signed_head || !manifest) return;  // superseded meanwhile
  const StoredHead stored{head.origin,           head.position, net::encode(*signed_head),
                          net::encode(*manifest), complete,      round_};
  const auto write = [this, stored] { store_.put_head(stored); };
  if (done) return disk_.post(write, std::move(done));
  disk_.post(write);
}

void Shelf::drop(const net::Head& head, const std::vector<net::Hash>& chunks) {
  disk_.post([this, origin = head.origin, position = head.position, chunks] {
    store_.drop_head(origin, position);
    for (const net::Hash& chunk : chunks) store_.blobs().remove(chunk);
  });
}

// At a start, or because a chunk of it is gone or damaged.
void Shelf::recount(const net::SnapshotId& snapshot) {
  const auto* manifest = host_.gossip().manifest(snapshot);
  if (stopping_ || !manifest || !counting_.insert(snapshot).second) return;
  disk_.post([this, snapshot, chunks = manifest->chunks] {
    std::vector<bool> there;
    for (const net::Hash& chunk : chunks) there.push_back(is_there(store_.blobs(), chunk));
    net::asio::post(io_, [this, snapshot, there] { counted(snapshot, there); });
  });
}

void Shelf::counted(const net::SnapshotId& snapshot, const std::vector<bool>& there) {
  counting_.erase(snapshot);
  const auto head = host_.gossip().head(snapshot);
  if (stopping_ || !head) return;
  const auto found = std::ranges::count(there, true);
  const std::string peer = name_of(host_, head->origin);
  if (host_.gossip().complete(snapshot) && found < std::ssize(there)) {
    log::warn("snapshot_lost", {{"peer", peer},
                                {"sequence", head->position.sequence},
                                {"chunks", there.size()},
                                {"chunks_left", found}});
    keep(snapshot, *head, false);
  }
  log::debug("snapshot_counted", {{"peer", peer},
                                  {"sequence", head->position.sequence},
                                  {"chunks", there.size()},
                                  {"found", found}});
  host_.found(snapshot, there);
}

}  // namespace kith::daemon
