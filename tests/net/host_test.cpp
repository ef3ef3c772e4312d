#include "tests/net/loopback.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

namespace host_test {

using namespace std::chrono_literals;
using namespace kith;
using namespace kith::net;
using asio::ip::tcp;

BOOST_FIXTURE_TEST_SUITE(host_tests, Loopback)

BOOST_AUTO_TEST_CASE(snapshots_travel_both_ways_over_one_dialled_connection) {
  start_both();
  alice.publish(1);
  bob.publish(1);
  BOOST_TEST_REQUIRE(
      run_until([&] { return !bob.received(alice).empty() && !alice.received(bob).empty(); }));
  BOOST_TEST((bob.received(alice) == content(3 * limits::kChunk + 77, 1)));
  BOOST_TEST((alice.received(bob) == content(100, 2)));
  BOOST_TEST(has(alice.events, "+bob"));
  BOOST_TEST(has(bob.events, "+alice"));
}

BOOST_AUTO_TEST_CASE(nodes_meet_over_ipv6) {
  error_code unsupported;
  tcp::acceptor probe(io);
  const tcp::endpoint any{asio::ip::address_v6::loopback(), 0};
  if (!probe.open(tcp::v6(), unsupported)) probe.bind(any, unsupported);
  if (unsupported) {
    BOOST_TEST_MESSAGE("this machine has no IPv6: " << unsupported.message());
    return;
  }
  const std::string address = "[::1]:" + std::to_string(probe.local_endpoint().port());
  probe.close();
  start_both({}, {address});
  alice.publish(1);
  BOOST_TEST(run_until([&] { return !bob.received(alice).empty(); }));
}

BOOST_AUTO_TEST_CASE(lost_peer_is_dialled_again) {
  start_both();
  BOOST_TEST_REQUIRE(run_until([&] { return has(alice.events, "+bob"); }));
  const std::string address = bob.host().listening().at(0);
  bob.host().stop();
  BOOST_TEST_REQUIRE(run_until([&] { return has(alice.events, "-bob shutting_down"); }));
  bob.destroy();
  bob.start(io, record, {address});
  alice.events.clear();
  BOOST_TEST(run_until([&] { return has(alice.events, "+bob"); }));
}

BOOST_AUTO_TEST_CASE(node_that_lost_its_memory_is_told_what_it_published) {
  start_both();
  alice.publish(7);
  BOOST_TEST_REQUIRE(run_until([&] { return !bob.received(alice).empty(); }));
  alice.destroy();
  alice.start(io, record);  // as if out of a backup from before
  alice.host().connect();
  BOOST_TEST(run_until([&] { return has(alice.events, "outrun"); }));
}

BOOST_AUTO_TEST_CASE(other_task_is_named_on_both_sides) {
  Hash other{};
  other[0] = std::byte{1};
  start_both(other);
  BOOST_TEST(run_until([&] { return has(alice.events, "!bob other_task"); }));
  BOOST_TEST(run_until([&] { return has(bob.events, "!alice other_task"); }));
}

BOOST_AUTO_TEST_CASE(garbage_on_the_port_is_closed_and_disturbs_nobody) {
  start_both();
  tcp::socket vandal(io);
  const auto endpoint = parse_endpoint(bob.host().listening().at(0)).value();
  const auto port = static_cast<std::uint16_t>(std::stoi(endpoint.port));
  vandal.connect({asio::ip::make_address(endpoint.host), port});
  asio::write(vandal, asio::buffer(std::string("GET / HTTP/1.1\r\nHost: kith\r\n\r\n")));
  std::string answer(100, 0);
  std::optional<error_code> ended;
  std::size_t answered = 0;
  vandal.async_read_some(asio::buffer(answer), [&](error_code ec, std::size_t size) {
    ended = ec;
    answered = size;
  });
  BOOST_TEST_REQUIRE(run_until([&] { return ended.has_value(); }));
  BOOST_TEST(answered == 0U);
  BOOST_TEST(has(bob.events, "!somebody handshake_failed"));
  BOOST_TEST(run_until([&] { return has(bob.events, "+alice"); }));
}

BOOST_AUTO_TEST_CASE(nothing_more_is_read_while_sixteen_mebibytes_wait_for_the_disk) {
  TestHost large("large", content(64 << 20, 3));
  const std::string address = free_address(io);
  record = consortium({{&bob, {address}}, {&large, {}}});
  bob.start(io, record, {address});
  large.start(io, record);
  large.host().connect();
  bob.disk_hangs = true;
  large.publish(1);
  BOOST_TEST_REQUIRE(run_until([&] { return bob.hanging_writes.size() > 32; }, 60s));
  BOOST_TEST(!run_until([&] { return bob.hanging_writes.size() > 34; }, 1s));
  BOOST_TEST(large.host().queued() < limits::kQueued + limits::kChunk + 4096);
  bob.disk_hangs = false;
  for (auto& written : std::exchange(bob.hanging_writes, {})) asio::post(io, written);
  BOOST_TEST(run_until([&] { return !bob.received(large).empty(); }, 60s));
  large.destroy();
}

BOOST_AUTO_TEST_CASE(nodes_that_only_dial_out_get_each_others_snapshots_through_a_third) {
  TestHost carol("carol", content(1000, 3));
  const std::string address = free_address(io);
  record = consortium({{&bob, {address}}, {&alice, {}}, {&carol, {}}});
  bob.start(io, record, {address});
  for (TestHost* node : {&alice, &carol}) {
    node->start(io, record);
    node->host().connect();
  }
  BOOST_TEST_REQUIRE(
      run_until([&] { return has(alice.events, "+bob") && has(carol.events, "+bob"); }));
  alice.publish(1);
  carol.publish(1);
  // At the latest anti-entropy tells who holds what, after half a minute.
  const auto both = [&] {
    return !carol.received(alice).empty() && !alice.received(carol).empty();
  };
  BOOST_TEST(run_until(both, 70s));
  BOOST_TEST(!has(alice.events, "+carol"));
  carol.destroy();
}

BOOST_AUTO_TEST_CASE(every_address_of_a_member_is_tried) {
  // Nobody, no Kith, and in IPv6 nobody: only the last one is right.
  tcp::acceptor babbler(io, {asio::ip::address_v4::loopback(), 0});
  babbler.async_accept([](error_code, tcp::socket socket) {
    asio::write(socket, asio::buffer(std::string(1000, 'x')));
  });
  tcp::acceptor closed(io, {asio::ip::address_v4::loopback(), 0});
  const auto port = [](const tcp::acceptor& acceptor) {
    return std::to_string(acceptor.local_endpoint().port());
  };
  const std::string nobodys = port(closed);
  closed.close();
  const std::string right = free_address(io);
  record = consortium({{&bob, {"127.0.0.1:" + nobodys, "127.0.0.1:" + port(babbler),
                               "[::1]:" + nobodys, right}},
                       {&alice, {}}});
  bob.start(io, record, {right});
  // What it says of itself must not take the place of what the others were told.
  alice.start(io, record);
  alice.host().connect();
  BOOST_TEST_REQUIRE(run_until([&] { return has(alice.events, "+bob"); }));
  const auto status = alice.host().peers().at(0);
  BOOST_TEST(status.address == right);
  BOOST_TEST(status.dialled_by_us);
  BOOST_TEST(!status.trouble.has_value());
}

BOOST_AUTO_TEST_CASE(address_that_swallows_packets_costs_three_seconds) {
  tcp::acceptor full(io, tcp::v4());
  full.bind({asio::ip::address_v4::loopback(), 0});
  full.listen(0);
  std::vector<tcp::socket> waiting;  // for whom nobody comes: the kernel drops the next one's SYN
  for (int i = 0; i < 4; ++i) {
    waiting.emplace_back(io);
    waiting.back().async_connect(full.local_endpoint(), [](error_code) {});
  }
  const std::string right = free_address(io);
  record = consortium(
      {{&bob, {"127.0.0.1:" + std::to_string(full.local_endpoint().port()), right}}, {&alice, {}}});
  bob.start(io, record, {right});
  alice.start(io, record);
  const auto start = Clock::now();
  alice.host().connect();
  BOOST_TEST(run_until([&] { return has(alice.events, "+bob"); }));
  BOOST_TEST((Clock::now() - start >= limits::kConnect));
  BOOST_TEST((Clock::now() - start < limits::kConnect + 2s));
}

BOOST_AUTO_TEST_CASE(denied_peer_is_gone_within_a_second_and_comes_back_when_it_is_allowed) {
  start_both();
  BOOST_TEST_REQUIRE(
      run_until([&] { return has(alice.events, "+bob") && has(bob.events, "+alice"); }));
  const NodeId id = alice.member().id;
  bob.host().deny(id);
  BOOST_TEST(run_until([&] { return has(alice.events, "-bob denied"); }, 1s));
  BOOST_TEST(run_until([&] { return has(bob.events, "-alice denied"); }, 1s));
  BOOST_TEST(!run_until([&] { return bob.host().connected(id); }, 2s));  // it tries again
  bob.host().allow(id);
  BOOST_TEST(run_until([&] { return bob.host().connected(id); }, 20s));
}

BOOST_AUTO_TEST_CASE(unreachable_peer_shows_where_why_and_when_it_is_tried_again) {
  start_both();
  const std::string address = bob.host().listening().at(0);
  bob.destroy();
  alice.events.clear();
  BOOST_TEST_REQUIRE(run_until([&] { return has(alice.events, "!bob unreachable"); }));
  const auto status = alice.host().peers().at(0);
  BOOST_TEST_REQUIRE(status.trouble.has_value());
  BOOST_TEST(status.trouble->address == address);
  BOOST_TEST(status.trouble->detail == "Connection refused");
  BOOST_TEST(run_until([&] { return alice.host().peers().at(0).next_try.has_value(); }));
  BOOST_TEST(std::ranges::count(alice.events, std::string("!bob unreachable")) ==
             1);  // not each time
}

BOOST_AUTO_TEST_CASE(other_version_is_named_on_both_sides_with_what_each_speaks) {
  alice.version = alice.oldest = kProtocolVersion + 1;
  start_both();
  BOOST_TEST_REQUIRE(run_until([&] {
    return has(alice.events, "!bob version_mismatch") && has(bob.events, "!alice version_mismatch");
  }));
  BOOST_TEST(alice.host().peers().at(0).trouble->detail ==
             "it speaks versions 4 to 4 of the protocol, we 5 to 5");
  BOOST_TEST(bob.host().peers().at(0).trouble->detail ==
             "it speaks versions 5 to 5 of the protocol, we 4 to 4");
  BOOST_TEST(bob.host().peers().at(0).hello->agent == "test");
}

BOOST_AUTO_TEST_CASE(failure_at_what_a_peer_sent_is_told_and_ends_nothing_else) {
  start_both();
  bob.disk_is_full = true;
  alice.publish(1);
  const auto failed = [&] {
    return std::ranges::any_of(bob.events, [](const std::string& event) {
      return event.starts_with("failed at") && event.ends_with("no space left");
    });
  };
  BOOST_TEST_REQUIRE(run_until(failed));
  bob.disk_is_full = false;
  alice.publish(2);
  BOOST_TEST(run_until([&] { return !bob.received(alice).empty(); }));
}

// --- Members that come, go and renew themselves ------------------------------------------------

/// The next version of the charter of `record`, with these members, signed by bob.
struct Changing : Loopback {
  TestHost carol{"carol", content(1000, 3)};
  void start() {
    start_both();
    BOOST_TEST_REQUIRE(
        run_until([&] { return has(alice.events, "+bob") && has(bob.events, "+alice"); }));
  }
  void change(std::vector<Member> members) {
    Charter charter = record.chain.newest().charter;
    ++charter.number;
    charter.previous = record.chain.newest().id;
    charter.members = std::move(members);
    std::ranges::sort(charter.members, {}, &Member::id);
    SignedCharter version = unsigned_charter(charter);
    sign(version, bob.identity());
    BOOST_TEST_REQUIRE(!record.chain.append(version));
  }
  ~Changing() { carol.destroy(); }
};

BOOST_FIXTURE_TEST_CASE(newcomer_is_taken_in_without_ending_any_connection, Changing) {
  start();
  change({alice.member(), bob.member(), carol.member()});
  record.cards.push_back(carol.card(record.chain.founded()));
  bob.host().follow(record);
  BOOST_TEST_REQUIRE(run_until([&] { return has(alice.events, "admitted carol"); }));
  carol.start(io, record);
  carol.host().connect();
  BOOST_TEST(run_until([&] { return has(bob.events, "+carol"); }));
  carol.publish(1);
  // Alice cannot be dialled and dials nobody but bob: she knows carol's key from him.
  BOOST_TEST(run_until([&] { return !alice.received(carol).empty(); }, 40s));
  for (const TestHost* node : {&alice, &bob}) {
    BOOST_TEST(std::ranges::none_of(node->events, [](const auto& e) { return e.starts_with("-"); }));
  }
}

BOOST_FIXTURE_TEST_CASE(expelled_member_is_parted_with_at_once_and_not_let_in_again, Changing) {
  start();
  change({bob.member()});
  bob.host().follow(record);
  BOOST_TEST(run_until([&] { return has(bob.events, "-alice not_a_member"); }, 1s));
  BOOST_TEST(run_until([&] { return has(alice.events, "-bob not_a_member"); }, 1s));
  BOOST_TEST(!run_until([&] { return bob.host().connected(alice.member().id); }, 2s));
  BOOST_TEST(bob.host().peers().empty());
  change({alice.member(), bob.member()});  // and taken back
  record.cards.push_back(alice.card(record.chain.founded()));
  bob.host().follow(record);
  alice.host().follow(record);  // she cannot be dialled, and was told that she is no member
  BOOST_TEST(run_until([&] { return bob.host().connected(alice.member().id); }, 40s));
}

BOOST_FIXTURE_TEST_CASE(member_expelled_while_it_is_dialled_is_no_trouble, Changing) {
  record = consortium({{&bob, {free_address(io)}}, {&alice, {"127.0.0.1:1", "127.0.0.1:2"}}});
  bob.start(io, record, record.cards.front().addresses);
  bob.host().connect();
  io.poll_one();
  change({bob.member()});
  bob.host().follow(record);
  BOOST_TEST(!run_until([&] { return !bob.host().peers().empty(); }, 500ms));
}

BOOST_FIXTURE_TEST_CASE(connections_with_a_key_that_is_no_longer_in_force_end, Changing) {
  start();
  const auto renewed = crypto::ChannelKey::generate();
  Card card;
  card.founded = record.chain.founded();
  card.issued = 1'000;
  card.name = "bob";
  card.addresses = bob.host().listening();
  card = sign_card(card, bob.identity(), renewed);
  alice.events.clear();
  bob.host().set_keys(renewed, &bob.channel(), card);
  BOOST_TEST(run_until([&] { return has(alice.events, "renewed bob"); }));
  BOOST_TEST(run_until([&] { return has(alice.events, "-bob outdated_key"); }));
  BOOST_TEST(run_until([&] { return has(alice.events, "+bob"); }));  // with the new one
  BOOST_TEST((alice.host().directory().channel_of(bob.member().id) == renewed.public_key()));
}

// --- Addresses ---------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(addresses_of_this_machine_are_dialled_only_where_that_makes_sense) {
  alice.dials_loopback = false;
  start_both();
  BOOST_TEST(run_until([&] { return has(alice.events, "!bob unreachable"); }));
  BOOST_TEST(alice.host().peers().at(0).trouble->detail == "this node dials no such address");
  const auto may = [](const std::string& address) {
    return may_dial(numeric(address).value(), false);
  };
  for (const char* no : {"127.0.0.1:7700", "[::1]:7700", "[::ffff:127.0.0.1]:7700", "0.0.0.0:7700",
                         "[::]:7700", "169.254.169.254:80", "[fe80::1]:7700", "224.0.0.1:7700",
                         "[ff02::1]:7700", "255.255.255.255:7700", "192.0.2.1:0"}) {
    BOOST_TEST(!may(no), no);
  }
  for (const char* yes : {"192.0.2.1:7700", "10.1.2.3:7700", "[2001:db8::1]:7700"}) {
    BOOST_TEST(may(yes), yes);
  }
}

BOOST_AUTO_TEST_CASE(both_families_are_listened_on_at_one_port) {
  error_code unsupported;
  tcp::acceptor probe(io);
  if (!probe.open(tcp::v6(), unsupported)) probe.bind({asio::ip::address_v6::any(), 0}, unsupported);
  if (unsupported) return;
  const std::string port = std::to_string(probe.local_endpoint().port());
  probe.close();
  record = consortium({{&bob, {}}, {&alice, {}}});
  bob.start(io, record, {"0.0.0.0:" + port, "[::]:" + port});
  BOOST_TEST(bob.host().listening().size() == 2U);
  bob.destroy();
  bob.start(io, record, {"[::]:" + port});  // stands for both
  tcp::socket socket(io);
  socket.connect({asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(std::stoi(port))});
  bob.destroy();
  bob.start(io, record, {"localhost:" + port});  // a name may have several addresses
  BOOST_TEST(!bob.host().listening().empty());
}

BOOST_AUTO_TEST_CASE(port_in_use_is_said_so) {
  start_both();
  const std::string address = bob.host().listening().at(0);
  const auto mentions_port = [](const std::runtime_error& error) {
    return std::string(error.what()).find("another program uses this port") != std::string::npos;
  };
  BOOST_CHECK_EXCEPTION(alice.host().listen({address}), std::runtime_error, mentions_port);
  BOOST_CHECK_THROW(alice.host().listen({"nonsense"}), std::runtime_error);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace host_test
