#include "daemon/testnet/testnet.hpp"

#include "daemon/membership/keys.hpp"
#include "daemon/membership/proposal.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "model/data/partition.hpp"
#include "net/asio/asio.hpp"
#include "net/membership_record.hpp"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;
using net::asio::ip::tcp;
using nlohmann::json;

std::string node_name(std::size_t index) { return "node-" + std::to_string(index + 1); }

void check(const TestnetPlan& plan) {
  const auto refuse = [](const std::string& what) { throw Failure(EX_USAGE, what); };
  if (plan.nodes < 2 || plan.nodes > 64) refuse("--nodes must be between 2 and 64");
  if (plan.groups < 1 || plan.groups > plan.nodes)
    refuse("--groups must be between 1 and the number of nodes");
  if (plan.rounds < 1) refuse("--rounds must be at least 1");
  if (plan.images < 40) refuse("--images must be at least 40");
}

// All are open at once, so that they differ; they are free again, most likely, when the nodes
// start.
std::vector<std::uint16_t> free_ports(std::size_t count) {
  net::asio::io_context io;
  std::vector<tcp::acceptor> held;
  std::vector<std::uint16_t> ports;
  for (std::size_t i = 0; i < count; ++i) {
    held.emplace_back(io, tcp::endpoint(net::asio::ip::address_v4::loopback(), 0));
    ports.push_back(held.back().local_endpoint().port());
  }
  return ports;
}

void write_data(const fs::path& directory, const TestnetPlan& plan) {
  const auto there = [&](const char* end) {
    return fs::exists(plan.data / (std::string("train-images-idx3-ubyte") + end));
  };
  if (!there(".gz") && !there("")) {
    throw Failure(EX_NOINPUT,
                  "Fashion-MNIST is not at " + plan.data.string() +
                      ": install Debian's package dataset-fashion-mnist, or give --data");
  }
  data::PartitionPlan wanted;
  wanted.source = plan.data;
  wanted.nodes = plan.nodes;
  wanted.groups = plan.groups;
  wanted.train_per_node = plan.images;
  wanted.test_per_node = plan.test_images;
  wanted.seed = plan.seed;
  try {
    data::write_partition(wanted, directory / "data");
  } catch (const data::DataError& error) {
    throw Failure(EX_USAGE, error.what());
  }
}

std::string address_of(const TestnetPlan& plan, std::size_t index, std::uint16_t free_port) {
  if (plan.host_prefix.empty()) return "127.0.0.1:" + std::to_string(free_port);
  return plan.host_prefix + std::to_string(index + 1) + ":" + std::to_string(plan.port);
}

KeyFiles keys_of(const fs::path& folder) {
  return {folder / "node.key", folder / "channel.key", folder / "node.card"};
}

/// Gives these nodes of a run keys, cards and the charter that names them all; the first is the
/// steward.
void found_consortium(const std::vector<TestnetNode>& nodes,
                      const std::vector<std::string>& addresses) {
  const auto now = std::chrono::system_clock::now();
  std::vector<crypto::Identity> identities;
  std::vector<net::Member> members;
  for (const TestnetNode& node : nodes) {
    fs::create_directories(node.directory);
    identities.push_back(make_keys(keys_of(node.directory)));
    members.push_back({identities.back().id(), node.name});
  }
  net::Charter charter = founding_version("testnet", members.front(), now);
  charter.members = members;
  std::ranges::sort(charter.members, {}, &net::Member::id);
  net::SignedCharter first = net::unsigned_charter(charter);
  net::sign(first, identities.front());
  net::MembershipRecord record;
  if (const auto fault = record.chain.append(std::move(first))) {
    throw Failure(EX_SOFTWARE, std::string(explain(*fault)));
  }
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    record.cards.push_back(write_card(keys_of(nodes[i].directory), identities[i],
                                      {nodes[i].name, {addresses[i]}}, record.chain.founded(),
                                      now));
  }
  const Bytes encoded = net::encode_record(record);
  for (const TestnetNode& node : nodes) write_whole(node.directory / "charter.kith", encoded);
}

Config node_config(const Testnet& testnet, std::size_t index, const std::string& run) {
  const TestnetPlan& plan = testnet.plan;
  Config config;
  config.node.name = node_name(index);
  config.task.name = "fashion-mnist";
  config.task.model = "cnn";
  config.task.sizes = {8, 16};
  config.task.seed = plan.seed;
  config.task.learning_rate = 0.02;
  config.task.momentum = 0.9;
  config.task.batch = 20;
  const fs::path data = fs::path("../../data") / config.node.name;
  config.data.train = {data / "train-images.idx", data / "train-labels.idx"};
  config.data.test = {data / "test-images.idx", data / "test-labels.idx"};
  config.data.validation = 0.25;
  config.data.split_key = config.node.name + " " + std::to_string(plan.seed);
  config.learning.strategy = run == "lia" ? "lia" : "fedavg";
  config.learning.epochs = 4;

  config.learning.rounds = plan.rounds;
  config.learning.seed = plan.seed * 1000 + index;
  config.learning.gather =
      std::chrono::seconds(10);  // all share this machine: in step costs little
  config.learning.baseline = run == "lia";
  return config;
}

}  // namespace

std::vector<TestnetNode> Testnet::nodes(const std::string& run) const {
  std::vector<TestnetNode> all;
  for (std::size_t i = 0; i < plan.nodes; ++i) {
    all.push_back({node_name(i), i % plan.groups, directory / run / node_name(i)});
  }
  return all;
}

Testnet create_testnet(const fs::path& directory, const TestnetPlan& plan) {
  check(plan);
  if (fs::exists(directory) && !fs::is_empty(directory)) {
    throw Failure(EX_CANTCREAT, directory.string() + " is not empty: name a new folder");
  }
  const Testnet testnet{plan, directory};
  write_data(directory, plan);

  const auto ports = free_ports(plan.nodes);
  std::vector<std::string> addresses;
  for (std::size_t i = 0; i < plan.nodes; ++i) addresses.push_back(address_of(plan, i, ports[i]));
  for (const std::string& run : kCompared) {
    const auto nodes = testnet.nodes(run);
    const std::size_t consortia = run == "oracle" ? plan.groups : 1;
    for (std::size_t which = 0; which < consortia; ++which) {
      std::vector<TestnetNode> members;
      std::vector<std::string> at;
      for (std::size_t i = which; i < nodes.size(); i += consortia) {
        members.push_back(nodes[i]);
        at.push_back(addresses[i]);
      }
      found_consortium(members, at);
    }
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      Config config = node_config(testnet, i, run);
      const std::string port = std::to_string(plan.port);
      config.node.listen = {plan.host_prefix.empty() ? addresses[i] : "0.0.0.0:" + port};
      std::ofstream(nodes[i].directory / "kith.toml") << to_toml(config);
    }
  }
  const json written{{"nodes", plan.nodes},   {"groups", plan.groups},
                     {"rounds", plan.rounds}, {"seed", plan.seed},
                     {"images", plan.images}, {"test_images", plan.test_images}};
  std::ofstream(directory / "testnet.json") << written.dump(2) << '\n';
  return testnet;
}

Testnet open_testnet(const fs::path& directory) {
  std::ifstream file(directory / "testnet.json");
  try {
    const json plan = json::parse(file);
    Testnet testnet;
    testnet.directory = directory;
    testnet.plan.nodes = plan.at("nodes");
    testnet.plan.groups = plan.at("groups");
    testnet.plan.rounds = plan.at("rounds");
    testnet.plan.seed = plan.at("seed");
    testnet.plan.images = plan.at("images");
    testnet.plan.test_images = plan.at("test_images");
    return testnet;
  } catch (const json::exception&) {
    throw Failure(EX_NOINPUT,
                  directory.string() + " holds no testnet: make one with kith testnet create");
  }
}

}  // namespace kith::daemon
