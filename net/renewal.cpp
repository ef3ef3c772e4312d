#include "net/renewal.hpp"

#include <algorithm>
#include <cassert>
#include <map>
#include <tuple>
#include <utility>

namespace kith::net {
namespace {

// Domain separation: these bytes are never the start of anything else that is hashed or signed.
constexpr std::string_view kEntry = "kith entry 1\n";
constexpr std::string_view kRenewalContext = "kith renewal 1\n";
constexpr std::string_view kFile = "kith renewals 1\n";

struct Content {
  std::vector<Renewal> renewals;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(at_most<limits::kMembers>(renewals));
  }
};

Bytes text_of(std::string_view context, ByteView body) {
  const ByteView start = as_byte_view(context);
  Bytes text(start.begin(), start.end());
  text.insert(text.end(), body.begin(), body.end());
  return text;
}

Bytes signed_text(const Renewal& renewal) {
  const Bytes body = encode(renewal);
  return text_of(kRenewalContext, ByteView(body).first(body.size() - renewal.signature.size()));
}

}  // namespace

Hash entry_of(const Member& member) { return crypto::hash(text_of(kEntry, encode(member))); }

Renewal renew(const Member& entry, std::uint64_t issued, const crypto::ChannelPublicKey& channel,
              std::vector<std::string> addresses, const crypto::Identity& identity) {
  assert(are_addresses(addresses) && entry.id == identity.id());
  Renewal made{entry.id, entry_of(entry), issued, channel, std::move(addresses), {}};
  made.signature = identity.sign(signed_text(made));
  return made;
}

bool is_sound(const Renewal& renewal) {
  return are_addresses(renewal.addresses) &&
         crypto::verify(renewal.member, signed_text(renewal), renewal.signature);
}

bool supersedes(const Renewal& renewal, const Renewal& other) {
  return std::tie(renewal.issued, renewal.channel, renewal.addresses) >
         std::tie(other.issued, other.channel, other.addresses);
}

Bytes renewals_file(const std::vector<Renewal>& renewals) {
  return text_of(kFile, encode(Content{renewals}));
}

bool is_renewals_file(ByteView bytes) {
  const ByteView start = as_byte_view(kFile);
  return bytes.size() >= start.size() && std::ranges::equal(bytes.first(start.size()), start);
}

std::optional<std::vector<Renewal>> parse_renewals_file(ByteView bytes) {
  if (!is_renewals_file(bytes)) return std::nullopt;
  auto content = decode<Content>(bytes.subspan(kFile.size()));
  if (!content) return std::nullopt;
  return std::move(content->renewals);
}

std::vector<Renewal> in_force(const Charter& charter, std::vector<Renewal> renewals) {
  std::map<NodeId, Renewal> newest;
  for (Renewal& renewal : renewals) {
    const auto entry = std::ranges::find(charter.members, renewal.member, &Member::id);
    if (entry == charter.members.end() || entry_of(*entry) != renewal.entry) continue;
    const auto holder = std::ranges::find(charter.members, renewal.channel, &Member::channel);
    if (holder != charter.members.end() && holder != entry) continue;
    const auto known = newest.find(renewal.member);
    if (known != newest.end() && !supersedes(renewal, known->second)) continue;
    if (is_sound(renewal)) newest.insert_or_assign(renewal.member, std::move(renewal));
  }
  std::vector<Renewal> all;
  for (auto& [member, renewal] : newest) all.push_back(std::move(renewal));
  return all;
}

}  // namespace kith::net
