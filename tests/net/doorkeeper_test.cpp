#include "net/doorkeeper.hpp"

#include "net/limits.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <vector>

namespace doorkeeper_test {

using namespace std::chrono_literals;
using namespace kith::net;
using Shown = Session::Shown;
using Ticket = Doorkeeper::Ticket;

Subnet ipv4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d = 1) {
  return Subnet(std::array{a, b, c, d});
}

Subnet number(std::size_t i) {
  return ipv4(10, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i));
}

/// A doorkeeper whose caller closes at once whom it is told to.
struct Door {
  Doorkeeper keeper;
  Instant now{1h};
  std::vector<Ticket> evicted;

  std::optional<Ticket> arrives(const Subnet& from, Shown shown = Shown::silent) {
    const auto decision = keeper.arrived(now, from);
    if (decision.evicted) {
      evicted.push_back(*decision.evicted);
      keeper.left(now, *decision.evicted);
    }
    if (decision.admitted) keeper.update(*decision.admitted, shown);
    return decision.admitted;
  }
  /// Sends a wrong first message and is closed.
  bool offends(const Subnet& from) {
    const auto ticket = arrives(from, Shown::wrong);
    if (ticket) keeper.left(now, *ticket);
    return ticket.has_value();
  }
  bool was_evicted(Ticket ticket) const {
    return std::ranges::find(evicted, ticket) != evicted.end();
  }
};

BOOST_FIXTURE_TEST_SUITE(doorkeeper_tests, Door)

BOOST_AUTO_TEST_CASE(subnets_are_24_bits_of_ipv4_however_written_and_48_of_ipv6) {
  BOOST_TEST((ipv4(192, 0, 2, 1) == ipv4(192, 0, 2, 254)));
  BOOST_TEST((ipv4(192, 0, 2, 1) != ipv4(192, 0, 3, 1)));
  std::array<std::uint8_t, 16> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 9};
  BOOST_TEST((Subnet(mapped) == ipv4(192, 0, 2, 1)));
  std::array<std::uint8_t, 16> one{0x20, 0x01, 0x0d, 0xb8, 0, 1}, two = one, other = one;
  two[6] = 9;
  other[5] = 2;
  BOOST_TEST((Subnet(one) == Subnet(two)));
  BOOST_TEST((Subnet(one) != Subnet(other)));
}

BOOST_AUTO_TEST_CASE(there_is_room_for_64_and_the_65th_takes_the_place_of_the_oldest) {
  for (std::size_t i = 0; i < 64; ++i) BOOST_TEST(arrives(number(i)).has_value());
  BOOST_TEST(evicted.empty());
  BOOST_TEST(arrives(number(64)).has_value());
  BOOST_TEST(evicted == std::vector<Ticket>{0});
  BOOST_TEST(keeper.size() == 64U);
}

BOOST_AUTO_TEST_CASE(a_subnet_has_eight_places_and_displaces_only_itself) {
  const auto neighbour = arrives(number(2));
  for (int i = 0; i < 1000; ++i) BOOST_TEST(arrives(number(1)).has_value());
  BOOST_TEST(keeper.size() == 9U);
  BOOST_TEST(!was_evicted(*neighbour));
}

BOOST_AUTO_TEST_CASE(the_silent_go_before_who_has_shown_to_know_our_key) {
  const auto honest = arrives(number(1), Shown::plausible);
  for (std::size_t i = 0; i < 10'000; ++i) arrives(number(i % 300));
  BOOST_TEST(!was_evicted(*honest));
}

BOOST_AUTO_TEST_CASE(of_those_who_have_shown_as_much_the_largest_crowd_goes_first) {
  const auto lonely = arrives(number(1));
  for (std::size_t i = 0; i < 63; ++i) arrives(number(2 + i % 9));
  arrives(number(100));
  BOOST_TEST(!was_evicted(*lonely));
  BOOST_TEST(evicted.size() == 1U);
}

BOOST_AUTO_TEST_CASE(members_that_never_finish_their_greeting_do_not_keep_others_out) {
  for (std::size_t i = 0; i < 64; ++i) arrives(number(i), Shown::member);
  BOOST_TEST(arrives(number(100)).has_value());
  BOOST_TEST(evicted.size() == 1U);
}

BOOST_AUTO_TEST_CASE(one_that_was_told_to_go_is_not_told_again_and_takes_no_place) {
  for (std::size_t i = 0; i < 64; ++i) arrives(number(i));
  const auto first = keeper.arrived(now, number(100)), second = keeper.arrived(now, number(101));
  BOOST_TEST((first.evicted && second.evicted && *first.evicted != *second.evicted));
}

BOOST_AUTO_TEST_CASE(fifty_wrong_first_messages_a_second_are_the_most_and_only_offenders_suffer) {
  int tried = 0;
  for (const Instant end = now + 20s; now < end; now += 1ms) {
    if (offends(number(static_cast<std::size_t>(tried % 7)))) ++tried;
  }
  BOOST_TEST(tried >= 20 * 50);
  BOOST_TEST(tried <= 20 * 50 + 51);  // a second's worth at once
  BOOST_TEST(arrives(number(100)).has_value());
}

BOOST_AUTO_TEST_CASE(an_offender_is_heard_again_when_the_flood_ends) {
  for (int i = 0; i < 1000; ++i) offends(number(1));
  BOOST_TEST(!arrives(number(1)).has_value());
  now += 50ms;
  BOOST_TEST(arrives(number(1)).has_value());
}

BOOST_AUTO_TEST_CASE(an_offence_is_forgotten_after_ten_seconds) {
  offends(number(1));
  now += 10s;
  while (offends(number(2))) continue;  // too much is computed for strangers again
  BOOST_TEST(arrives(number(1)).has_value());
  offends(number(3));
  now += 9s;
  for (int i = 0; i < 1000; ++i) offends(number(2));
  BOOST_TEST(!arrives(number(3)).has_value());
}

BOOST_AUTO_TEST_CASE(right_first_messages_that_lead_nowhere_count_as_wrong) {
  for (int i = 0; i < 1000; ++i) {
    const auto replayed = arrives(number(1), Shown::plausible);
    if (replayed) keeper.left(now, *replayed);
  }
  BOOST_TEST(!arrives(number(1)).has_value());
}

BOOST_AUTO_TEST_CASE(members_and_the_silent_are_no_offenders) {
  for (int i = 0; i < 1000; ++i) {
    const auto member = arrives(number(1), Shown::member);
    BOOST_TEST_REQUIRE(member.has_value());
    keeper.left(now, *member);
    BOOST_TEST(arrives(number(1)).has_value());
  }
}

BOOST_AUTO_TEST_CASE(offenders_from_everywhere_are_forgotten_before_they_fill_our_memory) {
  // Nobody but an offender is shut out, so each of these gets its one attempt.
  for (std::size_t i = 0; i < 3 * limits::kOffenders; ++i) BOOST_TEST(offends(number(i)));
  BOOST_TEST(arrives(number(0)).has_value());  // forgotten for the sake of later ones
  BOOST_TEST(!arrives(number(3 * limits::kOffenders - 1)).has_value());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace doorkeeper_test
