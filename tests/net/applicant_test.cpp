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
  CharterChain chain;

  Charter first(const Member& member) const {
    Charter charter;
    charter.consortium = "ours";
    charter.expires = 2'000'000'000;
    charter.stewards = {{bob.identity().id(), "bob"}};
    charter.members = {member};
    return charter;
  }
  void append(const Charter& charter) {
    SignedCharter version = unsigned_charter(charter);
    sign(version, bob.identity());
    BOOST_TEST_REQUIRE(!chain.append(version));
  }
  /// Bob's host answers so, and follows a charter with or without alice.
  void expect(Admission::State state, bool admitted) {
    const Consortium nobody("ours", {});
    bob.start(io, nobody);
    const Member listening = bob.member();
    bob.destroy();
    append(first(listening));
    if (admitted) {
      Charter second = test::next_version(chain);
      second.members.push_back(alice.member());
      append(test::ordered(second));
    }
    consortium.emplace("ours", chain.newest().charter.members);
    bob.answers_applicants = Admission{.state = state,
                                       .why = "because",
                                       .place = {chain.newest().charter.number, chain.newest().id},
                                       .task = "[task]"};
    bob.start(io, *consortium, false);
    bob.host().listen(listening.addresses.at(0));
    bob.host().follow(chain, std::nullopt, {});
  }
  Invite invite() const {
    Invite made;
    made.consortium = "ours";
    made.founded = chain.versions().front().id;
    made.inviter = chain.versions().front().charter.members.front();
    return made;
  }
  void apply(const Invite& invitation, std::optional<Card> card = std::nullopt) {
    if (!card) card = make_card(alice.member(), alice.identity());
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
  BOOST_TEST(!result->charter.has_value());
  BOOST_TEST(has(bob.events, "applied alice"));
}

BOOST_AUTO_TEST_CASE(who_is_admitted_gets_the_charter_verified_from_its_foundation) {
  expect(Admission::State::admitted, true);
  apply(invite());
  BOOST_TEST(result->trouble == "");
  BOOST_TEST_REQUIRE(result->charter.has_value());
  BOOST_TEST((result->charter->encode() == chain.encode()));
  BOOST_TEST(result->admission.task == "[task]");
}

BOOST_AUTO_TEST_CASE(charter_of_another_foundation_is_not_taken) {
  expect(Admission::State::admitted, true);
  Invite wrong = invite();
  wrong.founded[0] ^= std::byte{1};
  apply(wrong);
  BOOST_TEST(result->trouble.find("beginning") != std::string::npos, result->trouble);
  BOOST_TEST(!result->charter.has_value());
}

BOOST_AUTO_TEST_CASE(charter_is_handed_to_nobody_who_is_not_in_it) {
  expect(Admission::State::admitted, false);  // says so, although it is not
  bool ended = false;
  Invite invitation = invite();
  const Card card = make_card(alice.member(), alice.identity());
  asio::any_io_executor executor = io.get_executor();
  asio::co_spawn(io, net::apply(executor, alice.channel(), invitation, card),
                 [&](std::exception_ptr, Application) { ended = true; });
  BOOST_TEST(!run_until([&] { return ended; }, 500ms));
  bob.host().stop();
  BOOST_TEST(run_until([&] { return ended; }));
}

BOOST_AUTO_TEST_CASE(card_of_another_key_than_the_connections_is_not_heard) {
  expect(Admission::State::waiting, false);
  Member member = alice.member();
  member.channel[0] ^= std::byte{1};
  apply(invite(), make_card(member, alice.identity()));
  BOOST_TEST(result->trouble != "");
  BOOST_TEST(!has(bob.events, "applied alice"));
}

BOOST_AUTO_TEST_CASE(who_is_sent_away_since_nobody_is_expected_is_told_so) {
  expect(Admission::State::waiting, false);
  const std::string address = bob.host().listening().at(0);
  bob.destroy();
  bob.answers_applicants.reset();
  bob.start(io, *consortium, false);
  bob.host().listen(address);
  apply(invite());
  BOOST_TEST(result->sent_away);
  BOOST_TEST(result->trouble != "");
}

BOOST_AUTO_TEST_CASE(every_address_of_the_inviter_is_tried_and_the_last_trouble_is_told) {
  expect(Admission::State::waiting, false);
  Invite invitation = invite();
  invitation.inviter.addresses.insert(invitation.inviter.addresses.begin(), "127.0.0.1:1");
  apply(invitation);
  BOOST_TEST(result->trouble == "");
  result.reset();
  invitation.inviter.addresses = {"127.0.0.1:1"};
  apply(invitation);
  BOOST_TEST(result->trouble.find("127.0.0.1:1") != std::string::npos, result->trouble);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace applicant_test
