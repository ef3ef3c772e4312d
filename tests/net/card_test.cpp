#include "net/card.hpp"

#include "tests/charters.hpp"
#include "tests/crypto_ready.hpp"

#include <boost/test/unit_test.hpp>

namespace card_test {

using namespace kith;
using namespace kith::net;

struct Made : CryptoReady {
  Hash founded = crypto::hash(as_byte_view("the first version"));
  Card card = test::card(1, founded);
};

std::optional<CardFault> fault(std::string_view text) {
  const auto parsed = parse_card(text);
  const auto* found = std::get_if<CardFault>(&parsed);
  return found != nullptr ? std::optional(*found) : std::nullopt;
}

BOOST_FIXTURE_TEST_SUITE(card_tests, Made)

BOOST_AUTO_TEST_CASE(a_card_reads_back_also_with_space_around_and_in_it) {
  std::string text = to_text(card);
  BOOST_TEST((std::get<Card>(parse_card(text)) == card));
  text.insert(76, "\r\n ");
  BOOST_TEST((std::get<Card>(parse_card(" \r\n" + text + "\n\n")) == card));
}

BOOST_AUTO_TEST_CASE(a_card_that_was_altered_or_cut_anywhere_is_none) {
  const std::string text = to_text(card);
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string edited = text;
    edited[i] = edited[i] == 'A' ? 'B' : 'A';
    BOOST_TEST(fault(edited).has_value());
    BOOST_TEST(fault(text.substr(0, i)).has_value());
  }
  BOOST_TEST((fault("") == CardFault::not_a_card));
}

BOOST_AUTO_TEST_CASE(every_altered_byte_breaks_a_signature) {
  BOOST_TEST(is_sound(card));
  Bytes bytes = encode(card);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] ^= std::byte{1};
    const auto altered = decode<Card>(bytes);
    BOOST_TEST((!altered || !is_sound(*altered)));
    bytes[i] ^= std::byte{1};
  }
}

// The second half of what was proven: claiming the key of another member.
BOOST_AUTO_TEST_CASE(nobody_claims_a_channel_key_that_it_does_not_have) {
  Card theft = test::card(2, founded);
  theft.channel = card.channel;  // of member 1
  theft = [&] {
    Card half = sign_card(theft, test::identity(2), test::channel_key(2));
    half.channel = card.channel;
    return half;
  }();
  BOOST_TEST(!is_sound(theft));
  theft.by_channel = card.by_channel;  // what it has seen of the other
  BOOST_TEST(!is_sound(theft));
}

BOOST_AUTO_TEST_CASE(a_key_that_is_nobodys_is_on_no_sound_card) {
  Card made = card;
  made.channel = {};
  made.channel.key[0] = std::byte{1};  // the identity: everybody can "sign" with it
  BOOST_TEST(!is_sound(made));
}

BOOST_AUTO_TEST_CASE(a_card_that_says_what_none_may_is_not_sound) {
  for (const char* bad : {"", "a\nb", "two  spaces", "\xe2\x80\xae" "reversed"}) {
    Card made = card;
    made.name = bad;
    BOOST_TEST(!is_sound(made));
  }
  for (const char* bad : {"", "host", "host:70000", "ho st:1", "h\n:1"}) {
    Card made = card;
    made.addresses = {bad};
    BOOST_TEST(!is_sound(made));
  }
}

BOOST_AUTO_TEST_CASE(of_two_cards_the_later_counts_and_of_one_second_everybody_takes_the_same) {
  BOOST_TEST(supersedes(test::card(1, founded, test::kIssued + 1), card));
  BOOST_TEST(!supersedes(card, test::card(1, founded, test::kIssued + 1)));
  const Card twin = test::card(1, founded, test::kIssued, 50);
  BOOST_TEST(supersedes(twin, card) != supersedes(card, twin));
  BOOST_TEST(!supersedes(card, card));
}

BOOST_AUTO_TEST_CASE(what_is_none_and_what_is_of_another_version_is_said_so) {
  BOOST_TEST((fault("kith-invite-2-AAAA") == CardFault::not_a_card));
  BOOST_TEST((fault("kith-member-1 00ff") == CardFault::older_format));
  BOOST_TEST((fault("kith-card-3-AAAAAAAA") == CardFault::newer_format));
  BOOST_TEST((fault("kith-card-2-") == CardFault::altered));
  for (const auto which : {CardFault::not_a_card, CardFault::older_format, CardFault::newer_format,
                           CardFault::altered}) {
    BOOST_TEST(!explain(which).empty());
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace card_test
