// How gossip and swarm behave at scale, in virtual time: the production objects, every message
// encoded, on a simulated network.  Prints what docs/results.md has under "Gossip".
//
//     build/release/bin/dissemination [seeds]
#include "tests/sim/gossip_network.hpp"

#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

using namespace std::chrono_literals;
using namespace kith;
using sim::GossipNetwork;
using Node = GossipNetwork::Node;

constexpr std::uint64_t kRate = 100'000'000 / 8;  // 100 Mbit/s

double seconds(net::Duration time) { return std::chrono::duration<double>(time).count(); }

struct Spread {
  double median = 0, last = 0;  // upload times
  double sent_by_origin = 0;    // snapshots
};

/// One snapshot, wanted by all.  Unless `survivors` is everyone, the others vanish at half time.
Spread disseminate(std::uint64_t seed, Node nodes, std::uint32_t chunks, Node survivors) {
  GossipNetwork network(seed, nodes, {.latency = 20ms, .jitter = 10ms, .rate = kRate});
  network.chunks = chunks;
  network.connect_as_hosts_do();
  network.simulator().run_for(5s);
  const auto start = network.simulator().now();
  const auto id = network.publish(0, 1);
  const double upload = double(chunks) * net::limits::kChunk / kRate;
  network.simulator().run_for(std::chrono::milliseconds(static_cast<int>(500 * upload)));
  for (Node node = survivors; node < nodes; ++node) network.isolate(node);
  network.simulator().run_for(std::chrono::seconds(static_cast<int>(20 * upload) + 60));
  std::vector<double> times;
  for (Node node = 1; node < survivors; ++node) {
    const auto at = network.completed(node, id);
    times.push_back(at ? seconds(*at - start) / upload : 1e9);
  }
  std::ranges::sort(times);
  return {times[times.size() / 2], times.back(),
          double(network.traffic(0).chunks) / (double(chunks) * net::limits::kChunk)};
}

void report_dissemination(std::uint64_t seeds, Node nodes, std::uint32_t chunks, Node survivors) {
  Spread worst;
  double sum = 0;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const Spread spread = disseminate(seed, nodes, chunks, survivors);
    sum += spread.last;
    worst.median = std::max(worst.median, spread.median);
    worst.last = std::max(worst.last, spread.last);
    worst.sent_by_origin = std::max(worst.sent_by_origin, spread.sent_by_origin);
  }
  std::printf("| %zu%s | %u | %.2f | %.2f | %.2f | %.2f |\n", nodes,
              survivors < nodes ? ", a third lost" : "", chunks, worst.median, sum / double(seeds),
              worst.last, worst.sent_by_origin);
  std::fflush(stdout);
}

/// Everyone publishes every round and wants six others, of its own group first.
void report_share(std::uint64_t seed, Node nodes, std::uint32_t chunks, int rounds) {
  GossipNetwork network(seed, nodes, {.latency = 20ms, .jitter = 10ms, .rate = kRate});
  network.chunks = chunks;
  network.wants = [&](Node self, const net::Head& head) {
    for (Node other = 1; other <= 6; ++other) {
      if (head.origin == network.id((self + other * other) % nodes)) return true;
    }
    return false;
  };
  network.connect_as_hosts_do();
  for (int round = 1; round <= rounds; ++round) {
    for (Node node = 0; node < nodes; ++node) network.publish(node, std::uint64_t(round));
    network.simulator().run_for(120s);
  }
  GossipNetwork::Traffic all;
  for (Node node = 0; node < nodes; ++node) {
    all.chunks += network.traffic(node).chunks;
    all.manifests += network.traffic(node).manifests;
    all.other += network.traffic(node).other;
  }
  std::printf("| %zu | %u | %.1f | %.3f | %.3f |\n", nodes, chunks,
              double(all.chunks) / double(nodes) / rounds / (1 << 20),
              100 * double(all.manifests) / double(all.chunks),
              100 * double(all.other) / double(all.chunks));
  std::fflush(stdout);
}

/// What it costs to tell everyone of one head, when heads come one by one.
void report_heads(std::uint64_t seed, Node nodes) {
  GossipNetwork network(seed, nodes, {.latency = 20ms, .jitter = 10ms});
  network.wants = [](Node, const net::Head&) { return false; };
  network.connect_as_hosts_do();
  network.simulator().run_for(1s);
  constexpr int kHeads = 10;
  const auto before = network.messages<net::Heads>();
  double slowest = 0;
  for (int i = 0; i < kHeads; ++i) {
    std::size_t reached = 1;
    const auto start = network.simulator().now();
    net::Instant last = start;
    std::set<Node> heard;
    network.watch = [&](Node, Node to, const net::Message& message) {
      if (std::holds_alternative<net::Heads>(message) && heard.insert(to).second) {
        last = network.simulator().now();
        ++reached;
      }
    };
    network.publish(Node(i) * nodes / kHeads, std::uint64_t(100 + i));
    network.simulator().run_for(2s);
    slowest = std::max(slowest, seconds(last - start));
  }
  const double each = double(network.messages<net::Heads>() - before) / kHeads / double(nodes);
  std::printf("| %zu | %.1f | %.1f | %.2f |\n", nodes,
              2.0 * double(network.connections().size()) / double(nodes), each, slowest);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t seeds = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 5;
  std::printf("Seeds 1 to %llu.\n\n", static_cast<unsigned long long>(seeds));
  std::puts(
      "| nodes | chunks | median | last, mean of seeds | last, worst seed | sent by origin |");
  std::puts("| --- | ---: | ---: | ---: | ---: | ---: |");
  report_dissemination(seeds, 8, 64, 8);
  report_dissemination(seeds, 64, 16, 64);
  report_dissemination(seeds, 64, 64, 64);
  report_dissemination(seeds, 64, 256, 64);
  report_dissemination(seeds, 64, 64, 43);
  std::puts("\n| nodes | chunks | MiB a node and round | manifests % | all else % |");
  std::puts("| ---: | ---: | ---: | ---: | ---: |");
  report_share(1, 32, 4, 3);
  report_share(1, 32, 16, 3);
  report_share(1, 32, 64, 3);
  std::puts("\n| nodes | neighbours | messages a node and head | last node told after s |");
  std::puts("| ---: | ---: | ---: | ---: |");
  for (const Node nodes : {4U, 9U, 16U, 32U, 64U, 128U, 256U, 512U}) report_heads(1, nodes);
}
