#include "net/consortium.hpp"

#include <boost/test/unit_test.hpp>

#include <stdexcept>

namespace consortium_test {

using kith::net::Consortium;
using kith::net::Member;

Member member(int number) {
  Member made;
  made.id.key[0] = static_cast<std::byte>(number);
  made.id.key[1] = static_cast<std::byte>(number >> 8);
  made.channel[0] = static_cast<std::byte>(number);
  made.channel[1] = static_cast<std::byte>(number >> 8);
  return made;
}

BOOST_AUTO_TEST_SUITE(consortium_tests)

BOOST_AUTO_TEST_CASE(members_are_found_by_id_and_by_channel_key) {
  const Consortium consortium("c", {member(1), member(2)});
  BOOST_TEST(consortium.find(member(2).id) == &consortium.members()[1]);
  BOOST_TEST(consortium.find(member(1).channel) == &consortium.members()[0]);
  BOOST_TEST(consortium.find(member(3).id) == nullptr);
}

BOOST_AUTO_TEST_CASE(two_members_with_one_key_are_refused) {
  Member twin = member(2);
  twin.channel = member(1).channel;
  BOOST_CHECK_THROW(Consortium("c", {member(1), member(1)}), std::invalid_argument);
  BOOST_CHECK_THROW(Consortium("c", {member(1), twin}), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(size_is_bounded) {
  std::vector<Member> members;
  for (int i = 0; i < 513; ++i) members.push_back(member(i));
  BOOST_CHECK_THROW(Consortium("c", members), std::invalid_argument);
  BOOST_CHECK_THROW(Consortium("", {}), std::invalid_argument);
  BOOST_CHECK_THROW(Consortium(std::string(65, 'c'), {}), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(consortia_have_different_prologues) {
  BOOST_TEST((Consortium("a", {}).prologue() != Consortium("b", {}).prologue()));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace consortium_test
