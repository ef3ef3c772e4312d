#include "net/directory.hpp"

#include <algorithm>

namespace kith::net {

const Directory::Entry* Directory::find(const NodeId& id) const {
  const auto found = std::ranges::lower_bound(members_, id, {}, &Entry::id);
  return found != members_.end() && found->id == id ? &*found : nullptr;
}

Directory::Entry* Directory::find_entry(const NodeId& id) {
  return const_cast<Entry*>(find(id));  // ours to change
}

std::optional<crypto::ChannelPublicKey> Directory::channel_of(const NodeId& id) const {
  const Entry* const entry = find(id);
  if (entry == nullptr || !entry->card) return std::nullopt;
  return entry->card->channel;
}

bool Directory::has_key(const crypto::DhPublicKey& key) const {
  return std::ranges::any_of(members_, [&](const Entry& entry) { return entry.has_key(key); });
}

void Directory::set_members(const std::vector<Member>& members) {
  std::vector<Entry> next;
  for (const Member& member : members) {
    Entry* const known = find_entry(member.id);
    Entry entry{member.id, member.name};
    if (known != nullptr) {
      entry.card = std::move(known->card);
      entry.dh = known->dh;
    }
    next.push_back(std::move(entry));
  }
  std::ranges::sort(next, {}, &Entry::id);
  members_ = std::move(next);
}

bool Directory::put(Card card) {
  Entry* const entry = find_entry(card.node);
  if (entry == nullptr) return false;
  entry->dh = card.channel.dh().value();
  entry->card = std::move(card);
  return true;
}

Bytes prologue(const Hash& founded, const NodeId& responder) {
  Bytes text;
  Writer writer(text);
  constexpr std::string_view kProtocol = "kith/4\n";
  writer.raw(kProtocol.data(), kProtocol.size());
  writer(founded, responder.key);
  return text;
}

}  // namespace kith::net
