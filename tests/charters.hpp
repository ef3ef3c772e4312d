#pragma once

#include "net/charter.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdint>
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

inline Member member(int number) {
  Member made;
  made.id = identity(number).id();
  made.channel[0] = static_cast<std::byte>(number);
  made.name = "m" + std::to_string(number);
  made.addresses = {"host:" + std::to_string(7000 + number)};
  return made;
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

/// Three stewards, two of whom must sign; three members; one version.
inline CharterChain study() {
  CharterChain chain;
  BOOST_TEST_REQUIRE(!chain.append(signed_by(first_version({1, 2, 3}, 2), {1, 2})));
  return chain;
}

/// The next version, changed by nothing but its expiry, appended.
inline void extend(CharterChain& chain, std::uint64_t expires, const std::vector<int>& stewards) {
  Charter charter = next_version(chain);
  charter.expires = expires;
  BOOST_TEST_REQUIRE(!chain.append(signed_by(charter, stewards)));
}

}  // namespace kith::test
