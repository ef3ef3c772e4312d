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
  made.inviter.id = crypto::Identity::generate().id();
  made.inviter.name = "ward";
  made.inviter.addresses = {"ward.example:7700", "[2001:db8::7]:7700"};
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

BOOST_AUTO_TEST_CASE(what_is_none_and_what_is_newer_is_said_so) {
  BOOST_TEST((fault("") == InviteFault::not_an_invite));
  BOOST_TEST((fault("kith-member-1 00") == InviteFault::not_an_invite));
  BOOST_TEST((fault("kith-invite-2-AAAAAAAAAAAA") == InviteFault::newer_format));
  BOOST_TEST((fault("kith-invite-1-") == InviteFault::altered));
}

BOOST_AUTO_TEST_CASE(no_invitation_leads_nowhere) {
  Invite made = invite();
  made.inviter.addresses.clear();
  // to_text() requires an address, so by hand: it is sound but for that.
  Bytes bytes = encode(made);
  const std::string magic = "kith-invite-1-";
  Bytes checked(as_byte_view(magic).begin(), as_byte_view(magic).end());
  checked.insert(checked.end(), bytes.begin(), bytes.end());
  const Hash check = crypto::hash(checked);
  bytes.insert(bytes.end(), check.begin(), check.begin() + 4);
  BOOST_TEST((fault(magic + crypto::to_base64(bytes)) == InviteFault::altered));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace invite_test
