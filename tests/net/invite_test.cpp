#include "net/checked_text.hpp"
#include "net/invite.hpp"

#include "tests/crypto_ready.hpp"

#include <boost/test/unit_test.hpp>

namespace invite_test {

using namespace kith;
using namespace kith::net;

Invite invite() {
  Invite made;
  made.consortium = "our-study";
  made.founded[3] = std::byte{3};
  made.known = {7, Hash{}};
  made.inviter = crypto::Identity::generate().id();
  made.channel = crypto::ChannelKey::generate().public_key();
  made.name = "ward";
  made.addresses = {"ward.example:7700", "[2001:db8::7]:7700"};
  made.token[5] = std::byte{5};
  made.expires = 2'000'000'000;
  return made;
}

std::optional<InviteFault> fault(std::string_view text) {
  const auto parsed = parse_invite(text);
  const auto* found = std::get_if<InviteFault>(&parsed);
  return found != nullptr ? std::optional(*found) : std::nullopt;
}

BOOST_FIXTURE_TEST_SUITE(invite_tests, CryptoReady)

BOOST_AUTO_TEST_CASE(an_invitation_reads_back_also_if_a_mail_program_broke_the_line) {
  const Invite made = invite();
  std::string text = to_text(made);
  BOOST_TEST(text.find_first_of(" \n") == std::string::npos);
  BOOST_TEST((std::get<Invite>(parse_invite(text)) == made));
  text.insert(76, "\r\n ");
  BOOST_TEST((std::get<Invite>(parse_invite("\n" + text + " \n")) == made));
}

BOOST_AUTO_TEST_CASE(one_wrong_character_anywhere_is_noticed_and_so_is_one_that_is_missing) {
  const std::string text = to_text(invite());
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string edited = text;
    edited[i] = edited[i] == 'A' ? 'B' : 'A';
    BOOST_TEST(fault(edited).has_value());
    BOOST_TEST(fault(text.substr(0, i)).has_value());
    BOOST_TEST(fault(text.substr(0, i) + text.substr(i + 1)).has_value());
  }
  BOOST_TEST((fault(text + "A") == InviteFault::altered));
}

BOOST_AUTO_TEST_CASE(what_is_none_and_what_is_of_another_version_is_said_so) {
  BOOST_TEST((fault("") == InviteFault::not_an_invite));
  BOOST_TEST((fault("kith-card-2-AAAA") == InviteFault::not_an_invite));
  BOOST_TEST((fault("kith-invite-3-AAAAAAAAAAAA") == InviteFault::newer_format));
  BOOST_TEST((fault("kith-invite-1-AAAAAAAAAAAA") == InviteFault::older_format));
  BOOST_TEST((fault("kith-invite-2-") == InviteFault::altered));
}

BOOST_AUTO_TEST_CASE(no_invitation_leads_nowhere) {
  const auto refused = [](auto change) {
    Invite made = invite();
    change(made);
    // to_text() requires that it is sound, so by hand.
    return fault(checked_text("kith-invite-2-", encode(made))) == InviteFault::altered;
  };
  BOOST_TEST(!refused([](Invite&) {}));
  BOOST_TEST(refused([](Invite& made) { made.addresses.clear(); }));
  BOOST_TEST(refused([](Invite& made) { made.channel = {}; }));
  BOOST_TEST(refused([](Invite& made) { made.name = "\x1b[2J"; }));
  BOOST_TEST(refused([](Invite& made) { made.name = "\xc2\x9b" "2J"; }));  // a C1 control
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace invite_test
