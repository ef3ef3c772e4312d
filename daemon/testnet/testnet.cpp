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

/// Keys and cards of all, each in its folder of the data; the first is the steward.
net::MembershipRecord found_consortium(const Testnet& testnet,
                                       const std::vector<std::string>& addresses) {
  const auto now = std::chrono::system_clock::now();
  std::vector<crypto::Identity> nodes;
  std::vector<net::Member> members;
  const auto folder = [&](std::size_t i) { return testnet.directory / "data" / node_name(i); };
  for (std::size_t i = 0; i < testnet.plan.nodes; ++i) {
    nodes.push_back(make_keys(keys_of(folder(i))));
    members.push_back({nodes.back().id(), node_name(i)});
  }
  net::Charter charter = founding_version("testnet", members.front(), now);
  charter.members = members;
  std::ranges::sort(charter.members, {}, &net::Member::id);
  net::SignedCharter first = net::unsigned_charter(charter);
  net::sign(first, nodes.front());
  net::MembershipRecord record;
  if (const auto fault = record.chain.append(std::move(first))) {
    throw Failure(EX_SOFTWARE, std::string(explain(*fault)));
  }
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    record.cards.push_back(write_card(keys_of(folder(i)), nodes[i], {node_name(i), {addresses[i]}},
                                      record.chain.founded(), now));
  }
  return record;
}

Config node_config(const Testnet& testnet, std::size_t index, StrategyName strategy) {
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
  config.learning.strategy = strategy;
  config.learning.epochs = 4;

  config.learning.rounds = plan.rounds;
  config.learning.seed = plan.seed * 1000 + index;
  config.learning.gather =
      std::chrono::seconds(10);  // all share this machine: in step costs little
  config.learning.baseline = strategy == StrategyName::lia;
  for (std::size_t other = 0; other < plan.nodes; ++other) {
    if (other % plan.groups == index % plan.groups && strategy == StrategyName::oracle) {
      config.learning.oracle_group.push_back(node_name(other));
    }
  }
  return config;
}

}  // namespace

std::vector<TestnetNode> Testnet::nodes(StrategyName strategy) const {
  std::vector<TestnetNode> all;
  for (std::size_t i = 0; i < plan.nodes; ++i) {
    all.push_back(
        {node_name(i), i % plan.groups, directory / std::string(name(strategy)) / node_name(i)});
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
  const Bytes charter = net::encode_record(found_consortium(testnet, addresses));
  for (const StrategyName strategy : kCompared) {
    const auto nodes = testnet.nodes(strategy);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      Config config = node_config(testnet, i, strategy);
      const KeyFiles keys = keys_of(fs::path("../../data") / nodes[i].name);
      config.node.key = keys.node;
      config.node.channel_key = keys.channel;
      config.node.card = keys.card;
      const std::string port = std::to_string(plan.port);
      config.node.listen = {plan.host_prefix.empty() ? addresses[i] : "0.0.0.0:" + port};
      fs::create_directories(nodes[i].directory);
      write_whole(nodes[i].directory / "charter.kith", charter);
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
