#include "tests/net/loopback.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;
using namespace kith;
using namespace kith::net;
using asio::ip::tcp;

}  // namespace

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
