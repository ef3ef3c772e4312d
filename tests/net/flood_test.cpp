// Thousands of connections that are not what they should be, over real sockets.
#include "tests/net/loopback.hpp"

#include <boost/test/unit_test.hpp>

#include <atomic>
#include <sys/resource.h>
#include <thread>

namespace flood_test {

using namespace kith;
using namespace kith::net;
using asio::ip::tcp;

// Sanitizers slow the host down manifold, and the flood hardly.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr Duration kJoinsWithin = 60s;
#else
constexpr Duration kJoinsWithin = 5s;
#endif

std::size_t raise_descriptor_limit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

/// Connects to `target` from 127.0.0.x, or from all over 127/8.
class Vandal {
 public:
  enum class From { one_subnet, everywhere };
  Vandal(tcp::endpoint target, From from) : target_(target), from_(from) {}

  std::optional<tcp::socket> connect() {
    tcp::socket socket(io_, tcp::v4());
    error_code ec;
    socket.bind({source(), 0}, ec);
    if (!ec) socket.connect(target_, ec);
    return ec ? std::nullopt : std::optional(std::move(socket));
  }

 private:
  asio::ip::address_v4 source() {
    const auto i = static_cast<std::uint8_t>(++count_ % 250);
    if (from_ == From::one_subnet) return asio::ip::address_v4({127, 0, 0, i});
    return asio::ip::address_v4({127, static_cast<std::uint8_t>(1 + count_ % 7), i, 1});
  }
  asio::io_context io_;
  tcp::endpoint target_;
  From from_;
  unsigned count_ = 0;
};

struct Flooded : Loopback {
  tcp::endpoint target;
  std::vector<std::unique_ptr<TestHost>> many;
  std::atomic<bool> over = false;
  std::atomic<std::size_t> half_open = 0, garbage = 0;

  /// Bob listens, and knows no address of alice, who is yet to dial.
  void start_bob() {
    const std::string address = free_address(io);
    record = consortium({{&bob, {address}}, {&alice, {}}});
    bob.start(io, record, {address});
    target = numeric(address).value();
  }
  /// Bob listens, and `count` others dial him.
  void start_many(int count) {
    const std::string address = free_address(io);
    std::vector<std::pair<const TestHost*, std::vector<std::string>>> nodes{{&bob, {address}}};
    for (int i = 0; i < count; ++i) {
      many.push_back(std::make_unique<TestHost>(std::to_string(i), content(10, i)));
      nodes.emplace_back(many.back().get(), std::vector<std::string>());
    }
    record = consortium(nodes);
    bob.start(io, record, {address});
    for (const auto& node : many) {
      node->start(io, record);
      node->host().connect();
    }
  }
  bool alice_joins_within(Duration limit) {
    alice.start(io, record);
    alice.host().connect();
    return run_until([&] { return has(bob.events, "+alice"); }, limit);
  }
  void honest_peer_joins_despite(Vandal::From from);
};

/// Another thread's work, ended with the scope.
template <class Body>
class Meanwhile {
 public:
  Meanwhile(std::atomic<bool>& over, Body body) : over_(over), thread_(std::move(body)) {}
  ~Meanwhile() { over_ = true; }

 private:
  std::atomic<bool>& over_;
  std::jthread thread_;  // joined first
};

void Flooded::honest_peer_joins_despite(Vandal::From from) {
  const std::size_t crowd_size = std::min<std::size_t>(5000, raise_descriptor_limit() - 500);
  start_bob();
  const Meanwhile crowding(over, [&] {
    Vandal vandal(target, from);
    std::vector<tcp::socket> crowd;
    while (!over && crowd.size() < crowd_size) {
      if (auto socket = vandal.connect()) crowd.push_back(std::move(*socket));
      half_open = crowd.size();
    }
    while (!over) std::this_thread::sleep_for(10ms);
  });
  const Meanwhile flooding(over, [&] {
    Vandal vandal(target, from);
    while (!over) {
      auto socket = vandal.connect();
      error_code ignored;
      if (!socket) continue;
      asio::write(*socket, asio::buffer(std::string("GET / HTTP/1.1\r\nHost: kith\r\n\r\n")),
                  ignored);
      ++garbage;
    }
  });
  BOOST_TEST_REQUIRE(run_until([&] { return half_open == crowd_size; }, 60s));
  const std::size_t before = garbage;
  const auto start = Clock::now();
  BOOST_TEST(alice_joins_within(kJoinsWithin));
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start);
  over = true;
  BOOST_TEST_MESSAGE("joined after " << took.count() << " ms, beside " << half_open
                                     << " half-open connections and " << garbage - before
                                     << " with garbage meanwhile");
  alice.publish(1);
  BOOST_TEST(run_until([&] { return !bob.received(alice).empty(); }));
}

BOOST_FIXTURE_TEST_SUITE(flood_tests, Flooded)

BOOST_AUTO_TEST_CASE(honest_peer_joins_within_five_seconds_despite_half_open_and_garbage) {
  honest_peer_joins_despite(Vandal::From::everywhere);
}

BOOST_AUTO_TEST_CASE(honest_peer_joins_within_five_seconds_even_if_all_come_from_its_own_subnet) {
  honest_peer_joins_despite(Vandal::From::one_subnet);
}

BOOST_AUTO_TEST_CASE(wrong_first_messages_of_strangers_do_not_keep_an_honest_peer_out) {
  raise_descriptor_limit();
  start_bob();
  const Meanwhile flooding(over, [&] {
    Vandal vandal(target, Vandal::From::everywhere);
    std::string message(50, 'x');
    message[0] = 0;
    message[1] = 48;
    while (!over) {
      auto socket = vandal.connect();
      error_code ignored;
      if (socket) asio::write(*socket, asio::buffer(message), ignored);
      ++garbage;
    }
  });
  BOOST_TEST_REQUIRE(run_until([&] { return garbage > 1000; }, 60s));
  BOOST_TEST(alice_joins_within(kJoinsWithin));
  over = true;
  run_until([] { return false; }, 200ms);  // lets the flood's last connection in
}

BOOST_AUTO_TEST_CASE(sixty_four_strangers_are_the_most_that_are_listened_to) {
  raise_descriptor_limit();
  start_bob();
  Vandal vandal(target, Vandal::From::everywhere);
  std::vector<tcp::socket> crowd;
  for (std::size_t i = 0; i < limits::kUnauthenticated + 10; ++i) {
    crowd.push_back(vandal.connect().value());
  }
  BOOST_TEST(run_until(
      [&] { return std::ranges::count(bob.events, std::string("!somebody crowded")) == 10; }));
}

BOOST_AUTO_TEST_CASE(many_honest_nodes_behind_one_address_all_get_in) {
  start_many(30);
  BOOST_TEST(run_until([&] {
    return std::ranges::all_of(many, [](const auto& node) { return has(node->events, "+bob"); });
  }));
  for (const auto& node : many) node->destroy();
}

BOOST_AUTO_TEST_CASE(thirty_two_members_are_the_most_that_are_connected_at_once) {
  start_many(36);
  const auto connected = [&] {
    return std::ranges::count_if(bob.host().peers(), &Host::PeerStatus::connected);
  };
  const auto sent_away = [&] {
    return std::ranges::count_if(
        many, [](const auto& node) { return has(node->events, "!bob crowded"); });
  };
  BOOST_TEST(run_until([&] { return connected() == 32 && sent_away() >= 4; }));
  BOOST_TEST(!run_until([&] { return connected() > 32; }, 1s));
  for (const auto& node : many) node->destroy();
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace flood_test
