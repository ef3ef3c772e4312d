#include "net/membership_record.hpp"

#include "net/archive.hpp"

#include <algorithm>
#include <map>

namespace kith::net {
namespace {

constexpr std::string_view kAny = "kith charter file ";
constexpr std::string_view kMagic = "kith charter file 2\n";
constexpr std::string_view kOldMagic = "kith charter file 1\n";

/// What follows the versions.
struct Rest {
  std::vector<Card> cards;
  std::vector<SignedCharter> rivals;
  std::uint64_t settled = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(at_most<limits::kMembers>(cards), at_most<limits::kRivals>(rivals), settled);
  }
};

bool starts_with(ByteView bytes, std::string_view text) {
  const ByteView start = as_byte_view(text);
  return bytes.size() >= start.size() && std::ranges::equal(bytes.first(start.size()), start);
}

std::string sentence(CharterFault fault) { return std::string(explain(fault)); }

/// One for each member, the one that counts.
std::vector<Card> sound_cards(const CharterChain& chain, std::vector<Card> cards) {
  const auto& members = chain.newest().charter.members;
  std::map<NodeId, Card> newest;
  for (Card& card : cards) {
    const bool member = std::ranges::binary_search(members, card.node, {}, &Member::id);
    if (!member || card.founded != chain.founded()) continue;
    const auto known = newest.find(card.node);
    if (known != newest.end() && !supersedes(card, known->second)) continue;
    if (is_sound(card)) newest.insert_or_assign(card.node, std::move(card));
  }
  std::vector<Card> all;
  for (auto& [node, card] : newest) all.push_back(std::move(card));
  return all;
}

bool contradicts(const CharterChain& chain, const SignedCharter& version) {
  const auto parsed = parse(version);
  const auto* const charter = std::get_if<Charter>(&parsed);
  if (charter == nullptr || charter->number < 2) return false;
  if (charter->number > chain.versions().size()) return false;
  if (chain.contains(charter->number, version.id())) return false;
  return !chain.first(charter->number - 1).append(version);
}

}  // namespace

Bytes encode_record(const MembershipRecord& record) {
  Bytes file;
  Writer writer(file);
  writer.raw(kMagic.data(), kMagic.size());
  const auto count = static_cast<std::uint32_t>(record.chain.versions().size());
  writer(count);
  for (const auto& version : record.chain.versions()) writer(version.signed_charter);
  writer(Rest{record.cards, record.rivals, record.settled});
  return file;
}

bool is_record(ByteView bytes) { return starts_with(bytes, kAny); }

std::variant<MembershipRecord, RecordRefusal> decode_record(ByteView file) {
  if (!is_record(file)) return RecordRefusal{sentence(CharterFault::malformed)};
  if (starts_with(file, kOldMagic)) return RecordRefusal{sentence(CharterFault::older_format)};
  if (!starts_with(file, kMagic)) return RecordRefusal{sentence(CharterFault::newer_format)};
  Reader reader(file.subspan(kMagic.size()));
  const std::size_t count = reader.length(limits::kCharterVersions, sizeof(std::uint32_t));
  CharterChain chain;
  for (std::uint64_t number = 1; number <= count; ++number) {
    SignedCharter version;
    reader(version);
    const auto fault = reader.failed() ? CharterFault::malformed : chain.append(std::move(version));
    if (fault) {
      return RecordRefusal{"version " + std::to_string(number) + ": " + sentence(*fault)};
    }
  }
  Rest rest;
  reader(rest);
  if (!reader.complete()) return RecordRefusal{sentence(CharterFault::malformed)};
  if (chain.empty()) return RecordRefusal{sentence(CharterFault::no_versions)};
  MembershipRecord record;
  record.cards = sound_cards(chain, std::move(rest.cards));
  for (SignedCharter& rival : rest.rivals) {
    if (contradicts(chain, rival)) record.rivals.push_back(std::move(rival));
  }
  record.settled = rest.settled;
  record.chain = std::move(chain);
  return record;
}

}  // namespace kith::net
