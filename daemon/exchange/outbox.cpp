#include "daemon/exchange/outbox.hpp"

#include "daemon/exchange/network_note.hpp"
#include "daemon/system/log.hpp"

#include <algorithm>
#include <utility>

namespace kith::daemon {
namespace {

using nlohmann::json;

struct Sealed {
  net::LogPosition position;
  net::SnapshotId previous{};
  net::Manifest manifest;
};

net::SnapshotId previous_of(const Store& store) {
  net::SnapshotId previous{};
  const auto bytes = crypto::from_hex(store.text("published").value_or(""));
  if (bytes && bytes->size() == previous.size()) std::ranges::copy(*bytes, previous.begin());
  return previous;
}

}  // namespace

std::vector<SnapshotReader> Outbox::readers() const {
  std::vector<SnapshotReader> readers;
  for (const auto& member : host_.directory().members()) {
    if (!member.card || shared_.membership.denied().contains(member.id)) continue;
    readers.push_back({member.id, member.card->channel});
  }
  return readers;
}

net::awaitable<void> Outbox::publish(std::uint64_t round, pipe::Fd partial, Note note) {
  const auto keys = shared_.keys;
  const std::vector<SnapshotReader> read_by = readers();
  net::Head head;
  head.founded = host_.directory().founded();
  head.origin = keys->id;
  head.key = keys->channel.public_key();
  head.task = shared_.subject.task;
  head.round = static_cast<std::uint32_t>(round);
  head.examples = shared_.subject.examples;
  head.size = shared_.subject.form.encoded_size();

  auto seal = [this, head, read_by, file = std::move(partial)]() mutable {
    Store& store = shared_.store;
    head.position = store.take_position();
    const Bytes context = net::seal_context(head);
    return Sealed{head.position, previous_of(store),
                  seal_snapshot(file, shared_.subject.form, read_by, context, store.blobs())};
  };
  Sealed sealed = co_await net::offload(shared_.disk.pool(), std::move(seal));
  if (stopping_) co_return;
  head.position = sealed.position;
  head.previous = sealed.previous;
  if (const auto problem = put_note(note, head, host_.directory(), sealed.manifest)) {
    log::warn("note_not_sent", {{"why", *problem}});
  }
  const Bytes manifest = net::encode(sealed.manifest);
  head.manifest_size = static_cast<std::uint32_t>(manifest.size());
  head.manifest = crypto::hash(manifest);
  const net::SignedHead signed_head = net::sign_head(head, keys->channel);
  const std::string id = crypto::to_hex(signed_head.id());

  json reader_ids = json::array();
  for (const SnapshotReader& reader : read_by) reader_ids.push_back(to_string(reader.id));
  const StoredHead stored{head.origin, head.position, net::encode(signed_head),
                          manifest,    true,          round};
  const json entry{{"round", round},
                   {"snapshot", id},
                   {"log", head.position.log},
                   {"sequence", head.position.sequence},
                   {"readers", reader_ids}};
  auto write_down = [this, stored, id, entry] {
    shared_.store.atomically([&] {
      shared_.store.put_head(stored);
      shared_.store.put_text("published", id);
    });
    shared_.log.append("published", entry, Sync::yes);  // before it leaves
  };
  co_await net::offload(shared_.disk.pool(), std::move(write_down));
  if (stopping_) co_return;
  if (!host_.publish(signed_head, sealed.manifest)) {
    log::warn("not_published",
              {{"round", round},
               {"help",
                "this node is no member by now, or works with another key than its card says"}});
    co_return;
  }
  published_ = signed_head.id();
  log::info("published", {{"round", round},
                          {"sequence", head.position.sequence},
                          {"snapshot", id.substr(0, 16)},
                          {"bytes", head.size}});
}

// Our store came out of a backup: others know of a later snapshot of ours than we do.
void Outbox::outrun(const net::LogPosition& position) {
  shared_.disk.post([&store = shared_.store, position] {
    if (position <= store.last_position()) return;
    store.open_log(position.log);
    log::warn("restored_from_backup",
              {{"known_to_others", position.sequence}, {"log", store.last_position().log}});
  });
}

json Outbox::published_head() const {
  const auto* const head = published_ ? host_.gossip().signed_head(*published_) : nullptr;
  return head == nullptr ? json() : json(crypto::to_hex(net::encode(*head)));
}

}  // namespace kith::daemon
