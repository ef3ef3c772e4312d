#include "net/asio/applicant.hpp"

#include "tests/charters.hpp"
#include "tests/net/loopback.hpp"

#include <boost/test/unit_test.hpp>

namespace applicant_test {

using namespace kith;
using namespace kith::net;

/// Bob, the only member and steward, expects somebody; alice is that one.
struct Invited : Loopback {
  std::optional<Application> result;
  std::string address = free_address(io);

  void start_bob() { bob.start(io, record, {address}); }
  /// Bob's host answers so, and follows a charter with or without alice.
  void expect(Admission::State state, bool admitted) {
    record = consortium({{&bob, {address}}});
    if (admitted) {
      Charter second = test::next_version(record.chain);
      second.members.push_back(alice.member());
      SignedCharter version = unsigned_charter(test::ordered(second));
      sign(version, bob.identity());
      BOOST_TEST_REQUIRE(!record.chain.append(version));
      record.cards.push_back(alice.card(record.chain.founded()));
    }
    bob.answers_applicants = Admission{.state = state,
                                       .why = "because",
                                       .place = {record.chain.newest().charter.number,
                                                 record.chain.newest().id},
                                       .task = "[task]"};
    start_bob();
  }
  Invite invite() const {
    Invite made;
    made.consortium = "ours";
    made.founded = record.chain.founded();
    made.known = {1, made.founded};
    made.inviter = bob.identity().id();
    made.channel = bob.channel().public_key();
    made.name = "bob";
    made.addresses = {address};
    return made;
  }
  void apply(const Invite& invitation, std::optional<Card> card = std::nullopt) {
    if (!card) card = alice.card(record.chain.founded());
    asio::any_io_executor executor = io.get_executor();
    asio::co_spawn(io, net::apply(executor, alice.channel(), invitation, *card),
                   [this](std::exception_ptr error, Application application) {
                     BOOST_TEST(!error);
                     result = std::move(application);
                   });
    BOOST_TEST_REQUIRE(run_until([&] { return result.has_value(); }));
  }
};

BOOST_FIXTURE_TEST_SUITE(applicant_tests, Invited)

BOOST_AUTO_TEST_CASE(who_waits_is_told_of_what_and_gets_nothing_else) {
  expect(Admission::State::waiting, false);
  apply(invite());
  BOOST_TEST(result->trouble == "");
  BOOST_TEST((result->admission.state == Admission::State::waiting));
  BOOST_TEST(result->admission.why == "because");
  BOOST_TEST(result->charter.empty());
  BOOST_TEST(has(bob.events, "applied alice"));
}

BOOST_AUTO_TEST_CASE(who_is_admitted_gets_the_charter_verified_from_its_foundation) {
  expect(Admission::State::admitted, true);
  apply(invite());
  BOOST_TEST(result->trouble == "");
  BOOST_TEST_REQUIRE(!result->charter.empty());
  BOOST_TEST((result->charter.newest().id == record.chain.newest().id));
  BOOST_TEST(result->cards.size() == 2U);
  BOOST_TEST(result->admission.task == "[task]");
}

BOOST_AUTO_TEST_CASE(charter_of_another_foundation_is_not_taken) {
  expect(Admission::State::admitted, true);
  Invite wrong = invite();
  wrong.founded[0] ^= std::byte{1};
  apply(wrong);
  BOOST_TEST(result->trouble.find("authenticated") != std::string::npos, result->trouble);
  BOOST_TEST(result->charter.empty());
}

// Long-range attack on a newcomer: somebody has the keys of stewards of long ago.
BOOST_AUTO_TEST_CASE(charter_without_the_version_that_the_invitation_names_is_not_taken) {
  expect(Admission::State::admitted, true);
  Invite wrong = invite();
  wrong.known = {2, Hash{}};
  apply(wrong);
  BOOST_TEST(result->trouble.find("lacks the version") != std::string::npos, result->trouble);
  BOOST_TEST(result->charter.empty());
}

BOOST_AUTO_TEST_CASE(charter_is_handed_to_nobody_who_is_not_in_it) {
  expect(Admission::State::admitted, false);  // says so, although it is not
  bool ended = false;
  Invite invitation = invite();
  const Card card = alice.card(record.chain.founded());
  asio::any_io_executor executor = io.get_executor();
  asio::co_spawn(io, net::apply(executor, alice.channel(), invitation, card),
                 [&](std::exception_ptr, Application) { ended = true; });
  BOOST_TEST(!run_until([&] { return ended; }, 500ms));
  bob.host().stop();
  BOOST_TEST(run_until([&] { return ended; }));
}

BOOST_AUTO_TEST_CASE(card_of_another_key_than_the_connections_is_not_heard) {
  expect(Admission::State::waiting, false);
  apply(invite(), bob.card(record.chain.founded()));
  BOOST_TEST(result->trouble != "");
  BOOST_TEST(!has(bob.events, "applied alice"));
}

BOOST_AUTO_TEST_CASE(who_is_sent_away_since_nobody_is_expected_is_told_so) {
  expect(Admission::State::waiting, false);
  bob.destroy();
  bob.answers_applicants.reset();
  start_bob();
  apply(invite());
  BOOST_TEST(result->sent_away);
  BOOST_TEST(result->trouble != "");
}

BOOST_AUTO_TEST_CASE(every_address_of_the_inviter_is_tried_and_the_last_trouble_is_told) {
  expect(Admission::State::waiting, false);
  Invite invitation = invite();
  invitation.addresses.insert(invitation.addresses.begin(), "127.0.0.1:1");
  apply(invitation);
  BOOST_TEST(result->trouble == "");
  result.reset();
  invitation.addresses = {"127.0.0.1:1"};
  apply(invitation);
  BOOST_TEST(result->trouble.find("127.0.0.1:1") != std::string::npos, result->trouble);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace applicant_test
