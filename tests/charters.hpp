#pragma once

#include "net/card.hpp"
#include "net/charter.hpp"
#include "net/membership_record.hpp"

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

/// Stewards and members by number, and charters that they make.
namespace kith::test {

using net::Charter;
using net::CharterChain;
using net::Member;
using net::SignedCharter;
using net::Steward;

inline constexpr std::uint64_t kExpires = 2'000'000'000;

inline crypto::Identity identity(int number) {
  crypto::Secret<32> seed;
  seed.data()[0] = static_cast<std::byte>(number);
  seed.data()[1] = static_cast<std::byte>(number >> 8);
  return crypto::Identity::from_seed(seed);
}

inline Steward steward(int number) { return {identity(number).id(), "s" + std::to_string(number)}; }

inline Member member(int number) { return {identity(number).id(), "m" + std::to_string(number)}; }

/// Member `number` has channel key `number`; others have numbers of their own.
inline crypto::ChannelKey channel_key(int number) {
  crypto::Secret<32> seed;
  seed.data()[0] = static_cast<std::byte>(number);
  seed.data()[1] = static_cast<std::byte>(number >> 8);
  seed.data()[31] = std::byte{1};
  return crypto::ChannelKey::from_seed(seed);
}

inline constexpr std::uint64_t kIssued = 1'800'000'000;  ///< when the first cards were

/// Of member `number`, in the consortium that was founded so.
inline net::Card card(int number, const net::Hash& founded, std::uint64_t issued = kIssued,
                      int key = 0) {
  net::Card made;
  made.founded = founded;
  made.issued = issued;
  made.name = member(number).name;
  made.addresses = {"host:" + std::to_string(7000 + number % 1000)};
  return sign_card(std::move(made), identity(number), channel_key(key > 0 ? key : number));
}

inline Charter ordered(Charter charter) {
  std::ranges::sort(charter.members, {}, &Member::id);
  std::ranges::sort(charter.stewards, {}, &Steward::id);
  return charter;
}

inline Charter first_version(const std::vector<int>& stewards, std::uint32_t threshold) {
  Charter charter;
  charter.consortium = "study";
  charter.expires = kExpires;
  charter.threshold = threshold;
  for (const int i : stewards) charter.stewards.push_back(steward(i));
  charter.members = {member(1), member(2), member(3)};
  return ordered(charter);
}

inline Charter next_version(const CharterChain& chain) {
  Charter charter = chain.newest().charter;
  ++charter.number;
  charter.previous = chain.newest().id;
  return charter;
}

inline SignedCharter signed_by(const Charter& charter, const std::vector<int>& stewards) {
  SignedCharter made{encode(charter), {}};  // whatever problem it may have
  for (const int i : stewards) sign(made, identity(i));
  return made;
}

inline void append(CharterChain& chain, const SignedCharter& version) {
  if (chain.append(version)) throw std::logic_error("not the next version");
}

/// Three stewards, two of whom must sign; three members; one version.
inline CharterChain study() {
  CharterChain chain;
  append(chain, signed_by(first_version({1, 2, 3}, 2), {1, 2}));
  return chain;
}

/// The next version, changed by nothing but its expiry, appended.
inline void extend(CharterChain& chain, std::uint64_t expires, const std::vector<int>& stewards) {
  Charter charter = next_version(chain);
  charter.expires = expires;
  append(chain, signed_by(charter, stewards));
}

/// A consortium of members 1 to `count`, all with cards; steward 1 alone changes it.
inline net::MembershipRecord consortium_of(int count) {
  Charter charter = first_version({1}, 1);
  charter.members.clear();
  for (int i = 1; i <= count; ++i) charter.members.push_back(member(i));
  net::MembershipRecord record;
  append(record.chain, signed_by(ordered(charter), {1}));
  for (int i = 1; i <= count; ++i) record.cards.push_back(card(i, record.chain.founded()));
  return record;
}

}  // namespace kith::test
