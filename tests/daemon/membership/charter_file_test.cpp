#include "daemon/membership/charter_file.hpp"

#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/membership/keys.hpp"
#include "tests/charters.hpp"
#include "tests/crypto_ready.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>

namespace charter_file_test {

using namespace kith;
using namespace kith::daemon;
using namespace std::chrono_literals;
using std::chrono::system_clock;
namespace fs = std::filesystem;

constexpr auto kDay = 24h;

/// A consortium of Alice, founded now.
struct Founded : CryptoReady {
  test::TemporaryDirectory folder;
  fs::path file = folder.path() / "charter.kith", keys = folder.path() / "alice.keys";
  crypto::Identity alice = crypto::Identity::generate(), bob = crypto::Identity::generate();
  system_clock::time_point now = system_clock::now();

  Founded() { found_consortium(file, "study", member("alice", alice), alice, keys, now); }

  static net::Member member(const std::string& name, const crypto::Identity& identity) {
    net::Member made;
    made.id = identity.id();
    made.channel = identity.id().key;
    made.name = name;
    return made;
  }

  /// The version after the newest one of `chain`, with Bob, expiring `later`.
  net::SignedCharter next(const net::CharterChain& chain, std::uint64_t later = 0) const {
    net::Charter charter = chain.newest().charter;
    ++charter.number;
    charter.previous = chain.newest().id;
    charter.expires += later;
    if (charter.find_member("bob") == nullptr) charter.members.push_back(member("bob", bob));
    std::ranges::sort(charter.members, {}, &net::Member::id);
    return net::unsigned_charter(charter);
  }

  net::CharterChain extended(net::CharterChain chain, std::uint64_t later = 0) const {
    net::SignedCharter version = next(chain, later);
    net::sign(version, alice);
    BOOST_TEST_REQUIRE(!chain.append(version));
    return chain;
  }

  Config config() const {
    Config made;
    made.consortium.id = "study";
    made.consortium.charter = file;
    return made;
  }

  /// What use_charter() fails with; empty if it does not.
  std::string error_of(Config made, system_clock::time_point when) const {
    try {
      use_charter(made, when);
      return "";
    } catch (const Failure& failure) {
      BOOST_TEST(made.consortium.members.empty());
      return failure.what();
    }
  }
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

BOOST_FIXTURE_TEST_SUITE(charter_file_tests, Founded)

BOOST_AUTO_TEST_CASE(members_come_from_the_newest_version) {
  Config made = config();
  use_charter(made, now);
  BOOST_TEST(made.consortium.members.size() == 1U);
  follow_charter(file, extended(load_charter(file)));
  made = config();
  use_charter(made, now);
  BOOST_TEST(made.consortium.members.size() == 2U);
}

BOOST_AUTO_TEST_CASE(a_configuration_without_a_charter_is_left_alone) {
  Config made;
  made.consortium.members = {member("bob", bob)};
  use_charter(made, now);
  BOOST_TEST(made.consortium.members.size() == 1U);
}

BOOST_AUTO_TEST_CASE(missing_damaged_and_foreign_charters_are_refused) {
  Config made = config();
  made.consortium.charter = folder.path() / "nothing.kith";
  BOOST_TEST(contains(error_of(made, now), "kith charter merge FILE"));
  made = config();
  made.consortium.id = "another";
  BOOST_TEST(contains(error_of(made, now), "is the charter of \"study\""));
  made = config();
  made.learning.convenor = "bob";
  BOOST_TEST(contains(error_of(made, now), "learning.convenor names \"bob\", who is not a member"));
  Bytes bytes = read_whole(file, 1 << 20).value();
  bytes[60] ^= std::byte{1};
  write_whole(file, bytes);
  BOOST_TEST(contains(error_of(config(), now), "is refused at version 1"));
  bytes.resize(70);
  write_whole(file, bytes);
  BOOST_TEST(contains(error_of(config(), now), "not all of them"));
}

BOOST_AUTO_TEST_CASE(it_expires_after_a_time_of_grace) {
  BOOST_TEST(error_of(config(), now + 365 * kDay) == "");
  BOOST_TEST(error_of(config(), now + 378 * kDay) == "");
  const std::string error = error_of(config(), now + 380 * kDay);
  BOOST_TEST(contains(error, "expired on"));
  BOOST_TEST(contains(error, "--renew"));
  BOOST_TEST(contains(error, "clock"));
}

BOOST_AUTO_TEST_CASE(there_is_no_way_back_but_the_operators_word) {
  const net::CharterChain old = load_charter(file), longer = extended(old);
  follow_charter(file, longer);
  write_whole(file, old.encode());
  BOOST_TEST(contains(error_of(config(), now), "ends before version 2"));
  write_whole(file, extended(old, 9).encode());
  BOOST_TEST(contains(error_of(config(), now), "has another version 2"));
  pin_charter(file, load_charter(file));
  BOOST_TEST(error_of(config(), now) == "");
  fs::path pin = file;
  write_whole(pin += ".pin", as_byte_view("kith-charter-pin-1 x\n"));
  BOOST_TEST(contains(error_of(config(), now), "is damaged"));
}

BOOST_AUTO_TEST_CASE(with_a_known_rival_only_the_members_of_both_count) {
  const net::CharterChain first = load_charter(file);
  net::CharterChain rival = first;
  net::Charter charter = first.newest().charter;
  charter.number = 2;
  charter.previous = first.newest().id;
  net::SignedCharter version = net::unsigned_charter(charter);  // without Bob
  net::sign(version, alice);
  BOOST_TEST_REQUIRE(!rival.append(version));
  follow_charter(file, extended(first));
  write_whole(rival_file(file), rival.encode());
  Config made = config();
  use_charter(made, now);
  BOOST_TEST_REQUIRE(made.consortium.members.size() == 1U);
  BOOST_TEST(made.consortium.members[0].name == "alice");
}

/// Three stewards, two of whom must sign; the second signs both rivals, the others come to stand
/// behind one.
BOOST_AUTO_TEST_CASE(a_quorum_settles_a_fork_but_does_not_undo_what_was_built_since) {
  net::CharterChain right = test::study(), wrong = right;
  test::extend(right, test::kExpires + 1, {1, 2});
  test::extend(wrong, test::kExpires + 2, {2, 3});
  const auto settle = [&](const net::CharterChain& ours, const net::CharterChain& rival) {
    fs::remove(rival_file(file));
    follow_charter(file, ours);
    keep_rival(file, rival);
    return settle_fork(file, ours);
  };
  BOOST_TEST(!settle(wrong, right).has_value());
  test::extend(right, test::kExpires + 3, {1, 3});
  BOOST_TEST((settle(right, wrong)->encode() == right.encode()));
  BOOST_TEST(!fs::exists(rival_file(file)));
  BOOST_TEST((settle(wrong, right)->encode() == right.encode()));
  BOOST_TEST((load_charter(file).encode() == right.encode()));
  test::extend(wrong, test::kExpires + 4, {2, 3});  // somebody has gone on with it
  BOOST_TEST(!settle(wrong, right).has_value());
  BOOST_TEST((load_charter(file).encode() == wrong.encode()));
}

BOOST_AUTO_TEST_CASE(who_was_a_member_once_and_is_named_by_the_configuration_stops_nobody) {
  net::CharterChain chain = extended(load_charter(file));
  net::Charter charter = chain.newest().charter;
  charter.number = 3;
  charter.previous = chain.newest().id;
  std::erase_if(charter.members, [](const auto& each) { return each.name == "bob"; });
  net::SignedCharter without_bob = net::unsigned_charter(charter);
  net::sign(without_bob, alice);
  follow_charter(file, chain);
  Config made = config();
  made.learning.convenor = "bob";
  made.learning.oracle_group = {"alice", "bob"};
  const Config configured = made;
  use_charter(made, now);
  BOOST_TEST(made.learning.convenor == "bob");
  BOOST_TEST_REQUIRE(!chain.append(without_bob));
  follow_charter(file, chain);
  made = configured;
  use_charter(made, now);
  BOOST_TEST(made.learning.convenor == "");
  BOOST_TEST(made.learning.oracle_group == std::vector<std::string>{"alice"},
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_key_signs_one_version_of_a_number_and_says_which_it_signed_before) {
  const net::CharterChain chain = load_charter(file);
  net::SignedCharter one = next(chain), other = next(chain, 9);
  sign_once(one, chain, alice, keys, "one.proposal");
  sign_once(one, chain, alice, keys, "copy.proposal");  // the same once more
  BOOST_TEST(one.signatures.size() == 1U);
  const auto names_the_first = [](const Failure& failure) {
    return failure.code() == EX_NOPERM && contains(failure.what(), "one.proposal") &&
           contains(failure.what(), "another version 2");
  };
  BOOST_CHECK_EXCEPTION(sign_once(other, chain, alice, keys, "other.proposal"), Failure,
                        names_the_first);
  BOOST_TEST(other.signatures.empty());
  const net::CharterChain longer = extended(chain);
  net::SignedCharter third = next(longer);
  sign_once(third, longer, alice, keys, "third.proposal");
  BOOST_TEST(third.signatures.size() == 1U);
}

/// Stewards who sign on both sides of a fork unawares could keep it open for ever.
BOOST_AUTO_TEST_CASE(a_key_signs_upon_no_rival_of_what_it_signed_unless_that_is_given_up) {
  const net::CharterChain chain = load_charter(file);
  net::SignedCharter one = next(chain);
  sign_once(one, chain, alice, keys, "one.proposal");
  net::CharterChain with_it = chain;
  BOOST_TEST_REQUIRE(!with_it.append(one));
  const net::CharterChain rival = extended(chain, 9);
  net::SignedCharter upon_rival = next(rival);
  const auto names_it = [](const Failure& failure) {
    return failure.code() == EX_NOPERM && contains(failure.what(), "one.proposal") &&
           contains(failure.what(), "another version 2") && contains(failure.what(), "--given-up");
  };
  BOOST_CHECK_EXCEPTION(sign_once(upon_rival, rival, alice, keys, "third.proposal"), Failure,
                        names_it);
  BOOST_TEST(upon_rival.signatures.empty());
  sign_once(upon_rival, rival, alice, keys, "third.proposal", true);
  BOOST_TEST(upon_rival.signatures.size() == 1U);
  net::CharterChain longer = rival;
  BOOST_TEST_REQUIRE(!longer.append(upon_rival));
  net::SignedCharter fourth = next(longer);
  sign_once(fourth, longer, alice, keys, "fourth.proposal");  // asked once is enough
  BOOST_TEST(fourth.signatures.size() == 1U);
  const net::CharterChain left = extended(with_it);
  net::SignedCharter back = next(left);
  BOOST_CHECK_THROW(sign_once(back, left, alice, keys, "back.proposal"), Failure);
}

BOOST_AUTO_TEST_CASE(a_second_consortium_may_be_founded_with_the_same_key) {
  const fs::path second = folder.path() / "second.kith";
  found_consortium(second, "second", member("alice", alice), alice, keys, now);
  BOOST_CHECK_THROW(
      found_consortium(second, "study", member("alice", alice), alice, keys, now + kDay), Failure);
}

BOOST_AUTO_TEST_CASE(nothing_is_signed_with_a_damaged_ledger) {
  const net::CharterChain chain = load_charter(file);
  net::SignedCharter one = next(chain);
  fs::path ledger = keys;
  write_whole(ledger += ".signed", as_byte_view("{\"place\":\n"));
  BOOST_CHECK_THROW(sign_once(one, chain, alice, keys, "one.proposal"), Failure);
  BOOST_TEST(one.signatures.empty());
}

BOOST_AUTO_TEST_CASE(proposals_are_told_from_charters_and_read_back) {
  const fs::path path = folder.path() / "charter-2.proposal";
  const net::SignedCharter proposal = next(load_charter(file));
  save_proposal(path, proposal);
  BOOST_TEST(is_proposal(path));
  BOOST_TEST(!is_proposal(file));
  BOOST_TEST((load_proposal(path).body == proposal.body));
  BOOST_CHECK_THROW((void)load_proposal(file), Failure);
}

BOOST_AUTO_TEST_CASE(other_members_are_noticed_while_a_node_runs_and_damage_is_not_followed) {
  using Change = CharterWatch::Change;
  CharterWatch watch(config());
  BOOST_TEST(watch.follow(now).consortium.members.size() == 1U);
  BOOST_TEST((watch.look(now) == Change::none));
  const auto replace = [&](ByteView bytes) {  // a tick of the file system's clock later
    const auto before = fs::last_write_time(file);
    write_whole(file, bytes);
    fs::last_write_time(file, before + 1s);
  };
  const net::CharterChain first = load_charter(file), second = extended(first);
  replace(as_byte_view("damage"));
  BOOST_TEST((watch.look(now) == Change::none));
  replace(second.encode());
  BOOST_TEST((watch.look(now) == Change::node));
  BOOST_TEST(watch.follow(now).consortium.members.size() == 2U);
  replace(first.encode());  // an older one
  BOOST_TEST((watch.look(now) == Change::none));
  replace(extended(second, 86'400).encode());  // the same members
  BOOST_TEST((watch.look(now) == Change::files));
  BOOST_TEST((watch.look(now + 23h) == Change::none));
  BOOST_CHECK_THROW((void)watch.look(now + 400 * kDay), Failure);
}

BOOST_AUTO_TEST_CASE(keys_that_change_or_whose_overlap_is_over_make_the_node_anew) {
  using Change = CharterWatch::Change;
  Config with_keys = config();
  with_keys.node.keys = folder.path() / "node.keys";
  (void)crypto::create_key_file(with_keys.node.keys);
  const fs::path former = former_keys(with_keys.node.keys);
  CharterWatch watch(with_keys);
  (void)watch.follow(now);
  BOOST_TEST((watch.look(now) == Change::none));
  (void)renew_keys(with_keys.node.keys);
  const auto charter = read_whole(file, 1 << 20).value();
  write_whole(file, as_byte_view("damage"));
  BOOST_TEST((watch.look(now) == Change::none));
  write_whole(file, charter);
  BOOST_TEST((watch.look(now + 2min) == Change::node));  // it is not forgotten meanwhile
  (void)watch.follow(now);
  BOOST_TEST((watch.look(now) == Change::none));
  BOOST_TEST((watch.look(now + 13 * kDay) == Change::files));
  BOOST_TEST((watch.look(now + 15 * kDay) == Change::node));
}

BOOST_AUTO_TEST_CASE(what_an_operator_decides_against_is_remembered_until_he_changes_his_mind) {
  const net::CharterChain ours = extended(load_charter(file));
  const net::CharterChain theirs = extended(load_charter(file), 86'400);
  follow_charter(file, ours);
  keep_rival(file, theirs);
  BOOST_TEST(known_charters(file).rival.has_value());
  using net::Verdict;
  decide_for(file, ours, Verdict::outvoted);
  BOOST_TEST(!known_charters(file).rival.has_value());
  const auto& other = theirs.newest().id;
  BOOST_TEST((known_charters(file).verdicts == net::Verdicts{{other, Verdict::outvoted}}));
  keep_rival(file, theirs);
  decide_for(file, ours, Verdict::refused);
  BOOST_TEST((known_charters(file).verdicts == net::Verdicts{{other, Verdict::refused}}));
  keep_rival(file, theirs);
  decide_for(file, ours, Verdict::outvoted);  // no quorum undoes what an operator decided
  BOOST_TEST((known_charters(file).verdicts == net::Verdicts{{other, Verdict::refused}}));
  decide_for(file, theirs, Verdict::refused);
  BOOST_TEST(
      (known_charters(file).verdicts == net::Verdicts{{ours.newest().id, Verdict::refused}}));
  BOOST_TEST((known_charters(file).chain.newest().id == theirs.newest().id));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace charter_file_test
