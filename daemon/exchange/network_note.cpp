#include "daemon/exchange/network_note.hpp"

#include "crypto/seal.hpp"

#include <algorithm>

namespace kith::daemon {
namespace {

using nlohmann::json;

constexpr int kDepth = 3;
/// Keys, values, and beginnings and ends of lists: a key and a value for each member, or one value
/// and the two ends of a list, and what is around.
constexpr std::size_t kEvents = 3 * net::limits::kMembers + 8;

/// What a sealed note begins with: whose it is, and which snapshot's.
Bytes origin_of(const net::Head& head) {
  Bytes bytes = net::encode(head.position);
  bytes.insert(bytes.begin(), head.origin.key.begin(), head.origin.key.end());
  return bytes;
}

}  // namespace

std::optional<std::string> put_note(const Note& note, const net::Head& head,
                                    const net::Directory& readers, net::Manifest& manifest) {
  if (note.text.is_null()) return std::nullopt;
  const std::string text = note.text.dump(-1, ' ', false, json::error_handler_t::replace);
  Bytes bytes(as_byte_view(text).begin(), as_byte_view(text).end());
  const bool sealed = !note.reader.empty();
  if (sealed) {
    const auto id = crypto::parse_node_id(note.reader);
    const auto reader = id ? readers.channel_of(*id) : std::nullopt;
    if (!reader) return "its reader is not a member, or not heard of yet";
    Bytes plain = origin_of(head);
    plain.insert(plain.end(), bytes.begin(), bytes.end());
    bytes = crypto::seal_to(*reader, plain);
  }
  if (bytes.size() > net::limits::kNote) return "it is too long";
  manifest.note_sealed = sealed;
  manifest.note = std::move(bytes);
  return std::nullopt;
}

std::optional<std::string> note_text(const net::Manifest& manifest, const net::Head& head,
                                     const crypto::ChannelKey& key) {
  if (manifest.note.empty()) return std::nullopt;
  const auto text = [](ByteView bytes) {
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  if (!manifest.note_sealed) return text(manifest.note);
  const auto opened = crypto::open_sealed(key, manifest.note);
  const Bytes origin = origin_of(head);
  if (!opened || opened->size() < origin.size()) return std::nullopt;
  if (!std::equal(origin.begin(), origin.end(), opened->begin())) return std::nullopt;
  return text(ByteView(*opened).subspan(origin.size()));
}

json parse_note(std::string_view text) {
  std::size_t events = 0;
  bool sane = true;
  const auto bounded = [&](int depth, json::parse_event_t, json&) {
    sane = sane && depth <= kDepth && ++events <= kEvents;
    return sane;
  };
  json parsed = json::parse(text.begin(), text.end(), bounded, false);
  return sane && parsed.is_object() ? parsed : json(nullptr);
}

}  // namespace kith::daemon
