#include "net/dialler.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <set>
#include <vector>

namespace dialler_test {

using namespace std::chrono_literals;
using namespace kith::net;
using Direction = Dialler::Direction;
using Company = Dialler::Company;

NodeId node(std::size_t i) {
  NodeId id{};
  id.key[0] = static_cast<std::byte>(i >> 8);
  id.key[1] = static_cast<std::byte>(i);
  return id;
}

std::vector<NodeId> nodes(std::size_t first, std::size_t count) {
  std::vector<NodeId> all;
  for (std::size_t i = 0; i < count; ++i) all.push_back(node(first + i));
  return all;
}

/// In a consortium of `size`, of whom all but node(0) itself and those in `reachable` have no address.
Dialler made(std::size_t size, const std::vector<NodeId>& reachable, std::uint64_t seed,
             std::size_t self = 0) {
  std::map<NodeId, bool> members;
  for (std::size_t i = 0; i < size; ++i) {
    if (i == self) continue;
    members[node(i)] = std::ranges::find(reachable, node(i)) != reachable.end();
  }
  Dialler dialler(seed);
  dialler.set_members(members);
  return dialler;
}

std::vector<NodeId> dial_all(Dialler& dialler, Instant now) {
  std::vector<NodeId> dialled;
  while (const auto id = dialler.poll_dial(now)) dialled.push_back(*id);
  return dialled;
}

/// A consortium in which dialling connects at once, unless the other is down or has no room.
struct Network {
  explicit Network(std::size_t size, std::size_t listening) : down(size) {
    for (std::size_t i = 0; i < size; ++i) {
      std::vector<NodeId> others = nodes(0, listening);
      std::erase(others, node(i));
      diallers.push_back(made(size, others, i, i));
    }
    for (std::size_t i = 0; i < size; ++i) index[node(i)] = i;
  }
  void step() {
    for (std::size_t i = 0; i < diallers.size(); ++i) {
      if (down[i]) continue;
      while (const auto leaving = diallers[i].poll_leave(now)) cut(i, index.at(*leaving));
      while (const auto dialled = diallers[i].poll_dial(now)) dial(i, index.at(*dialled));
    }
  }
  void run(Duration time) {
    const Instant end = now + time;
    for (step(); now < end; step()) {
      Instant next = end;
      for (std::size_t i = 0; i < diallers.size(); ++i) {
        if (!down[i]) next = std::min(next, diallers[i].next_timeout());
      }
      now = std::max(next, now + 1ms);
    }
  }
  void dial(std::size_t from, std::size_t to) {
    ++attempts;
    const bool there = links.contains(std::minmax(from, to));
    const Company ours = diallers[from].company(), theirs = diallers[to].company();
    const auto place = diallers[to].room_for(node(from), ours);
    if (down[to] || there || !place.granted) return diallers[from].failed(now, node(to));
    if (place.instead_of) cut(to, index.at(*place.instead_of));
    links.insert(std::minmax(from, to));
    diallers[from].connected(now, node(to), Direction::outbound, theirs);
    diallers[to].connected(now, node(from), Direction::inbound, ours);
  }
  void cut(std::size_t a, std::size_t b) {
    links.erase(std::minmax(a, b));
    diallers[a].disconnected(now, node(b));
    diallers[b].disconnected(now, node(a));
  }
  void fail(std::size_t who) {
    down[who] = true;
    const auto before = links;
    for (const auto& [a, b] : before) {
      if (a == who || b == who) cut(a, b);
    }
  }
  bool within_limits() const {
    return std::ranges::all_of(diallers, [](const Dialler& dialler) {
      return dialler.connections() <= limits::kPeers && dialler.outbound() <= limits::kOutbound;
    });
  }
  std::size_t reached_from(std::size_t start) const {
    std::set<std::size_t> seen{start};
    for (std::vector<std::size_t> open{start}; !open.empty();) {
      const std::size_t here = open.back();
      open.pop_back();
      for (const auto& [a, b] : links) {
        if (a != here && b != here) continue;
        const std::size_t next = a == here ? b : a;
        if (seen.insert(next).second) open.push_back(next);
      }
    }
    return seen.size();
  }

  Instant now{1h};
  std::vector<Dialler> diallers;
  std::vector<bool> down;
  std::map<NodeId, std::size_t> index;
  std::set<std::pair<std::size_t, std::size_t>> links;
  std::size_t attempts = 0;
};

BOOST_AUTO_TEST_SUITE(dialler_tests)

BOOST_AUTO_TEST_CASE(in_a_consortium_of_nine_everyone_is_dialled) {
  Dialler dialler = made(9, nodes(1, 8), 1);
  BOOST_TEST(dial_all(dialler, Instant{}).size() == 8U);
}

BOOST_DATA_TEST_CASE(in_a_larger_one_eight_chosen_by_chance, boost::unit_test::data::xrange(1, 20),
                     seed) {
  Dialler dialler = made(100, nodes(1, 99), static_cast<std::uint64_t>(seed));
  Dialler other = made(100, nodes(1, 99), static_cast<std::uint64_t>(seed + 1));
  const auto chosen = dial_all(dialler, Instant{});
  BOOST_TEST(chosen.size() == 8U);
  BOOST_TEST((chosen != dial_all(other, Instant{})));
}

BOOST_AUTO_TEST_CASE(pause_doubles_up_to_thirty_seconds_with_at_most_half_of_it_left_to_chance) {
  Dialler dialler = made(2, {node(1)}, 7);
  Instant now{};
  Duration whole = 250ms;
  std::set<Duration> seen;
  for (int attempt = 0; attempt < 30; ++attempt) {
    BOOST_TEST_REQUIRE(dialler.poll_dial(now).has_value());
    dialler.failed(now, node(1));
    const Duration pause = dialler.next_timeout() - now;
    BOOST_TEST((pause >= whole / 2 && pause <= whole));
    seen.insert(pause);
    BOOST_TEST(!dialler.poll_dial(now + pause - 1ms).has_value());
    now += pause;
    whole = std::min<Duration>(whole * 2, 30s);
  }
  BOOST_TEST(seen.size() > 20U);
}

BOOST_AUTO_TEST_CASE(a_connection_that_lasted_is_made_anew_at_once_and_one_that_did_not_is_not) {
  Dialler dialler = made(2, {node(1)}, 7);
  Instant now{};
  for (int i = 0; i < 10; ++i) {  // it accepts, and ends it in the same second
    BOOST_TEST_REQUIRE(dialler.poll_dial(now).has_value());
    dialler.connected(now, node(1), Direction::outbound, Company::some);
    dialler.disconnected(now + 1s, node(1));
    now = std::max(now + 1s, dialler.next_timeout());
  }
  BOOST_TEST_REQUIRE(dialler.poll_dial(now).has_value());
  dialler.connected(now, node(1), Direction::outbound, Company::some);
  now += 31s;
  BOOST_TEST((dialler.next_timeout() == Instant::max()));
  dialler.disconnected(now, node(1));
  BOOST_TEST((dialler.next_timeout() <= now + 250ms));
}

BOOST_AUTO_TEST_CASE(choice_that_cannot_be_reached_is_replaced_at_once) {
  Dialler dialler = made(100, nodes(1, 99), 3);
  const auto chosen = dial_all(dialler, Instant{});
  for (const NodeId& id : chosen) dialler.failed(Instant{}, id);
  const auto replaced = dial_all(dialler, Instant{});
  BOOST_TEST(replaced.size() == 8U);
  for (const NodeId& id : replaced) BOOST_TEST((std::ranges::find(chosen, id) == chosen.end()));
}

BOOST_AUTO_TEST_CASE(member_without_an_address_is_not_dialled_and_takes_full_part) {
  Dialler dialler = made(3, {node(1)}, 3);
  BOOST_TEST((dial_all(dialler, Instant{}) == std::vector{node(1)}));
  BOOST_TEST(dialler.room_for(node(2), Company::some).granted);
  dialler.connected(Instant{}, node(2), Direction::inbound, Company::some);
  BOOST_TEST(dialler.connections() == 1U);
  dialler.disconnected(Instant{} + 1h, node(2));
  BOOST_TEST(dial_all(dialler, Instant{} + 2h).empty());
}

BOOST_AUTO_TEST_CASE(denied_member_is_not_dialled_until_it_is_allowed) {
  Dialler dialler = made(3, {node(1)}, 3);
  dialler.deny(node(1));
  BOOST_TEST(dial_all(dialler, Instant{}).empty());
  BOOST_TEST((dialler.next_timeout() == Instant::max()));
  dialler.allow(node(1));
  BOOST_TEST(dial_all(dialler, Instant{}).size() == 1U);
}

BOOST_AUTO_TEST_CASE(members_come_and_go_while_others_stay_connected) {
  Dialler dialler = made(3, {node(1), node(2)}, 3);
  BOOST_TEST(dial_all(dialler, Instant{}).size() == 2U);
  dialler.connected(Instant{}, node(1), Direction::outbound, Company::some);
  dialler.connected(Instant{}, node(2), Direction::outbound, Company::some);
  dialler.set_members({{node(1), true}, {node(3), true}});
  BOOST_TEST(dialler.connections() == 1U);
  BOOST_TEST((dial_all(dialler, Instant{}) == std::vector{node(3)}));
  dialler.failed(Instant{}, node(2));  // what is still said of who has left does nothing
  dialler.connected(Instant{}, node(2), Direction::outbound, Company::some);
  dialler.disconnected(Instant{}, node(2));
  dialler.deny(node(2));
  BOOST_TEST(dialler.connections() == 1U);
  BOOST_TEST(!dialler.next_attempt(node(2)).has_value());
}

BOOST_AUTO_TEST_CASE(thirty_two_connections_are_the_most) {
  Dialler dialler = made(100, nodes(1, 99), 3);
  for (std::size_t i = 1; i <= 32; ++i) {
    BOOST_TEST(dialler.room_for(node(i), Company::some).granted);
    dialler.connected(Instant{}, node(i), Direction::inbound, Company::some);
  }
  BOOST_TEST(!dialler.room_for(node(33), Company::some).granted);
  BOOST_TEST(
      dialler.room_for(node(1), Company::some).granted);  // it lost the old one and came back
  const auto place = dialler.room_for(node(33), Company::none);
  BOOST_TEST(place.granted);  // ... but in place of another
  BOOST_TEST(place.instead_of.has_value());
  BOOST_TEST(dial_all(dialler, Instant{}).empty());
}

BOOST_AUTO_TEST_CASE(every_half_hour_or_so_one_choice_makes_room_for_another) {
  Dialler dialler = made(100, nodes(1, 99), 3);
  const auto chosen = dial_all(dialler, Instant{});
  for (const NodeId& id : chosen)
    dialler.connected(Instant{}, id, Direction::outbound, Company::some);
  const Instant now = dialler.next_timeout();
  BOOST_TEST((now >= Instant{} + 15min && now <= Instant{} + 30min));
  const auto leaving = dialler.poll_leave(now);
  BOOST_TEST_REQUIRE(leaving.has_value());
  BOOST_TEST(!dialler.poll_leave(now).has_value());
  dialler.disconnected(now, *leaving);
  const auto dialled = dial_all(dialler, now);
  BOOST_TEST_REQUIRE(dialled.size() == 1U);
  BOOST_TEST((dialled[0] != *leaving));
}

BOOST_DATA_TEST_CASE(large_networks_are_connected_within_the_limits_and_heal,
                     boost::unit_test::data::make<std::size_t>({10, 64, 200}), size) {
  Network network(size, size);
  network.run(1min);
  BOOST_TEST(network.reached_from(0) == size);
  BOOST_TEST(network.within_limits());
  for (std::size_t i = size - size / 3; i < size; ++i) network.fail(i);
  network.run(5min);
  BOOST_TEST(network.reached_from(0) == size - size / 3);
  BOOST_TEST(network.within_limits());
}

BOOST_AUTO_TEST_CASE(nodes_that_only_dial_out_are_connected_through_those_that_listen) {
  Network network(60, 10);  // more connections are wanted than those that listen have room for
  network.run(2min);
  BOOST_TEST(network.reached_from(0) == 60U);
  for (const Dialler& dialler : network.diallers) BOOST_TEST(dialler.connections() >= 1U);
}

BOOST_AUTO_TEST_CASE(a_dead_consortium_is_not_hammered) {
  Network network(100, 100);
  for (std::size_t i = 1; i < 100; ++i) network.fail(i);
  network.run(1min);
  const std::size_t before = network.attempts;
  network.run(1min);
  BOOST_TEST(network.attempts - before <= 99U * 4);  // each every 15 to 30 s
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace dialler_test
