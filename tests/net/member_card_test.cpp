#include "net/member_card.hpp"

#include "tests/crypto_ready.hpp"

#include <boost/test/unit_test.hpp>

namespace member_card_test {

using namespace kith;
using namespace kith::net;

Member ward(const crypto::Identity& identity) {
  Member made;
  made.id = identity.id();
  made.channel[0] = std::byte{7};
  made.name = "ward";
  made.addresses = {"ward.example:7700"};
  return made;
}

BOOST_FIXTURE_TEST_SUITE(member_card_tests, CryptoReady)

BOOST_AUTO_TEST_CASE(a_card_reads_back_also_with_space_around_it) {
  const auto identity = crypto::Identity::generate();
  const std::string text = to_text(make_card(ward(identity), identity));
  BOOST_TEST_REQUIRE(parse_card(text).has_value());
  BOOST_TEST((parse_card(text)->member == ward(identity)));
  BOOST_TEST((parse_card(" \r\n" + text + "\n\n") == parse_card(text)));
}

BOOST_AUTO_TEST_CASE(a_card_that_was_altered_or_cut_anywhere_is_none) {
  const auto identity = crypto::Identity::generate();
  std::string text = to_text(make_card(ward(identity), identity));
  text.pop_back();  // the end of the line, which does not matter
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string edited = text;
    edited[i] = edited[i] == '1' ? '2' : '1';
    BOOST_TEST(!parse_card(edited).has_value());
    BOOST_TEST(!parse_card(std::string_view(text).substr(0, i)).has_value());
  }
  BOOST_TEST(!parse_card("").has_value());
}

BOOST_AUTO_TEST_CASE(a_card_about_somebody_else_is_not_sound) {
  const auto identity = crypto::Identity::generate(), other = crypto::Identity::generate();
  Card card = make_card(ward(identity), identity);
  BOOST_TEST(is_sound(card));
  card.member.id = other.id();
  BOOST_TEST(!is_sound(card));
  card = make_card(ward(identity), identity);
  card.member.channel[1] = std::byte{1};
  BOOST_TEST(!is_sound(card));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace member_card_test
