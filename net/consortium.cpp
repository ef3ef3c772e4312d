#include "net/consortium.hpp"

#include "net/endpoint.hpp"

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

// The bytes of the code point that `text` begins with; 0 if that is no UTF-8, or a control
// character.
std::size_t printable_size(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
  const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const bool overlong = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xf0 && byte(1) < 0x90);
  const bool surrogate = first == 0xed && byte(1) >= 0xa0;
  const bool too_high = first == 0xf4 && byte(1) >= 0x90;
  const bool control = first == 0xc2 && byte(1) < 0xa0;
  return overlong || surrogate || too_high || control ? 0 : size;
}

}  // namespace

bool is_label(std::string_view text) {
  if (text.empty() || text.size() > limits::kLabel) return false;
  while (!text.empty()) {
    const std::size_t size = printable_size(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

bool are_addresses(const std::vector<std::string>& addresses) {
  return addresses.size() <= limits::kAddresses &&
         std::ranges::all_of(addresses, [](const std::string& text) {
           const auto visible = [](char c) { return c > 0x20 && c < 0x7f; };
           return text.size() <= limits::kAddress && std::ranges::all_of(text, visible) &&
                  parse_endpoint(text).has_value();
         });
}

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
  if (std::ranges::count(members_, channel, &Member::channel) > 1) return nullptr;
  return find_in(members_, channel, &Member::channel);
}

bool Consortium::renew(const NodeId& id, const crypto::ChannelPublicKey& channel,
                       std::vector<std::string> addresses) {
  Member* const member = find_in(members_, id, &Member::id);
  if (member == nullptr) return false;
  member->channel = channel;
  member->addresses = std::move(addresses);
  return true;
}

Bytes Consortium::prologue() const {
  const std::string text = "kith/1 " + id_;
  const ByteView view = as_byte_view(text);
  return {view.begin(), view.end()};
}

}  // namespace kith::net
