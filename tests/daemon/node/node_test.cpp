#include "daemon/node/node.hpp"

#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/state/history.hpp"
#include "tests/crypto_ready.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <chrono>
#include <fstream>
#include <memory>
#include <stdlib.h>
#include <thread>

namespace node_test {

using namespace std::chrono_literals;
using namespace kith;
using namespace kith::daemon;
namespace fs = std::filesystem;
namespace asio = net::asio;
using asio::ip::tcp;

std::string free_address() {
  asio::io_context io;
  const tcp::acceptor held(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  return "127.0.0.1:" + std::to_string(held.local_endpoint().port());
}

/// A whole node with a made-up worker, in a folder of its own.
class TestNode {
 public:
  TestNode(const fs::path& parent, const std::string& name, const std::string& behaviour) {
    fs::create_directory(parent / name);
    config.node.name = name;
    config.node.keys = parent / name / "node.keys";
    config.node.state = parent / name / "state";
    config.node.control = parent / name / "control.sock";
    config.node.listen = {free_address()};
    config.consortium.id = "ours";
    config.task.name = "task";
    config.data.train = {parent / name / behaviour};
    std::ofstream(config.data.train[0]) << "not looked at";
    config.worker.command = KITH_FAKE_WORKER;
    config.learning.strategy = StrategyName::fedavg;
    config.learning.gather = 10s;
    config.learning.rounds = 1;
    keys.emplace(crypto::create_key_file(config.node.keys));
    self.id = keys->identity.id();
    self.channel = keys->channel.public_key();
    self.name = name;
    self.addresses = config.node.listen;
  }
  void start(asio::io_context& io) {
    node_ = std::make_unique<Node>(io, config, *keys);
    auto life = [this]() -> net::awaitable<void> { co_await node_->run(); };
    asio::co_spawn(io, std::move(life), [this](std::exception_ptr error) {
      ended = true;
      failure = error;
    });
  }
  void stop() {
    if (node_) node_->stop();
  }
  void destroy() { node_.reset(); }

  /// How many rounds its state says it has finished.  Only once it is destroyed.
  std::size_t rounds() const { return Store(config.node.state).rounds(100).size(); }

  Config config;
  std::optional<crypto::NodeKeys> keys;
  net::Member self;
  bool ended = false;
  std::exception_ptr failure;

 private:
  std::unique_ptr<Node> node_;
};

struct Nodes : CryptoReady {
  Nodes() { log::configure(log::Level::error, log::Format::text); }
  ~Nodes() {
    for (auto& node : nodes) node->stop();
    try {
      io.restart();
      io.run_for(2s);
    } catch (const std::exception&) {
      // What a test provoked on purpose.
    }
    for (auto& node : nodes) node->destroy();
  }
  TestNode& add(const std::string& behaviour) {
    const std::string name = "node-" + std::to_string(nodes.size() + 1);
    nodes.push_back(std::make_unique<TestNode>(folder, name, behaviour));
    return *nodes.back();
  }
  void start_all() {
    for (auto& node : nodes) {
      for (auto& other : nodes) node->config.consortium.members.push_back(other->self);
    }
    for (auto& node : nodes) node->start(io);
  }
  template <class Condition>
  bool run_until(Condition condition, net::Duration limit = 10s) {
    const auto end = net::Clock::now() + limit;
    while (!condition() && net::Clock::now() < end) {
      io.restart();
      io.run_for(10ms);
    }
    return condition();
  }
  void run_for(net::Duration time) {
    run_until([] { return false; }, time);
  }
  /// What GET /v1/status answers.
  nlohmann::json status(const TestNode& node) {
    std::atomic<bool> answered = false;
    nlohmann::json answer;
    std::jthread asker([&] {
      answer = control_request(node.config.node.control, "GET", "/v1/status");
      answered = true;
    });
    run_until([&] { return answered.load(); });
    asker.join();
    return answer;
  }

  void deny(const TestNode& node, const TestNode& peer) {
    std::atomic<bool> answered = false;
    std::jthread asker([&] {
      static_cast<void>(control_request(node.config.node.control, "POST", "/v1/deny",
                                        {{"id", to_string(peer.self.id)}}));
      answered = true;
    });
    run_until([&] { return answered.load(); });
  }

  bool finishes(const TestNode& node, unsigned rounds) {
    return run_until([&] {
      return fs::exists(node.config.node.control) && status(node).at("finished_round") == rounds;
    });
  }

  test::TemporaryDirectory directory;
  fs::path folder = directory.path();
  asio::io_context io;
  std::vector<std::unique_ptr<TestNode>> nodes;
};

/// Takes part in the network without a worker, to say what no honest node says.
class Stranger : public net::HostOwner {
 public:
  Stranger(asio::io_context& io, const crypto::NodeKeys& keys, net::Consortium consortium,
           crypto::Hash task)
      : keys_(keys), consortium_(std::move(consortium)) {
    local_ = {keys_.identity.id(), &keys_.channel, &consortium_, task, "stranger"};
    host_ = std::make_unique<net::Host>(io, local_, *this);
    host_->connect();
  }
  void read_piece(const net::SnapshotId&, std::uint32_t, PieceRead) override { asked = true; }
  void write_piece(const net::SnapshotId&, std::uint32_t, Bytes, std::function<void()>) override {}
  void discovered(const net::SnapshotId&, const net::Head&) override {}
  void begun(const net::SnapshotId&, const net::Head&) override {}
  void needed(const net::SnapshotId&, const net::Head&) override {}
  void completed(const net::SnapshotId&, const net::Head&) override {}
  void dropped(const net::SnapshotId&, const net::Head&, const std::vector<net::Hash>&) override {}
  void peer_connected(const net::Member&, const net::Hello&) override { connected = true; }
  void peer_disconnected(const net::Member&, const net::Trouble&) override {}
  void peer_failed(const net::Member*, const net::Trouble&) override {}
  void peer_accused(const net::Member&, const std::string&) override {}
  void peer_convicted(const net::Member&, const net::Evidence&) override {}
  void outrun(const net::LogPosition&) override {}

  void announce(std::uint64_t size) {
    net::Manifest manifest;
    manifest.chunks.resize(net::chunk_count(size));
    const Bytes encoded = net::encode(manifest);
    net::Head head;
    head.origin = local_.id;
    head.position = {1, ++sequence_};
    head.task = local_.task;
    head.round = 0xffffffff;
    head.size = size;
    head.manifest = crypto::hash(encoded);
    head.manifest_size = static_cast<std::uint32_t>(encoded.size());
    host_->publish(net::sign_head(head, keys_.identity, consortium_.id()), manifest);
  }
  std::uint64_t sent() const { return host_->traffic().out; }

  bool connected = false, asked = false;

 private:
  const crypto::NodeKeys& keys_;
  net::Consortium consortium_;
  net::LocalNode local_{};
  std::unique_ptr<net::Host> host_;
  std::uint64_t sequence_ = 0;
};

int code_of(const std::exception_ptr& error) {
  try {
    if (error) std::rethrow_exception(error);
  } catch (const Failure& failure) {
    return failure.code();
  }
  return 0;
}

BOOST_FIXTURE_TEST_SUITE(node_tests, Nodes)

BOOST_AUTO_TEST_CASE(node_that_is_stopped_while_it_gathers_ends_at_once) {
  TestNode& quick = add("honest");
  add("slow");
  start_all();
  run_for(2s);  // it has published and waits for the slow one
  BOOST_TEST_REQUIRE(!quick.ended);
  quick.stop();
  BOOST_TEST(run_until([&] { return quick.ended; }, 2s));
  BOOST_TEST(!quick.failure);
}

BOOST_AUTO_TEST_CASE(notes_of_convenor_mode_travel_with_the_snapshots) {
  for (int i = 0; i < 3; ++i) add("scripted");
  std::string losses = "M0=1\nself=0.2\nbaseline=0.2\n";  // and all are useful to all
  for (const auto& node : nodes) losses += to_string(node->self.id) + "=0.2\n";
  for (auto& node : nodes) {
    fs::create_directory(node->config.node.state);
    std::ofstream(node->config.node.state / "losses") << losses;
    node->config.learning.strategy = StrategyName::lia;
    node->config.learning.rounds = 0;
    node->config.learning.interval = 100ms;
    if (node != nodes[2]) node->config.learning.convenor = "node-1";
  }
  start_all();
  for (auto& node : nodes) run_until([&] { return fs::exists(node->config.node.control); });
  const auto report = [&](std::size_t i) {
    const nlohmann::json last = status(*nodes[i]).at("last_round");
    const bool says_why = !last.is_null() && !last.at("why").is_null();
    return says_why ? last.at("why").value("convenor", nlohmann::json()) : nlohmann::json();
  };
  const auto follows = [&](std::size_t i) {
    const nlohmann::json said = report(i);
    return !said.is_null() && said.at("followed") == true;
  };
  const auto both_follow = [&] {
    run_for(200ms);  // to ask without a pause would take the nodes' time
    return follows(0) && follows(1);
  };
  BOOST_TEST_REQUIRE(run_until(both_follow, 60s));
  const nlohmann::json convenor = report(0), member = report(1);
  BOOST_TEST(convenor.at("rows") == 2);
  BOOST_TEST(convenor.at("assigned") == nlohmann::json({to_string(nodes[1]->self.id)}));
  BOOST_TEST(member.at("assigned") == nlohmann::json({to_string(nodes[0]->self.id)}));
  BOOST_TEST(report(2).is_null());
}

// A node whose model was ruined served the baseline, but went on from what was ruined.
BOOST_AUTO_TEST_CASE(lia_begins_again_from_the_baseline_where_all_else_is_clearly_worse) {
  TestNode& node = add("scripted");
  fs::create_directory(node.config.node.state);
  std::ofstream(node.config.node.state / "losses")
      << "M0=1\nself=0.9\naveraged=0.9\nbaseline=0.2\n";
  node.config.learning.strategy = StrategyName::lia;
  start_all();
  BOOST_TEST_REQUIRE(finishes(node, 1));
  const nlohmann::json round = status(node).at("last_round");
  BOOST_TEST(round.at("served") == "baseline");
  BOOST_TEST(round.at("served_reason").get<std::string>().ends_with("begins from it"));
  std::vector<nlohmann::json> averaged;
  std::ifstream requests(node.config.node.state / "requests");
  for (std::string line; std::getline(requests, line);) {
    const auto request = nlohmann::json::parse(line);
    if (request.at("op") == "average") averaged.push_back(request.at("members"));
  }
  BOOST_TEST(averaged == (std::vector<nlohmann::json>{{"self"}, {"baseline"}}));
}

BOOST_AUTO_TEST_CASE(interval_between_rounds_is_kept_whatever_arrives) {
  TestNode& patient = add("honest");
  TestNode& other = add("honest");
  patient.config.learning.interval = 1h;
  patient.config.learning.rounds = 0;
  other.config.learning.rounds = 20;
  start_all();
  run_for(3s);
  other.stop();  // a peer that leaves wakes it, too
  run_for(1s);
  patient.stop();
  BOOST_TEST_REQUIRE(run_until([&] { return patient.ended; }));
  patient.destroy();
  BOOST_TEST(patient.rounds() == 1U);
}

BOOST_AUTO_TEST_CASE(worker_that_dies_in_a_round_is_started_again_and_the_round_done) {
  TestNode& node = add("dies");
  start_all();
  run_for(4s);  // the first restart comes after two seconds
  node.stop();
  BOOST_TEST_REQUIRE(run_until([&] { return node.ended; }));
  BOOST_TEST(!node.failure);
  node.destroy();
  BOOST_TEST(node.rounds() == 1U);
}

BOOST_DATA_TEST_CASE_F(Nodes, partial_of_another_form_than_the_initial_model_is_not_published,
                       boost::unit_test::data::make({"swells", "renames"}), worker) {
  TestNode& node = add(worker);
  node.config.worker.restart_limit = 0;
  start_all();
  const bool& ended = node.ended;
  BOOST_TEST_REQUIRE(run_until([&ended] { return ended; }));
  BOOST_TEST(code_of(node.failure) == EX_SOFTWARE);
  node.destroy();
  BOOST_TEST(Store(node.config.node.state).heads().empty());
}

BOOST_AUTO_TEST_CASE(node_whose_privacy_is_spent_stops_publishing_but_not_learning) {
  TestNode& node = add("honest");
  node.config.learning.rounds = 5;
  node.config.privacy.noise = 1;
  node.config.privacy.epsilon = 2.5;
  start_all();
  BOOST_TEST_REQUIRE(finishes(node, 5));
  const nlohmann::json privacy = status(node).at("last_round").at("privacy");
  BOOST_TEST(privacy.at("epsilon") == 2);
  BOOST_TEST(privacy.at("budget") == 2.5);
  BOOST_TEST(privacy.at("published") == false);
  node.stop();
  BOOST_TEST_REQUIRE(run_until([&] { return node.ended; }));
  BOOST_TEST(!node.failure);
  node.destroy();
  Store store(node.config.node.state);
  BOOST_TEST(store.last_position().sequence == 2U);
  const auto rounds = store.rounds(100);
  BOOST_TEST_REQUIRE(rounds.size() == 5U);
  for (std::size_t i = 0; i < rounds.size(); ++i) {
    BOOST_TEST(rounds[i].at("privacy").at("epsilon") == std::min<std::size_t>(i + 1, 2));
    BOOST_TEST(rounds[i].at("privacy").at("published") == (i < 2));
  }
}

BOOST_AUTO_TEST_CASE(nothing_of_a_worker_that_does_not_know_privacy_is_published) {
  TestNode& node = add("blabs");
  node.config.privacy.noise = 1;
  node.config.worker.restart_limit = 0;
  start_all();
  BOOST_TEST_REQUIRE(run_until([&] { return node.ended; }));
  BOOST_TEST(code_of(node.failure) == EX_SOFTWARE);
  node.destroy();
  BOOST_TEST(Store(node.config.node.state).heads().empty());
}

BOOST_AUTO_TEST_CASE(who_publishes_nothing_trains_without_noise) {
  TestNode& node = add("honest");
  node.config.learning.strategy = StrategyName::local;
  node.config.privacy.noise = 1;
  start_all();
  BOOST_TEST_REQUIRE(finishes(node, 1));
  BOOST_TEST(status(node).at("last_round").at("privacy").is_null());
}

BOOST_AUTO_TEST_CASE(strategy_that_looks_at_training_examples_is_refused_with_privacy) {
  TestNode& node = add("honest");
  node.config.learning.strategy = StrategyName::pens;
  node.config.learning.pens_top = 1;
  node.config.privacy.noise = 1;
  const auto names_both = [](const Failure& failure) {
    const std::string what = failure.what();
    return failure.code() == EX_CONFIG && what.find("pens") != std::string::npos &&
           what.find("privacy.noise") != std::string::npos;
  };
  BOOST_CHECK_EXCEPTION(start_all(), Failure, names_both);
}

BOOST_AUTO_TEST_CASE(disk_that_fails_while_a_peer_sends_ends_the_node_with_its_reason) {
  TestNode& victim = add("slow");
  add("honest");
  victim.config.learning.rounds = 0;
  for (auto& node : nodes) {
    for (auto& other : nodes) node->config.consortium.members.push_back(other->self);
  }
  victim.start(io);
  run_for(1s);
  fs::remove_all(victim.config.node.state / "blobs");
  nodes[1]->start(io);
  const auto says_disk = [](const Failure& failure) {
    return failure.code() == EX_IOERR && std::string(failure.what()).find("blobs") < 1000;
  };
  BOOST_CHECK_EXCEPTION(run_for(5s), Failure, says_disk);
}

BOOST_AUTO_TEST_CASE(nothing_is_fetched_while_the_disk_has_less_room_than_must_stay_free) {
  TestNode& node = add("honest");
  TestNode& other = add("honest");
  node.config.limits.disk_free.bytes = std::uint64_t{1} << 62;
  for (TestNode* each : {&node, &other}) {
    each->config.learning.rounds = 0;
    each->config.learning.interval = 50ms;
    each->config.learning.gather = 100ms;
  }
  start_all();
  BOOST_TEST_REQUIRE(run_until([&] { return fs::exists(other.config.node.control); }));
  const auto averages = [&](const TestNode& who) {
    const auto last = status(who).at("last_round");
    return !last.is_null() && !last.at("members").empty();
  };
  BOOST_TEST(run_until([&] { return averages(other); }));
  const auto starved = status(node);
  BOOST_TEST(starved.at("not_fetching") == "the disk has less free space than limits.disk_free");
  BOOST_TEST(!averages(node));
}

BOOST_AUTO_TEST_CASE(the_disk_quota_is_kept_and_the_operator_told_and_what_fits_still_comes) {
  TestNode& node = add("honest");
  for (int i = 0; i < 2; ++i) add("honest");
  node.config.limits.disk.bytes = 1300;  // our own two snapshots, of 400 bytes each, and one more
  for (auto& each : nodes) {
    each->config.learning.rounds = 0;
    each->config.learning.interval = 50ms;
    each->config.learning.gather = 100ms;
    for (auto& other : nodes) each->config.consortium.members.push_back(other->self);
  }
  node.start(io);
  BOOST_TEST_REQUIRE(run_until([&] { return fs::exists(node.config.node.control); }));
  BOOST_TEST_REQUIRE(run_until([&] { return status(node).at("stored_bytes") == 800; }));
  nodes[1]->start(io);
  nodes[2]->start(io);
  std::uint64_t most = 0;
  bool told = false;
  const auto end = net::Clock::now() + 20s;
  while (net::Clock::now() < end && !(told && most == 1200)) {
    const auto now = status(node);
    most = std::max(most, now.at("stored_bytes").get<std::uint64_t>());
    told = told || now.at("not_fetching") == "limits.disk is reached";
  }
  BOOST_TEST(told);
  BOOST_TEST(most == 1200U);
}

BOOST_AUTO_TEST_CASE(earlier_models_are_kept_as_far_as_there_is_room) {
  struct Case {
    unsigned history;
    std::uint64_t disk, disk_free;
    std::size_t kept;
  };
  for (const auto& [history, disk, disk_free, kept] :
       {Case{8, 1 << 20, 0, 5}, Case{3, 1 << 20, 0, 3}, Case{8, 1100, 0, 2}, Case{8, 900, 0, 0},
        Case{0, 1 << 20, 0, 0}, Case{8, 1 << 20, 1ULL << 60, 0}}) {
    TestNode& node = add("honest");
    node.config.limits.history = history;
    node.config.limits.disk.bytes = disk;
    node.config.limits.disk_free.bytes = disk_free;
    node.config.learning.rounds = 5;
    fs::create_directories(node.config.node.state);
    write_whole(node.config.node.state / kCheckpoint, Bytes(500));  // the worker writes none
    node.config.consortium.members = {node.self};
    node.start(io);
    BOOST_TEST(finishes(node, 5));
    BOOST_TEST(History(node.config.node.state / kHistory).rounds().size() == kept);
    node.stop();
    BOOST_TEST(run_until([&] { return node.ended; }));
  }
}

BOOST_AUTO_TEST_CASE(nothing_is_averaged_with_or_sealed_to_a_denied_peer_also_after_a_restart) {
  TestNode& node = add("honest");
  TestNode& other = add("honest");
  for (TestNode* each : {&node, &other}) {
    each->config.learning.rounds = 0;
    each->config.learning.interval = 50ms;
    each->config.learning.gather = 100ms;
  }
  start_all();
  BOOST_TEST_REQUIRE(run_until([&] { return fs::exists(node.config.node.control); }));
  const auto averages = [&] {
    const auto last = status(node).at("last_round");
    return !last.is_null() && !last.at("members").empty();
  };
  BOOST_TEST_REQUIRE(run_until(averages));
  deny(node, other);
  BOOST_TEST(run_until([&] { return !averages(); }));
  BOOST_TEST(run_until([&] { return status(node).at("connected") == 0; }, 1s));
  const std::uint64_t since = status(node).at("finished_round");
  BOOST_TEST_REQUIRE(run_until([&] { return status(node).at("finished_round") > since + 1; }));
  node.stop();
  BOOST_TEST_REQUIRE(run_until([&] { return node.ended; }));
  node.destroy();
  {
    Store store(node.config.node.state);
    const auto heads = store.heads();
    const auto ours = std::ranges::find(heads, node.self.id, &StoredHead::origin);
    BOOST_TEST_REQUIRE((ours != heads.end()));
    const auto manifest = net::decode<net::Manifest>(ours->manifest).value();
    BOOST_TEST_REQUIRE(manifest.keys.size() == 1U);
    BOOST_TEST((manifest.keys[0].member == node.self.id));
  }
  node.ended = false;
  node.start(io);
  BOOST_TEST_REQUIRE(run_until([&] { return fs::exists(node.config.node.control); }));
  BOOST_TEST(!run_until([&] { return status(node).at("connected") == 1; }, 2s));
  BOOST_TEST(!averages());
}

BOOST_AUTO_TEST_CASE(head_of_another_size_than_the_model_is_not_fetched) {
  TestNode& node = add("slow");
  const fs::path keys_file = folder / "stranger.keys";
  const auto keys = crypto::create_key_file(keys_file);
  net::Member stranger;
  stranger.id = keys.identity.id();
  stranger.channel = keys.channel.public_key();
  stranger.name = "stranger";
  node.config.consortium.members.push_back(stranger);
  start_all();
  run_for(1s);
  const auto hex = status(node).at("task").at("hash").get<std::string>();
  crypto::Hash task{};
  std::ranges::copy(crypto::from_hex(hex).value(), task.begin());
  Stranger liar(io, keys, {"ours", node.config.consortium.members}, task);
  BOOST_TEST_REQUIRE(run_until([&] { return liar.connected; }));
  liar.announce(std::uint64_t{2000} * net::limits::kChunk);  // its manifest has 64 kB
  run_for(1s);
  BOOST_TEST(liar.sent() < 10'000U);
  BOOST_TEST(!liar.asked);
  liar.announce(400);  // of the right size: 200 weights as bf16
  BOOST_TEST(run_until([&] { return liar.asked; }));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace node_test
