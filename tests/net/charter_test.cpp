#include "tests/charters.hpp"
#include "tests/crypto_ready.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <map>
#include <random>

namespace charter_test {

using namespace kith;
using namespace kith::net;
using namespace kith::test;
using Fault = CharterFault;
namespace data = boost::unit_test::data;

/// A version that is sound but for what `change` does to it.
template <class Change>
std::optional<Fault> fault_after(Change change) {
  CharterChain chain = study();
  Charter charter = next_version(chain);
  change(charter);
  const auto fault = chain.append(signed_by(charter, {1, 2}));
  BOOST_TEST(chain.versions().size() == (fault ? 1U : 2U));
  return fault;
}

CharterChain::Refusal refusal_of(ByteView file) {
  const auto decoded = CharterChain::decode(file);
  BOOST_TEST_REQUIRE(std::holds_alternative<CharterChain::Refusal>(decoded));
  return std::get<CharterChain::Refusal>(decoded);
}

BOOST_FIXTURE_TEST_SUITE(charter_tests, CryptoReady)

BOOST_AUTO_TEST_CASE(what_is_written_reads_back_and_has_one_encoding) {
  CharterChain chain = study();
  Charter second = next_version(chain);
  second.members.push_back(member(4));
  BOOST_TEST_REQUIRE(!chain.append(signed_by(ordered(second), {2, 3})));
  const Bytes file = chain.encode();
  const auto again = CharterChain::decode(file);
  BOOST_TEST_REQUIRE(std::holds_alternative<CharterChain>(again));
  BOOST_TEST((std::get<CharterChain>(again).encode() == file));
  BOOST_TEST((std::get<CharterChain>(again).newest().charter == ordered(second)));
}

BOOST_AUTO_TEST_CASE(a_sound_next_version_is_taken) {
  BOOST_TEST(!fault_after([](Charter&) {}));
}

BOOST_AUTO_TEST_CASE(every_wrong_field_is_refused_with_its_reason) {
  const auto check = [](Fault fault, auto change) {
    BOOST_TEST_CONTEXT(name(fault)) {
      const auto found = fault_after(change);
      BOOST_TEST_REQUIRE(found.has_value());
      BOOST_TEST(name(*found) == name(fault));
      BOOST_TEST(!explain(fault).empty());
    }
  };
  const auto swap_first = [](auto& list) { std::swap(list[0], list[1]); };
  check(Fault::newer_format, [](Charter& c) { c.format = 2; });
  check(Fault::malformed, [](Charter& c) { c.format = 0; });
  check(Fault::bad_consortium, [](Charter& c) { c.consortium.clear(); });
  check(Fault::other_consortium, [](Charter& c) { c.consortium = "another"; });
  check(Fault::bad_number, [](Charter& c) { c.number = 0; });
  check(Fault::bad_first, [](Charter& c) { c.number = 1; });
  check(Fault::bad_first, [](Charter& c) { c.previous = {}; });
  check(Fault::skipped_number, [](Charter& c) { c.number = 3; });
  check(Fault::wrong_previous, [](Charter& c) { c.previous[0] ^= std::byte{1}; });
  check(Fault::no_expiry, [](Charter& c) { c.expires = 0; });
  check(Fault::no_stewards, [](Charter& c) { c.stewards.clear(); });
  check(Fault::threshold_too_low, [](Charter& c) { c.threshold = 1; });
  check(Fault::threshold_too_low, [](Charter& c) { c.threshold = 0; });
  check(Fault::threshold_too_low, [](Charter& c) {
    c.stewards.push_back(steward(4));  // two of four
    c = ordered(c);
  });
  check(Fault::threshold_too_high, [](Charter& c) { c.threshold = 4; });
  check(Fault::steward_twice, [](Charter& c) { c.stewards.push_back(c.stewards[0]); });
  check(Fault::stewards_unordered, [&](Charter& c) { swap_first(c.stewards); });
  check(Fault::no_members, [](Charter& c) { c.members.clear(); });
  check(Fault::member_twice, [](Charter& c) { c.members.push_back(c.members[0]); });
  check(Fault::members_unordered, [&](Charter& c) { swap_first(c.members); });
  check(Fault::channel_twice, [](Charter& c) { c.members[0].channel = c.members[1].channel; });
  check(Fault::name_twice, [](Charter& c) { c.members[0].name = c.members[1].name; });
  check(Fault::name_twice, [](Charter& c) { c.stewards[0].name = c.stewards[1].name; });
  for (const char* bad : {"", "a\nb", "\xc3", "\xed\xa0\x80", "\xc2\x85", "\xf5\x80\x80\x80"}) {
    check(Fault::bad_name, [&](Charter& c) { c.members[0].name = bad; });
    check(Fault::bad_name, [&](Charter& c) { c.stewards[0].name = bad; });
  }
  for (const char* bad : {"", "host", "host:70000", "ho st:1", "h\n:1"}) {
    check(Fault::bad_address, [&](Charter& c) { c.members[0].addresses = {bad}; });
  }
  check(Fault::too_large, [](Charter& c) {
    const Member pattern = member(0);
    for (int i = 0; i < 300; ++i) {
      Member more = pattern;
      more.id.key[31] = more.channel[31] = static_cast<std::byte>(i);
      more.id.key[30] = more.channel[30] = static_cast<std::byte>(1 + i / 256);
      more.name = "more" + std::to_string(i);
      more.addresses = {std::string(200, 'x') + ":1"};
      c.members.push_back(more);
    }
    c = ordered(c);
    BOOST_TEST_REQUIRE((problem(c) == Fault::too_large));
  });
}

BOOST_AUTO_TEST_CASE(a_name_may_have_any_letters) {
  BOOST_TEST(
      !fault_after([](Charter& c) { c.members[0].name = "Malmö \xe2\x82\xac \xf0\x9f\x8f\xa5"; }));
}

BOOST_AUTO_TEST_CASE(one_signature_too_few_is_refused) {
  CharterChain chain = study();
  for (const auto& signers : {std::vector<int>{}, {1}, {2}, {3}}) {
    BOOST_TEST(
        (chain.append(signed_by(next_version(chain), signers)) == Fault::too_few_old_signatures));
  }
  CharterChain none;
  BOOST_TEST(
      (none.append(signed_by(first_version({1, 2, 3}, 2), {1})) == Fault::too_few_new_signatures));
}

BOOST_AUTO_TEST_CASE(new_stewards_must_sign_too_and_so_must_the_old_ones) {
  CharterChain chain = study();
  Charter charter = next_version(chain);
  charter.stewards = {steward(3), steward(4), steward(5)};
  charter = ordered(charter);
  BOOST_TEST((chain.append(signed_by(charter, {1, 2})) == Fault::too_few_new_signatures));
  BOOST_TEST((chain.append(signed_by(charter, {4, 5})) == Fault::too_few_old_signatures));
  const auto tally = chain.tally(signed_by(charter, {1, 4}));
  BOOST_TEST_REQUIRE(std::holds_alternative<Tally>(tally));
  BOOST_TEST(std::get<Tally>(tally).of_old.have == 1U);
  BOOST_TEST(std::get<Tally>(tally).of_new.have == 1U);
  BOOST_TEST(std::get<Tally>(tally).missing.size() == 3U);
  BOOST_TEST(!chain.append(signed_by(charter, {2, 3, 4})));
  BOOST_TEST((chain.append(signed_by(next_version(chain), {1, 2})) == Fault::signed_by_stranger));
}

BOOST_AUTO_TEST_CASE(wrong_doubled_unordered_and_strange_signatures_are_refused) {
  CharterChain chain = study();
  const SignedCharter sound = signed_by(next_version(chain), {1, 2});
  SignedCharter twice = sound, wrong = sound, unordered = sound;
  twice.signatures.push_back(twice.signatures[0]);
  wrong.signatures[1].signature[7] ^= std::byte{1};
  std::swap(unordered.signatures[0], unordered.signatures[1]);
  BOOST_TEST((chain.append(twice) == Fault::signature_twice));
  BOOST_TEST((chain.append(wrong) == Fault::wrong_signature));
  BOOST_TEST((chain.append(unordered) == Fault::signatures_unordered));
  BOOST_TEST(
      (chain.append(signed_by(next_version(chain), {1, 2, 9})) == Fault::signed_by_stranger));
  // Another identity's signature under a steward's name.
  SignedCharter borrowed = signed_by(next_version(chain), {1, 9});
  const NodeId nine = identity(9).id(), two = identity(2).id();
  for (auto& signature : borrowed.signatures) {
    if (signature.steward == nine) signature.steward = two;
  }
  std::ranges::sort(borrowed.signatures, {}, &SignedCharter::Signature::steward);
  BOOST_TEST((chain.append(borrowed) == Fault::wrong_signature));
  BOOST_TEST(!chain.append(sound));
}

BOOST_AUTO_TEST_CASE(an_old_version_told_again_is_refused) {
  CharterChain chain = study();
  const SignedCharter first = chain.newest().signed_charter;
  const SignedCharter second = signed_by(next_version(chain), {1, 2});
  BOOST_TEST_REQUIRE(!chain.append(second));
  BOOST_TEST((chain.append(first) == Fault::not_newer));
  BOOST_TEST((chain.append(second) == Fault::not_newer));
  Charter rival = chain.newest().charter;
  rival.expires += 1;
  BOOST_TEST((chain.append(signed_by(rival, {1, 2})) == Fault::rival));
}

BOOST_AUTO_TEST_CASE(files_cut_joined_reordered_or_edited_are_refused_where_they_are_wrong) {
  CharterChain chain = study();
  const std::size_t one = chain.encode().size();
  BOOST_TEST_REQUIRE(!chain.append(signed_by(next_version(chain), {1, 2})));
  const Bytes file = chain.encode();
  const std::size_t magic = 20;
  for (std::size_t size = 0; size < file.size(); ++size) {
    const auto decoded = CharterChain::decode(ByteView(file).first(size));
    // What ends with a whole version is a chain, only a shorter one: the pin tells.
    BOOST_TEST(std::holds_alternative<CharterChain>(decoded) == (size == one));
  }
  for (std::size_t i = 0; i < file.size(); ++i) {
    Bytes edited = file;
    edited[i] ^= std::byte{0x20};
    BOOST_TEST(std::holds_alternative<CharterChain::Refusal>(CharterChain::decode(edited)));
  }
  const auto at = [&](std::size_t i) { return file.begin() + static_cast<std::ptrdiff_t>(i); };
  Bytes without_first(file.begin(), at(magic)), repeated = file, swapped;
  without_first.insert(without_first.end(), at(one), file.end());
  repeated.insert(repeated.end(), at(one), file.end());
  swapped = without_first;
  swapped.insert(swapped.end(), at(magic), at(one));
  BOOST_TEST((refusal_of(without_first).fault == Fault::not_the_first));
  BOOST_TEST((refusal_of(swapped).fault == Fault::not_the_first));
  BOOST_TEST((refusal_of(repeated).fault == Fault::not_newer));
  BOOST_TEST(refusal_of(repeated).number == 3U);
  BOOST_TEST((refusal_of(ByteView(file).first(magic)).fault == Fault::no_versions));
}

BOOST_AUTO_TEST_CASE(a_diff_names_all_that_changed) {
  const Charter before = first_version({1, 2, 3}, 2);
  Charter after = before;
  std::erase_if(after.members, [](const Member& m) { return m.name == "m1" || m.name == "m2"; });
  after.members[0].addresses = {"elsewhere:1"};
  after.members.push_back(member(4));
  after.stewards = {steward(1)};
  after.threshold = 1;
  after.expires += 1;
  const CharterDiff changes = diff(before, ordered(after));
  BOOST_TEST(changes.removed.size() == 2U);
  BOOST_TEST_REQUIRE(changes.added.size() == 1U);
  BOOST_TEST(changes.added[0].name == "m4");
  BOOST_TEST_REQUIRE(changes.changed.size() == 1U);
  BOOST_TEST(changes.changed[0].second.addresses[0] == "elsewhere:1");
  BOOST_TEST(changes.stewards_removed.size() == 2U);
  BOOST_TEST((changes.threshold == std::pair{2U, 1U}));
  BOOST_TEST((changes.expires == std::pair{kExpires, kExpires + 1}));
}

BOOST_AUTO_TEST_CASE(rivals_convict_who_signed_both_and_leave_the_members_of_both) {
  CharterChain one = study(), other = study();
  Charter expels = next_version(one), admits = expels;
  std::erase_if(expels.members, [](const Member& m) { return m.name == "m3"; });
  admits.members.push_back(member(4));
  const SignedCharter a = signed_by(expels, {1, 2}), b = signed_by(ordered(admits), {2, 3});
  BOOST_TEST_REQUIRE(!one.append(a));
  BOOST_TEST(!find_fork(one, other));  // one continues the other
  BOOST_TEST_REQUIRE(!other.append(b));
  const auto fork = find_fork(one, other);
  BOOST_TEST_REQUIRE(fork.has_value());
  BOOST_TEST(fork->number == 2U);
  BOOST_TEST((fork->signed_twice == std::vector{identity(2).id()}));
  BOOST_TEST(fork->members.size() == 2U);
  BOOST_TEST((one.append(signed_by(next_version(other), {1, 2})) == Fault::wrong_previous));
}

// Three stewards, two of whom must sign; the second signs both.
BOOST_AUTO_TEST_CASE(
    of_rivals_that_one_prevails_behind_which_a_quorum_stands_without_the_convicted) {
  using Side = CharterFork::Side;
  CharterChain one = study(), other = study();
  extend(one, kExpires + 1, {1, 2});
  extend(other, kExpires + 2, {2, 3});
  const auto prevails = [&] { return find_fork(one, other)->prevails; };
  BOOST_TEST((prevails() == Side::neither));
  CharterChain more = other;
  extend(more, kExpires + 3, {2, 3});  // the same two again
  BOOST_TEST((find_fork(one, more)->prevails == Side::neither));
  extend(one, kExpires + 4, {1, 3});  // the third was deceived, and comes over
  BOOST_TEST((prevails() == Side::one));
  BOOST_TEST((find_fork(other, one)->prevails == Side::other));
  extend(other, kExpires + 5, {1, 3});  // both, on both sides
  BOOST_TEST((prevails() == Side::neither));
}

BOOST_AUTO_TEST_CASE(nothing_prevails_where_the_only_steward_is_convicted) {
  CharterChain one;
  BOOST_TEST_REQUIRE(!one.append(signed_by(first_version({1}, 1), {1})));
  CharterChain other = one;
  extend(one, kExpires + 1, {1});
  extend(other, kExpires + 2, {1});
  extend(one, kExpires + 3, {1});
  BOOST_TEST((find_fork(one, other)->prevails == CharterFork::Side::neither));
  CharterChain elsewhere;  // another beginning
  BOOST_TEST_REQUIRE(!elsewhere.append(signed_by(first_version({2}, 1), {2})));
  BOOST_TEST((find_fork(one, elsewhere)->prevails == CharterFork::Side::neither));
}

BOOST_AUTO_TEST_CASE(nobody_is_convicted_by_what_he_did_not_sign) {
  const CharterChain chain = study();
  Charter other = next_version(chain);
  other.expires += 1;
  const SignedCharter a = signed_by(next_version(chain), {1, 2});
  SignedCharter b = signed_by(other, {1, 2});
  BOOST_TEST(signed_twice(a, b).size() == 2U);
  BOOST_TEST(signed_twice(a, a).empty());
  b.signatures[0].signature = a.signatures[0].signature;
  BOOST_TEST(signed_twice(a, b).size() == 1U);
  other.previous[0] ^= std::byte{1};
  BOOST_TEST(signed_twice(a, signed_by(other, {1, 2})).empty());
}

BOOST_AUTO_TEST_CASE(age_has_a_warning_before_and_a_grace_after) {
  const Charter charter = first_version({1}, 1);
  const auto age_at = [&](std::int64_t after) {
    return age(charter, std::chrono::system_clock::time_point(
                            std::chrono::seconds(static_cast<std::int64_t>(kExpires) + after)));
  };
  constexpr std::int64_t kDay = 86'400;
  BOOST_TEST((age_at(-30 * kDay - 1) == CharterAge::valid));
  BOOST_TEST((age_at(-30 * kDay) == CharterAge::expiring));
  BOOST_TEST((age_at(-1) == CharterAge::expiring));
  BOOST_TEST((age_at(0) == CharterAge::grace));
  BOOST_TEST((age_at(14 * kDay - 1) == CharterAge::grace));
  BOOST_TEST((age_at(14 * kDay) == CharterAge::expired));
  BOOST_TEST((age(charter, {}) == CharterAge::valid));
}

BOOST_AUTO_TEST_CASE(a_full_consortium_fits) {
  Charter charter = first_version({1}, 1);
  charter.members.clear();
  for (int i = 0; i < 512; ++i) {
    Member one = member(1);
    one.id.key[30] = one.channel[30] = static_cast<std::byte>(i / 256);
    one.id.key[31] = one.channel[31] = static_cast<std::byte>(i);
    one.name = "hospital-" + std::to_string(i);
    one.addresses = {"kith.h" + std::to_string(i) + ".example:7700"};
    charter.members.push_back(one);
  }
  BOOST_TEST(!problem(ordered(charter)));
}

// Random histories. Stewards below the threshold are malicious and sign whatever they are shown;
// the honest sign one version for each number and predecessor. Proposals come to random groups of
// them.
BOOST_DATA_TEST_CASE(rival_charters_convict_a_malicious_steward, data::xrange(150), seed) {
  std::mt19937 chance(static_cast<unsigned>(seed));
  const auto pick = [&](int below) {
    return static_cast<int>(chance() % static_cast<unsigned>(below));
  };
  const int stewards = 1 + pick(5);
  std::vector<int> all;
  for (int i = 1; i <= stewards; ++i) all.push_back(i);
  const int threshold = stewards / 2 + 1 + pick(stewards - stewards / 2);
  const int malicious = pick(threshold);  // 1 ... malicious are
  std::vector<CharterChain> chains(1);
  BOOST_TEST_REQUIRE(
      !chains[0].append(signed_by(first_version(all, static_cast<std::uint32_t>(threshold)), all)));
  using Place = std::tuple<int, std::uint64_t, Hash>;
  std::map<Place, Hash> ledger;
  for (int step = 0; step < 40; ++step) {
    CharterChain chain = chains[static_cast<std::size_t>(pick(static_cast<int>(chains.size())))];
    Charter charter = next_version(chain);
    charter.expires += static_cast<std::uint64_t>(1 + step);
    if (pick(2) == 0) charter.threshold = static_cast<std::uint32_t>(stewards / 2 + 1);
    const auto id = unsigned_charter(charter).id();
    std::vector<int> signers;
    for (const int i : all) {
      const bool honest = i > malicious;
      if (pick(3) == 0) continue;  // he was not asked, or it was lost on the way
      const auto entry = honest
                             ? ledger.try_emplace({i, charter.number, charter.previous}, id).first
                             : ledger.end();
      if (!honest || entry->second == id) signers.push_back(i);
    }
    const std::uint32_t needed = std::max(chain.newest().charter.threshold, charter.threshold);
    const auto fault = chain.append(signed_by(charter, signers));
    BOOST_TEST(fault.has_value() == (signers.size() < needed));
    if (!fault) chains.push_back(chain);
  }
  for (const CharterChain& one : chains) {
    for (const CharterChain& other : chains) {
      const auto fork = find_fork(one, other);
      if (!fork) continue;
      BOOST_TEST(!fork->signed_twice.empty());
      for (const NodeId& accused : fork->signed_twice) {
        const auto is = [&](int i) { return identity(i).id() == accused; };
        const auto who = std::ranges::find_if(all, is);
        BOOST_TEST_REQUIRE((who != all.end()));
        BOOST_TEST(*who <= malicious);
      }
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace charter_test
