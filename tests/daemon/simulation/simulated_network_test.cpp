#include "daemon/simulation/simulated_network.hpp"

#include "model/pipe/memfd.hpp"
#include "model/snapshot.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>
#include <string>

namespace simulated_network_test {

using namespace kith;
using namespace kith::daemon;
using namespace std::chrono_literals;

constexpr std::size_t kWeights = 500;
/// Nothing makes such weights smaller than two bytes each; then they are encrypted.
constexpr std::size_t kBytes = 2 * kWeights + 16;

Bytes snapshot() {
  std::vector<float> values(kWeights);
  std::mt19937 random(1);
  const auto any = [&] { return std::bit_cast<float>(static_cast<std::uint32_t>(random())); };
  std::ranges::generate(values, any);
  return model::write_snapshot({{{"w", {kWeights}}}}, values);
}

/// Two nodes, each of whom trains for a second, and a fake worker that takes every snapshot.
struct Network {
  explicit Network(NetworkConditions conditions = {}, SimulatedNetwork::Node second = {"b"})
      : network(clock, conditions, {{"a"}, std::move(second)}, 1) {
    for (const std::size_t node : {0UL, 1UL}) {
      network.set_initial(node, pipe::sealed_memfd("test", snapshot()));
    }
  }

  /// One round of `node`: who is a candidate, and since which round.
  net::awaitable<void> round(std::size_t node, std::uint64_t number, WorkerProcess& worker) {
    Exchange& exchange = network.exchange(node);
    exchange.want(number, everybody[node]);  // of the others
    pipe::Fd partial = pipe::sealed_memfd("test", snapshot());
    Note note{note_of(node), reader};
    co_await exchange.publish(number, std::move(partial), std::move(note));
    co_await exchange.gather(number);
    const auto candidates = co_await exchange.load(number, worker);
    std::string line = std::to_string(number) + (node == 0 ? "a" : "b") + ":";
    time = network.now(node);
    for (const Candidate& candidate : candidates) {
      line += candidate.peer + std::to_string(candidate.arrived) + candidate.note.dump();
      if (is_infinite(*candidate.file)) line += " infinite";
    }
    seen.push_back(line);
  }

  static bool is_infinite(const pipe::Fd& file) {
    const auto map = pipe::SealedMap::open(file, 1 << 20);
    const auto read = model::read_snapshot(std::get<pipe::SealedMap>(map).bytes());
    const auto values = std::get<model::Snapshot>(read).copy_values();
    return std::ranges::all_of(values, [](float value) { return std::isinf(value); });
  }
  static nlohmann::json note_of(std::size_t node) { return {{"from", node}}; }

  const std::vector<std::string> everybody[2]{{"b"}, {"a"}};
  net::asio::io_context io;
  VirtualClock clock{io, 2};
  SimulatedNetwork network;
  std::string reader;  ///< of all notes; empty: everybody
  std::vector<std::string> seen;
  VirtualClock::Time time{0};  // at the end of the last round
};

void run(Network& test, std::uint64_t rounds) {
  WorkerProcess worker(test.io, Program{KITH_FAKE_WORKER});
  WorkerProcess other(test.io, Program{KITH_FAKE_WORKER});
  for (const std::size_t node : {0UL, 1UL}) {
    WorkerProcess& its = node == 0 ? worker : other;
    auto life = [&test, &its, node, rounds]() -> net::awaitable<void> {
      for (std::uint64_t number = 1; number <= rounds; ++number) {
        co_await test.round(node, number, its);
      }
      test.clock.leave(node);
    };
    net::asio::co_spawn(test.io, std::move(life), net::rethrow);
  }
  test.io.run_for(20s);
  std::ranges::sort(test.seen);
}

using Lines = std::vector<std::string>;

BOOST_AUTO_TEST_SUITE(simulated_network_tests)

BOOST_AUTO_TEST_CASE(peers_in_step_get_each_others_newest_with_its_note) {
  Network test;
  run(test, 2);
  BOOST_TEST((test.seen == Lines{R"(1a:b1{"from":1})", R"(1b:a1{"from":0})", R"(2a:b2{"from":1})",
                                 R"(2b:a2{"from":0})"}));
  BOOST_TEST(test.network.bytes_received(0) == 2 * kBytes);
}

BOOST_AUTO_TEST_CASE(attacker_is_honest_until_its_round) {
  Network test({}, {"b", AttackKind::infinity, 2});
  run(test, 3);
  BOOST_TEST((test.seen ==
              Lines{R"(1a:b1{"from":1})", R"(1b:a1{"from":0})", R"(2a:b2{"from":1} infinite)",
                    R"(2b:a2{"from":0})", R"(3a:b3{"from":1} infinite)", R"(3b:a3{"from":0})"}));
}

BOOST_AUTO_TEST_CASE(note_for_one_reader_is_not_carried_to_another) {
  Network test;
  test.reader = "b";
  run(test, 1);
  BOOST_TEST((test.seen == Lines{"1a:b1null", R"(1b:a1{"from":0})"}));
}

BOOST_AUTO_TEST_CASE(slow_peer_is_waited_for_a_bounded_moment_only) {
  NetworkConditions conditions;
  conditions.slowest = 5;
  conditions.gather = 1s;
  Network test(conditions);
  run(test, 2);
  BOOST_TEST_REQUIRE(test.seen.size() == 4U);
  BOOST_TEST(test.seen[0] == "1a:");  // b needs five seconds
  BOOST_TEST(test.seen[1] == R"(1b:a1{"from":0})");
  BOOST_TEST(test.seen[2].starts_with("2a:"));
}

BOOST_AUTO_TEST_CASE(lost_snapshot_is_not_waited_for) {
  NetworkConditions conditions;
  conditions.loss = 1;
  Network test(conditions);
  run(test, 2);
  BOOST_TEST((test.seen == Lines{"1a:", "1b:", "2a:", "2b:"}));
}

BOOST_AUTO_TEST_CASE(large_snapshot_takes_its_time) {
  NetworkConditions conditions;
  conditions.bytes_per_second = kBytes;  // a second for a snapshot
  conditions.latency = 500ms;
  Network test(conditions);
  run(test, 1);
  BOOST_TEST(test.time.count() >= 2'500'000);
  BOOST_TEST(test.time.count() < 2'501'000);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace simulated_network_test
