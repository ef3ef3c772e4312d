#include "daemon/membership/proposal.hpp"

#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "tests/charters.hpp"
#include "tests/crypto_ready.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

namespace proposal_test {

using namespace kith;
using namespace kith::daemon;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

struct Steward : CryptoReady {
  test::TemporaryDirectory folder;
  fs::path key = folder.path() / "node.key";
  crypto::Identity alice = test::identity(1);
  net::CharterChain chain;
  std::chrono::system_clock::time_point now = std::chrono::system_clock::now();

  Steward() { BOOST_TEST_REQUIRE(!chain.append(test::signed_by(test::first_version({1}, 1), {1}))); }

  [[nodiscard]] net::SignedCharter next(const net::CharterChain& after, unsigned days) const {
    return net::unsigned_charter(next_version(after, {.renew = 24h * days}, now));
  }
  [[nodiscard]] std::string refusal(const CharterChanges& changes) const {
    try {
      (void)next_version(chain, changes, now);
      return "";
    } catch (const Failure& failure) {
      BOOST_TEST(failure.code() == EX_USAGE);
      return failure.what();
    }
  }
};

BOOST_FIXTURE_TEST_SUITE(proposal_tests, Steward)

BOOST_AUTO_TEST_CASE(next_version_has_what_was_asked_and_more_than_half_must_sign) {
  const net::Charter charter = next_version(
      chain, {.add = {test::member(7)}, .remove = {"m2"}, .steward_add = {test::steward(7)}}, now);
  BOOST_TEST(charter.number == 2U);
  BOOST_TEST((charter.previous == chain.newest().id));
  BOOST_TEST(charter.find_member("m7") != nullptr);
  BOOST_TEST(charter.find_member("m2") == nullptr);
  BOOST_TEST(charter.stewards.size() == 2U);
  BOOST_TEST(charter.threshold == 2U);
}

BOOST_AUTO_TEST_CASE(changes_that_cannot_be_are_refused_with_what_there_is) {
  BOOST_TEST(contains(refusal({}), "changes nothing"));
  BOOST_TEST(contains(refusal({.remove = {"nobody"}}), "there are: "));
  BOOST_TEST(contains(refusal({.steward_remove = {"s1"}}), "refused"));
  BOOST_TEST(contains(refusal({.threshold = 9}), "refused"));
  BOOST_TEST(contains(refusal({.add = {{test::identity(9).id(), "m1"}}}), "refused"));
}

BOOST_AUTO_TEST_CASE(a_proposal_may_take_in_as_many_as_a_consortium_can_have) {
  CharterChanges changes;
  Proposal proposal;
  for (int number = 100; number < 300; ++number) {
    changes.add.push_back(test::member(number));
    proposal.cards.push_back(test::card(number, chain.founded()));
  }
  proposal.version = net::unsigned_charter(next_version(chain, changes, now));
  const Proposal read = parse_proposal(encode_proposal(proposal), "a.proposal");
  BOOST_TEST(read.cards.size() == 200U);
  BOOST_TEST((read.version.id() == proposal.version.id()));
}

BOOST_AUTO_TEST_CASE(a_key_signs_one_version_of_a_number_and_says_which_it_signed_before) {
  net::SignedCharter one = next(chain, 1), other = next(chain, 2);
  sign_once(one, chain, alice, key, "one.proposal");
  sign_once(one, chain, alice, key, "copy.proposal");  // the same once more
  BOOST_TEST(one.signatures.size() == 1U);
  const auto names_the_first = [](const Failure& failure) {
    return failure.code() == EX_NOPERM && contains(failure.what(), "one.proposal") &&
           contains(failure.what(), "another version 2") && contains(failure.what(), "--given-up");
  };
  BOOST_CHECK_EXCEPTION(sign_once(other, chain, alice, key, "other.proposal"), Failure,
                        names_the_first);
  BOOST_TEST(other.signatures.empty());
  sign_once(other, chain, alice, key, "other.proposal", true);
  BOOST_TEST(other.signatures.size() == 1U);
  // From now on that is the one.
  BOOST_CHECK_THROW(sign_once(one, chain, alice, key, "one.proposal"), Failure);
}

BOOST_AUTO_TEST_CASE(number_was_signed_whichever_version_it_follows) {
  net::CharterChain rival = chain;
  net::SignedCharter second = next(chain, 1), other = next(chain, 2);
  net::sign(other, alice);
  BOOST_TEST_REQUIRE(!rival.append(other));
  sign_once(second, chain, alice, key, "second.proposal");
  net::CharterChain ours = chain;
  BOOST_TEST_REQUIRE(!ours.append(second));
  net::SignedCharter third = next(ours, 3), third_of_rival = next(rival, 4);
  sign_once(third, ours, alice, key, "third.proposal");
  BOOST_CHECK_THROW(sign_once(third_of_rival, rival, alice, key, "rival.proposal"), Failure);
}

BOOST_AUTO_TEST_CASE(consortia_that_were_founded_otherwise_have_numbers_of_their_own) {
  net::SignedCharter one = net::unsigned_charter(founding_version("study", test::member(1), now));
  net::SignedCharter other = net::unsigned_charter(founding_version("other", test::member(1), now));
  sign_once(one, {}, alice, key, "one.kith");
  sign_once(other, {}, alice, key, "other.kith");
  BOOST_TEST(other.signatures.size() == 1U);
}

BOOST_AUTO_TEST_CASE(nothing_is_signed_with_a_damaged_ledger) {
  net::SignedCharter one = next(chain, 1);
  fs::path ledger = key;
  write_whole(ledger += ".signed", as_byte_view("{\"place\":\n"));
  BOOST_CHECK_THROW(sign_once(one, chain, alice, key, "one.proposal"), Failure);
  BOOST_TEST(one.signatures.empty());
}

BOOST_AUTO_TEST_CASE(proposals_are_told_from_charters_and_read_back_with_their_cards) {
  const fs::path path = folder.path() / "charter-2.proposal";
  const Proposal proposal{next(chain, 1), {test::card(7, chain.founded())}};
  save_proposal(path, proposal);
  BOOST_TEST(is_proposal(encode_proposal(proposal)));
  BOOST_TEST(!is_proposal(as_byte_view("kith charter file 2\n")));
  const Proposal found = load_proposal(path);
  BOOST_TEST((found.version.body == proposal.version.body));
  BOOST_TEST((found.cards == proposal.cards));
  Bytes bytes = read_whole(path, 1 << 20).value();
  bytes[bytes.size() - 1] ^= std::byte{1};  // of the card's signature
  write_whole(path, bytes);
  BOOST_CHECK_THROW((void)load_proposal(path), Failure);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace proposal_test
