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

std::vector<SignedCharter> versions_of(const CharterChain& chain) {
  std::vector<SignedCharter> versions;
  for (const auto& version : chain.versions()) versions.push_back(version.signed_charter);
  return versions;
}

CharterChain::Refusal refusal_of(std::vector<SignedCharter> versions) {
  const auto verified = CharterChain::verified(std::move(versions));
  BOOST_TEST_REQUIRE(std::holds_alternative<CharterChain::Refusal>(verified));
  return std::get<CharterChain::Refusal>(verified);
}

bool same(const CharterChain& one, const CharterChain& other) {
  return one.versions().size() == other.versions().size() &&
         one.newest().id == other.newest().id;
}

BOOST_FIXTURE_TEST_SUITE(charter_tests, CryptoReady)

BOOST_AUTO_TEST_CASE(versions_one_after_the_other_are_verified_anew) {
  CharterChain chain = study();
  Charter second = next_version(chain);
  second.members.push_back(member(4));
  BOOST_TEST_REQUIRE(!chain.append(signed_by(ordered(second), {2, 3})));
  const auto again = CharterChain::verified(versions_of(chain));
  BOOST_TEST_REQUIRE(std::holds_alternative<CharterChain>(again));
  BOOST_TEST((std::get<CharterChain>(again).newest().charter == ordered(second)));
  BOOST_TEST((chain.founded() == study().newest().id));
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
  check(Fault::newer_format, [](Charter& c) { c.format = 3; });
  check(Fault::older_format, [](Charter& c) { c.format = 1; });
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
  check(Fault::name_twice, [](Charter& c) { c.members[0].name = c.members[1].name; });
  check(Fault::name_twice, [](Charter& c) { c.stewards[0].name = c.stewards[1].name; });
  check(Fault::name_twice, [](Charter& c) {  // what people take for the same
    c.members[0].name = "Ward";
    c.members[1].name = "ward";
  });
  for (const char* bad : {"", "a\nb", "\xc3", "\xed\xa0\x80", "\xc2\x85", "\xf5\x80\x80\x80"}) {
    check(Fault::bad_name, [&](Charter& c) { c.members[0].name = bad; });
    check(Fault::bad_name, [&](Charter& c) { c.stewards[0].name = bad; });
  }
}

BOOST_AUTO_TEST_CASE(no_charter_has_more_than_512_members) {
  Charter charter = first_version({1}, 1);
  charter.members.clear();
  for (int i = 0; i < 513; ++i) charter.members.push_back(member(i));
  charter = ordered(charter);
  BOOST_TEST((problem(charter) == Fault::no_members));
  charter.members.pop_back();
  BOOST_TEST(!problem(charter));
}

BOOST_AUTO_TEST_CASE(no_charter_has_more_than_1024_versions_or_32_mebibytes) {
  CharterChain chain;
  BOOST_TEST_REQUIRE(!chain.append(signed_by(first_version({1}, 1), {1})));
  while (chain.versions().size() < limits::kCharterVersions) extend(chain, kExpires, {1});
  BOOST_TEST((chain.append(signed_by(next_version(chain), {1})) == Fault::too_many_versions));

  Charter large = first_version({1}, 1);
  for (int i = 4; i <= 512; ++i) {
    large.members.push_back(member(i));
    large.members.back().name = std::string(58, 'x') + std::to_string(100'000 + i);
  }
  CharterChain heavy;
  BOOST_TEST_REQUIRE(!heavy.append(signed_by(ordered(large), {1})));
  const std::size_t one = heavy.newest().signed_charter.size();
  const std::size_t most = limits::kCharterFile / one;
  BOOST_TEST_REQUIRE(most < limits::kCharterVersions);
  while (heavy.versions().size() < most) extend(heavy, kExpires, {1});
  BOOST_TEST((heavy.append(signed_by(next_version(heavy), {1})) == Fault::too_many_versions));
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

BOOST_AUTO_TEST_CASE(versions_that_lack_repeat_or_reorder_some_are_refused_where_they_are_wrong) {
  CharterChain chain = study();
  BOOST_TEST_REQUIRE(!chain.append(signed_by(next_version(chain), {1, 2})));
  const auto versions = versions_of(chain);
  BOOST_TEST((refusal_of({versions[1]}).fault == Fault::not_the_first));
  BOOST_TEST((refusal_of({versions[1], versions[0]}).fault == Fault::not_the_first));
  BOOST_TEST((refusal_of({versions[0], versions[1], versions[1]}).fault == Fault::not_newer));
  BOOST_TEST(refusal_of({versions[0], versions[1], versions[1]}).number == 3U);
  BOOST_TEST((refusal_of({}).fault == Fault::no_versions));
}

BOOST_AUTO_TEST_CASE(a_diff_names_all_that_changed) {
  const Charter before = first_version({1, 2, 3}, 2);
  Charter after = before;
  std::erase_if(after.members, [](const Member& m) { return m.name == "m1" || m.name == "m2"; });
  after.members[0].name = "Ward 3";
  after.members.push_back(member(4));
  after.stewards = {steward(1)};
  after.threshold = 1;
  after.expires += 1;
  const CharterDiff changes = diff(before, ordered(after));
  BOOST_TEST(changes.removed.size() == 2U);
  BOOST_TEST_REQUIRE(changes.added.size() == 1U);
  BOOST_TEST(changes.added[0].name == "m4");
  BOOST_TEST_REQUIRE(changes.renamed.size() == 1U);
  BOOST_TEST(changes.renamed[0].first.name == "m3");
  BOOST_TEST(changes.renamed[0].second.name == "Ward 3");
  BOOST_TEST(changes.stewards_removed.size() == 2U);
  BOOST_TEST((changes.threshold == std::pair{2U, 1U}));
  BOOST_TEST((changes.expires == std::pair{kExpires, kExpires + 1}));
}

// --- Rivals ------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_chain_is_shorter_longer_or_the_same_or_of_another_consortium) {
  const CharterChain one = study();
  CharterChain longer = one, elsewhere;
  extend(longer, kExpires + 1, {1, 2});
  BOOST_TEST_REQUIRE(!elsewhere.append(signed_by(first_version({2}, 1), {2})));
  BOOST_TEST((relation(one, one) == ChainRelation::same));
  BOOST_TEST((relation(one, longer) == ChainRelation::longer));
  BOOST_TEST((relation(longer, one) == ChainRelation::shorter));
  BOOST_TEST((relation(one, elsewhere) == ChainRelation::stranger));
}

// Three stewards, two of whom must sign; the second signs both.
BOOST_AUTO_TEST_CASE(of_rivals_of_one_number_each_node_keeps_its_own_and_the_signers_are_convicted) {
  CharterChain one = study(), other = study();
  Charter expels = next_version(one), admits = expels;
  std::erase_if(expels.members, [](const Member& m) { return m.name == "m3"; });
  admits.members.push_back(member(4));
  const SignedCharter a = signed_by(expels, {1, 2}), b = signed_by(ordered(admits), {2, 3});
  BOOST_TEST_REQUIRE(!one.append(a));
  BOOST_TEST_REQUIRE(!other.append(b));
  BOOST_TEST((relation(one, other) == ChainRelation::rival));
  BOOST_TEST((relation(other, one) == ChainRelation::rival));
  BOOST_TEST((signed_twice(a, b) == std::vector{identity(2).id()}));
  BOOST_TEST(common_versions(one, other) == 1U);
  BOOST_TEST((one.append(signed_by(next_version(other), {1, 2})) == Fault::wrong_previous));
}

BOOST_AUTO_TEST_CASE(the_next_number_that_a_quorum_of_present_stewards_signs_outranks) {
  CharterChain one = study(), other = study();
  extend(one, kExpires + 1, {1, 2});
  extend(other, kExpires + 2, {2, 3});
  CharterChain next = one;
  extend(next, kExpires + 3, {1, 3});  // the third was deceived, and comes over
  BOOST_TEST((relation(other, next) == ChainRelation::outranks));
  BOOST_TEST((relation(next, other) == ChainRelation::rival));
  extend(other, kExpires + 4, {2, 3});  // both went on: nobody moves before the number after that
  BOOST_TEST((relation(other, next) == ChainRelation::rival));
  BOOST_TEST((relation(next, other) == ChainRelation::rival));
  extend(next, kExpires + 5, {1, 3});
  BOOST_TEST((relation(other, next) == ChainRelation::outranks));
}

// Long-range attacks: all keys that were ever enough, in one hand.
BOOST_AUTO_TEST_CASE(keys_of_former_stewards_move_nobody_who_knows_that_they_are_former) {
  CharterChain ours;
  BOOST_TEST_REQUIRE(!ours.append(signed_by(first_version({1}, 1), {1})));
  const CharterChain founded = ours;
  Charter hands_over = next_version(ours);
  hands_over.stewards = {steward(2), steward(3)};
  hands_over.threshold = 2;
  BOOST_TEST_REQUIRE(!ours.append(signed_by(ordered(hands_over), {1, 2, 3})));
  for (const std::size_t length : {2U, 3U, 9U}) {
    CharterChain rival = founded;  // the founder, whose key was stolen
    while (rival.versions().size() < length) extend(rival, kExpires + length, {1});
    BOOST_TEST((relation(ours, rival) == ChainRelation::rival));
  }
  CharterChain theirs = founded;  // with one of those who count now, of whom two must sign
  Charter mixed = next_version(theirs);
  mixed.stewards = {steward(1), steward(2)};
  mixed.threshold = 2;
  BOOST_TEST_REQUIRE(!theirs.append(signed_by(ordered(mixed), {1, 2})));
  extend(theirs, kExpires + 7, {1, 2});
  extend(theirs, kExpires + 8, {1, 2});
  BOOST_TEST((relation(ours, theirs) == ChainRelation::rival));
}

// What they signed before our newest version was made is of a number that is not higher.
BOOST_AUTO_TEST_CASE(old_signatures_of_present_stewards_move_nobody) {
  CharterChain ours = study(), abandoned = study();
  extend(abandoned, kExpires + 1, {2, 3});
  for (std::uint64_t i = 2; i < 6; ++i) extend(ours, kExpires + i, {2, 3});
  BOOST_TEST((relation(ours, abandoned) == ChainRelation::rival));
}

BOOST_AUTO_TEST_CASE(a_longer_chain_that_an_operator_has_left_outranks_by_a_higher_number_only) {
  CharterChain ours = study(), left = study();
  for (std::uint64_t i = 1; i < 6; ++i) extend(left, kExpires + i, {2, 3});
  extend(ours, kExpires + 9, {1, 2});
  BOOST_TEST((relation(ours, left) == ChainRelation::outranks));
  BOOST_TEST((relation(ours, left, left.versions().size()) == ChainRelation::rival));
  const std::uint64_t settled = left.versions().size();
  extend(left, kExpires + 10, {2, 3});
  BOOST_TEST((relation(ours, left, settled) == ChainRelation::outranks));
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
    one.id.key[30] = static_cast<std::byte>(i / 256);
    one.id.key[31] = static_cast<std::byte>(i);
    one.name = "hospital-of-the-university-of-somewhere-" + std::to_string(i);
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
      const std::size_t common = common_versions(one, other);
      const std::size_t least = std::min(one.versions().size(), other.versions().size());
      if (common == least) continue;
      const auto convicted = signed_twice(one.versions()[common].signed_charter,
                                          other.versions()[common].signed_charter);
      BOOST_TEST(!convicted.empty());
      for (const NodeId& accused : convicted) {
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
