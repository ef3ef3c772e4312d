#include "net/consortium.hpp"

#include "net/limits.hpp"

#include <algorithm>
#include <set>
#include <stdexcept>

namespace kith::net {
namespace {

template <class Range, class Key, class Projection>
auto* find_in(Range& range, const Key& key, Projection projection) {
  const auto found = std::ranges::find(range, key, projection);
  return found == range.end() ? nullptr : &*found;
}

}  // namespace

Consortium::Consortium(std::string id, std::vector<Member> members)
    : id_(std::move(id)), members_(std::move(members)) {
  if (id_.empty() || id_.size() > 64) {
    throw std::invalid_argument("a consortium id has 1 to 64 characters");
  }
  if (members_.size() > limits::kMembers) {
    throw std::invalid_argument("a consortium has at most 512 members");
  }
  std::set<NodeId> ids;
  std::set<crypto::ChannelPublicKey> channels;
  for (const Member& member : members_) {
    if (!ids.insert(member.id).second || !channels.insert(member.channel).second) {
      throw std::invalid_argument("two members of the consortium share a key: " + member.name);
    }
  }
}

const Member* Consortium::find(const NodeId& id) const {
  return find_in(members_, id, &Member::id);
}

const Member* Consortium::find(const crypto::ChannelPublicKey& channel) const {
  return find_in(members_, channel, &Member::channel);
}

Bytes Consortium::prologue() const {
  const std::string text = "kith/1 " + id_;
  const ByteView view = as_byte_view(text);
  return {view.begin(), view.end()};
}

}  // namespace kith::net
