#include "net/directory.hpp"

#include "tests/charters.hpp"
#include "tests/crypto_ready.hpp"

#include <boost/test/unit_test.hpp>

namespace directory_test {

using namespace kith;
using namespace kith::net;
using test::card;
using test::channel_key;
using test::member;

struct Made : CryptoReady {
  Hash founded = crypto::hash(as_byte_view("the first version"));
  Directory directory{"ours", founded};
  Made() { directory.set_members({member(1), member(2), member(3)}); }
};

BOOST_FIXTURE_TEST_SUITE(directory_tests, Made)

BOOST_AUTO_TEST_CASE(members_are_found_and_have_the_key_of_their_card) {
  BOOST_TEST_REQUIRE(directory.find(member(2).id) != nullptr);
  BOOST_TEST(directory.find(member(2).id)->name == "m2");
  BOOST_TEST(directory.find(member(4).id) == nullptr);
  BOOST_TEST(!directory.channel_of(member(2).id).has_value());
  BOOST_TEST(directory.put(card(2, founded)));
  BOOST_TEST((directory.channel_of(member(2).id) == channel_key(2).public_key()));
  BOOST_TEST(directory.has_key(channel_key(2).dh().public_key()));
  BOOST_TEST(directory.find(member(2).id)->has_key(channel_key(2).dh().public_key()));
  BOOST_TEST(!directory.find(member(1).id)->has_key({}));  // without a card it has no key at all
}

BOOST_AUTO_TEST_CASE(another_card_takes_the_place_of_the_former_one) {
  BOOST_TEST(directory.put(card(2, founded)));
  BOOST_TEST(directory.put(card(2, founded, test::kIssued + 1, 50)));
  BOOST_TEST(directory.has_key(channel_key(50).dh().public_key()));
  BOOST_TEST(!directory.has_key(channel_key(2).dh().public_key()));
}

BOOST_AUTO_TEST_CASE(who_stays_keeps_its_card_and_who_comes_back_has_none) {
  BOOST_TEST(directory.put(card(1, founded)));
  BOOST_TEST(directory.put(card(2, founded)));
  directory.set_members({member(1), member(4)});
  BOOST_TEST(directory.find(member(1).id)->card.has_value());
  BOOST_TEST(!directory.find(member(4).id)->card.has_value());
  BOOST_TEST(!directory.put(card(2, founded)));
  directory.set_members({member(1), member(2)});
  BOOST_TEST(!directory.find(member(2).id)->card.has_value());
}

BOOST_AUTO_TEST_CASE(prologues_differ_by_consortium_and_by_who_is_called) {
  const Bytes one = prologue(founded, member(1).id);
  BOOST_TEST((one != prologue(founded, member(2).id)));
  BOOST_TEST((one != prologue(Hash{}, member(1).id)));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace directory_test
