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
  Member listening = bob.member();
  listening.addresses = {"[::1]:" + std::to_string(probe.local_endpoint().port())};
  probe.close();
  consortium.emplace("ours", std::vector{alice.member(), listening});
  bob.start(io, *consortium, false);
  bob.host().listen(listening.addresses.at(0));
  alice.start(io, *consortium, false);
  alice.host().connect();
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
  bob.start(io, *consortium, false);
  bob.host().listen(address);
  alice.events.clear();
  BOOST_TEST(run_until([&] { return has(alice.events, "+bob"); }));
}

BOOST_AUTO_TEST_CASE(node_that_lost_its_memory_is_told_what_it_published) {
  start_both();
  alice.publish(7);
  BOOST_TEST_REQUIRE(run_until([&] { return !bob.received(alice).empty(); }));
  alice.destroy();
  alice.start(io, *consortium, false);  // as if out of a backup from before
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
  const Consortium nobody("ours", {});
  bob.start(io, nobody);
  const Member listening = bob.member();
  bob.destroy();
  consortium.emplace("ours", std::vector{large.member(), listening});
  bob.start(io, *consortium, false);
  bob.host().listen(listening.addresses.at(0));
  large.start(io, *consortium, false);
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
  const Consortium nobody("ours", {});
  bob.start(io, nobody);
  const Member hub = bob.member();
  bob.destroy();
  consortium.emplace("ours", std::vector{alice.member(), carol.member(), hub});
  bob.start(io, *consortium, false);
  bob.host().listen(hub.addresses.at(0));
  for (TestHost* node : {&alice, &carol}) {
    node->start(io, *consortium, false);
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
  const Consortium nobody("ours", {});
  bob.start(io, nobody);
  Member listening = bob.member();
  bob.destroy();
  const std::string right = listening.addresses.at(0);
  listening.addresses = {"127.0.0.1:" + nobodys, "127.0.0.1:" + port(babbler), "[::1]:" + nobodys,
                         right};
  consortium.emplace("ours", std::vector{alice.member(), listening});
  bob.start(io, *consortium, false);
  bob.host().listen(right);
  alice.start(io, *consortium, false);
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
  const Consortium nobody("ours", {});
  bob.start(io, nobody);
  Member listening = bob.member();
  bob.destroy();
  const std::string right = listening.addresses.at(0);
  listening.addresses = {"127.0.0.1:" + std::to_string(full.local_endpoint().port()), right};
  consortium.emplace("ours", std::vector{alice.member(), listening});
  bob.start(io, *consortium, false);
  bob.host().listen(right);
  alice.start(io, *consortium, false);
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
  alice.version = alice.oldest = 4;
  start_both();
  BOOST_TEST_REQUIRE(run_until([&] {
    return has(alice.events, "!bob version_mismatch") && has(bob.events, "!alice version_mismatch");
  }));
  BOOST_TEST(alice.host().peers().at(0).trouble->detail ==
             "it speaks versions 3 to 3 of the protocol, we 4 to 4");
  BOOST_TEST(bob.host().peers().at(0).trouble->detail ==
             "it speaks versions 4 to 4 of the protocol, we 3 to 3");
  BOOST_TEST(bob.host().peers().at(0).hello->agent == "test");
}

BOOST_AUTO_TEST_CASE(failure_of_the_owner_is_not_lost_in_a_dead_connection) {
  start_both();
  bob.disk_is_full = true;
  alice.publish(1);
  BOOST_CHECK_EXCEPTION(
      run_until([] { return false; }, 5s), std::runtime_error,
      [](const auto& error) { return error.what() == std::string("no space left"); });
}

BOOST_AUTO_TEST_CASE(port_in_use_is_said_so) {
  start_both();
  const std::string address = bob.host().listening().at(0);
  const auto mentions_port = [](const std::runtime_error& error) {
    return std::string(error.what()).find("another program uses this port") != std::string::npos;
  };
  BOOST_CHECK_EXCEPTION(alice.host().listen(address), std::runtime_error, mentions_port);
  BOOST_CHECK_THROW(alice.host().listen("nonsense"), std::runtime_error);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace host_test
