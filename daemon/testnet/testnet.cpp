#include "daemon/testnet/testnet.hpp"

#include "crypto/key_file.hpp"
#include "daemon/system/failure.hpp"
#include "model/data/partition.hpp"
#include "net/asio/asio.hpp"

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

Config node_config(const Testnet& testnet, std::size_t index, StrategyName strategy) {
  const TestnetPlan& plan = testnet.plan;
  Config config;
  config.node.name = node_name(index);
  config.consortium.id = "testnet";
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
  std::vector<net::Member> members;
  for (std::size_t i = 0; i < plan.nodes; ++i) {
    const bool local = plan.host_prefix.empty();
    const std::string address =
        local ? "127.0.0.1:" + std::to_string(ports[i])
              : plan.host_prefix + std::to_string(i + 1) + ":" + std::to_string(plan.port);
    const auto keys = crypto::create_key_file(directory / "data" / node_name(i) / "node.keys");
    net::Member member;
    member.id = keys.identity.id();
    member.channel = keys.channel.public_key();
    member.name = node_name(i);
    member.addresses = {address};
    members.push_back(std::move(member));
  }
  for (const StrategyName strategy : kCompared) {
    const auto nodes = testnet.nodes(strategy);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      Config config = node_config(testnet, i, strategy);
      config.consortium.members = members;
      config.node.keys = fs::path("../../data") / nodes[i].name / "node.keys";
      const std::string port = std::to_string(plan.port);
      config.node.listen =
          plan.host_prefix.empty() ? members[i].addresses : std::vector{"0.0.0.0:" + port};
      fs::create_directories(nodes[i].directory);
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
