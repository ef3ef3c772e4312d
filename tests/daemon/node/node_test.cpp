#include "daemon/node/node.hpp"

#include "daemon/membership/keys.hpp"
#include "daemon/membership/proposal.hpp"
#include "daemon/state/history.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "tests/crypto_ready.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <chrono>
#include <fstream>
#include <memory>
#include <set>
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
  TestNode(const fs::path& parent, const std::string& name, const std::string& behaviour)
      : folder(parent / name) {
    fs::create_directory(folder);
    config.node.name = name;
    config.node.key = folder / "node.key";
    config.node.channel_key = folder / "channel.key";
    config.node.card = folder / "node.card";
    config.node.state = folder / "state";
    config.node.control = folder / "control.sock";
    config.node.listen = {free_address()};
    config.consortium.charter = folder / "charter.kith";
    config.task.name = "task";
    config.data.train = {folder / behaviour};
    std::ofstream(config.data.train[0]) << "not looked at";
    config.worker.command = KITH_FAKE_WORKER;
    config.learning.strategy = "fedavg";
    config.learning.gather = 10s;
    config.learning.rounds = 1;
    identity.emplace(make_keys(keys()));
    self = {identity->id(), name};
  }
  [[nodiscard]] KeyFiles keys() const {
    return {config.node.key, config.node.channel_key, config.node.card};
  }
  net::Card make_card(const net::Hash& founded) const {
    return write_card(keys(), *identity, {self.name, config.node.listen}, founded,
                      std::chrono::system_clock::now());
  }
  void start(asio::io_context& io) {
    ended = false;
    failure = nullptr;
    node_ = std::make_unique<Node>(io, config);
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
  /// What the worker was asked of this kind, over all its lives.
  std::vector<nlohmann::json> requests(const std::string& operation) const {
    std::ifstream lines(config.node.state / "requests");
    std::vector<nlohmann::json> all;
    for (std::string line; std::getline(lines, line);) {
      auto request = nlohmann::json::parse(line);
      if (request.at("op") == operation) all.push_back(std::move(request));
    }
    return all;
  }
  std::size_t asked(const std::string& operation) const { return requests(operation).size(); }
  /// Of what the averages were made that it was asked for.
  std::vector<nlohmann::json> mixtures(const std::string& operation) const {
    std::vector<nlohmann::json> all;
    for (const auto& request : requests(operation)) all.push_back(request.at("members"));
    return all;
  }

  fs::path folder;
  Config config;
  std::optional<crypto::Identity> identity;
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
  /// Of all nodes that were added so far; the first is the only steward.
  void found() {
    net::Charter charter = founding_version("ours", nodes.front()->self, now());
    charter.members.clear();
    for (auto& node : nodes) charter.members.push_back(node->self);
    std::ranges::sort(charter.members, {}, &net::Member::id);
    record = {};
    append(charter);
    for (auto& node : nodes) record.cards.push_back(node->make_card(record.chain.founded()));
    for (auto& node : nodes) {
      write_whole(node->config.consortium.charter, net::encode_record(record));
    }
  }
  void append(const net::Charter& charter) {
    net::SignedCharter version = net::unsigned_charter(charter);
    net::sign(version, *nodes.front()->identity);
    BOOST_TEST_REQUIRE(!record.chain.append(std::move(version)));
  }
  /// The next version, in a file.
  fs::path change(const CharterChanges& changes, std::vector<net::Card> cards = {}) {
    append(next_version(record.chain, changes, now()));
    net::MembershipRecord made = record;
    made.cards = std::move(cards);
    const fs::path file = folder / ("version-" + std::to_string(record.chain.versions().size()));
    write_whole(file, net::encode_record(made));
    return file;
  }
  void start_all() {
    found();
    for (auto& node : nodes) node->start(io);
  }
  static std::chrono::system_clock::time_point now() { return std::chrono::system_clock::now(); }
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
  nlohmann::json ask(const TestNode& node, const std::string& method, const std::string& target,
                     const nlohmann::json& body = {}) {
    std::atomic<bool> answered = false;
    nlohmann::json answer;
    std::string failed;
    std::jthread asker([&] {
      try {
        answer = control_request(node.config.node.control, method, target, body);
      } catch (const Failure& failure) {
        failed = failure.what();
      }
      answered = true;
    });
    run_until([&] { return answered.load(); });
    asker.join();
    BOOST_TEST(failed == "");
    return answer;
  }
  nlohmann::json status(const TestNode& node) { return ask(node, "GET", "/v1/status"); }
  /// With how many peers' models it averaged in its last round; nullopt before it has finished one.
  std::optional<std::size_t> averaged_with(const TestNode& node) {
    const auto last = status(node).at("last_round");
    return last.is_null() ? std::nullopt : std::optional(last.at("members").size());
  }
  void deny(const TestNode& node, const TestNode& peer) {
    (void)ask(node, "POST", "/v1/deny", {{"who", to_string(peer.self.id)}});
  }
  nlohmann::json merge(const TestNode& node, const fs::path& file) {
    const Bytes bytes = read_whole(file, 1 << 20).value();
    const nlohmann::json offered{{"name", file.string()}, {"content", crypto::to_base64(bytes)}};
    return ask(node, "POST", "/v1/charter/merge", {{"files", {offered}}});
  }
  /// What `node`, which runs, learns.
  crypto::Hash task_of(const TestNode& node) {
    BOOST_TEST_REQUIRE(joins(node));
    const auto hex = status(node).at("task").at("hash").get<std::string>();
    crypto::Hash task{};
    std::ranges::copy(crypto::from_hex(hex).value(), task.begin());
    return task;
  }
  /// It is in the network.
  bool joins(const TestNode& node) {
    return run_until([&] {
      return fs::exists(node.config.node.control) && !status(node).at("listening").empty();
    });
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
  net::MembershipRecord record;  // the charter, as its steward has it
};

/// Takes part in the network without a worker, in the place of a node, to say what no honest node
/// says.
class Stranger : public net::HostOwner {
 public:
  Stranger(asio::io_context& io, const TestNode& as, const net::MembershipRecord& record,
           crypto::Hash task)
      : keys_(load_channel_keys(as.config.node.channel_key)), task_(task) {
    net::LocalNode local;
    local.id = keys_.id;
    local.channel = &keys_.channel;
    local.task = task;
    local.agent = "stranger";
    local.dials_loopback = true;
    local.card = load_card(as.config.node.card);
    host_ = std::make_unique<net::Host>(io, local, record, *this);
    host_->connect();
  }
  void read_piece(const net::SnapshotId& snapshot, std::uint32_t, PieceRead) override {
    asked.insert(snapshot);
  }
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
  void failed(const net::Member*, const std::string&, const std::exception&) override {}

  void announce(std::uint64_t size, std::uint32_t round = 0xffffffff) {
    net::Manifest manifest;
    manifest.chunks.resize(net::chunk_count(size));
    const Bytes encoded = net::encode(manifest);
    net::Head head;
    head.founded = host_->directory().founded();
    head.origin = keys_.id;
    head.key = keys_.channel.public_key();
    head.position = {1, ++sequence_};
    head.task = task_;
    head.round = round;
    head.size = size;
    head.manifest = crypto::hash(encoded);
    head.manifest_size = static_cast<std::uint32_t>(encoded.size());
    BOOST_TEST(host_->publish(net::sign_head(head, keys_.channel), manifest));
  }
  std::uint64_t sent() const { return host_->traffic().out; }

  bool connected = false;
  std::set<net::SnapshotId> asked;  // pieces of these

 private:
  NodeKeys keys_;
  crypto::Hash task_;
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
    node->config.learning.strategy = "lia";
    node->config.learning.rounds = 0;
    node->config.learning.interval = 100ms;
    if (node != nodes[2]) node->config.learning.convenor = "node-1";
  }
  start_all();
  for (auto& node : nodes) joins(*node);
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
  node.config.learning.strategy = "lia";
  start_all();
  BOOST_TEST_REQUIRE(finishes(node, 1));
  const nlohmann::json round = status(node).at("last_round");
  BOOST_TEST(round.at("served") == "baseline");
  BOOST_TEST(round.at("served_reason").get<std::string>().ends_with("begins from it"));
  BOOST_TEST(node.mixtures("average") == (std::vector<nlohmann::json>{{"self"}, {"baseline"}}));
}

BOOST_AUTO_TEST_CASE(lia_serves_the_running_average_of_theta) {
  TestNode& node = add("scripted");
  fs::create_directory(node.config.node.state);
  std::ofstream(node.config.node.state / "losses")
      << "M0=1\nself=0.5\naveraged=0.5\nbaseline=0.5\nrunning_average=0.4\n";
  node.config.learning.strategy = "lia";
  node.config.learning.rounds = 2;
  start_all();
  BOOST_TEST_REQUIRE(finishes(node, 2));
  const nlohmann::json round = status(node).at("last_round");
  BOOST_TEST(round.at("served") == "running_average");
  BOOST_TEST(round.at("models").contains("running_average"));
  BOOST_TEST(node.mixtures("keep") ==
             (std::vector<nlohmann::json>{
                 {"averaged"}, {"served"}, {"running_average", "averaged"}, {"served"}}));
  BOOST_TEST(node.mixtures("serve") == (std::vector<nlohmann::json>{{"running_average"}, {"running_average"}}));
}

/// A node whose later models have all a higher loss than the best that it served.
void get_worse(TestNode& node, const char* metrics) {
  fs::create_directory(node.config.node.state);
  std::ofstream(node.config.node.state / "losses")
      << "M0=1\nself=0.5\naveraged=0.5\nbaseline=0.5\nrunning_average=0.5\nbest=0.4\n";
  std::ofstream(node.config.node.state / "metrics") << metrics;
  node.config.learning.strategy = "lia";
}

BOOST_AUTO_TEST_CASE(lia_goes_back_to_the_best_of_before_where_all_else_is_clearly_worse) {
  TestNode& node = add("scripted");
  get_worse(node, "running_average=0.5\nbest=0.6\n");
  node.config.learning.rounds = 2;
  start_all();
  BOOST_TEST_REQUIRE(finishes(node, 2));
  const nlohmann::json round = status(node).at("last_round");
  BOOST_TEST(round.at("served") == "best");
  BOOST_TEST(round.at("served_reason").get<std::string>().ends_with("begins from it"));
  BOOST_TEST(node.mixtures("serve") ==
             (std::vector<nlohmann::json>{{"running_average"}, {"best"}}));
  BOOST_TEST(node.mixtures("average") ==
             (std::vector<nlohmann::json>{{"self"}, {"self"}, {"best"}}));
}

// A model that learns on is surer of what it is wrong about: its loss rises while it is right more
// often.
BOOST_AUTO_TEST_CASE(lia_does_not_go_back_for_a_lower_loss_alone) {
  TestNode& node = add("scripted");
  get_worse(node, "running_average=0.6\nbest=0.6\n");
  node.config.learning.rounds = 2;
  start_all();
  BOOST_TEST_REQUIRE(finishes(node, 2));
  BOOST_TEST(status(node).at("last_round").at("served") == "running_average");
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

BOOST_AUTO_TEST_CASE(status_says_how_the_worker_was_lost_until_a_round_is_done_again) {
  TestNode& node = add("aborts");
  start_all();
  const auto trouble = [&] { return status(node).at("worker_trouble").get<std::string>(); };
  BOOST_TEST_REQUIRE(joins(node));
  BOOST_TEST_REQUIRE(run_until([&] { return !trouble().empty(); }));
  BOOST_TEST(trouble().find("crashed (SIGABRT)") != std::string::npos, trouble());
  BOOST_TEST_REQUIRE(finishes(node, 1));
  BOOST_TEST(trouble() == "");
}

BOOST_AUTO_TEST_CASE(status_says_what_the_worker_is_kept_from_and_what_not) {
  TestNode& node = add("open");
  start_all();
  BOOST_TEST_REQUIRE(finishes(node, 1));
  const auto guards = status(node).at("guards");
  BOOST_TEST_REQUIRE(guards.size() == 2U);
  BOOST_TEST(guards[0].at("holds").get<bool>());
  BOOST_TEST(guards[1].at("name") == "reading");
  BOOST_TEST(!guards[1].at("holds").get<bool>());
}

BOOST_AUTO_TEST_CASE(round_whose_training_diverges_is_given_up_and_the_node_goes_on) {
  TestNode& node = add("stumbles");
  node.config.learning.rounds = 2;
  start_all();
  BOOST_TEST_REQUIRE(finishes(node, 2));
  BOOST_TEST(status(node).at("counters").at("diverged") == 1);
  node.stop();
  BOOST_TEST_REQUIRE(run_until([&] { return node.ended; }));
  BOOST_TEST(!node.failure);
  node.destroy();
  const auto rounds = Store(node.config.node.state).rounds(2);
  BOOST_TEST(rounds.at(0).at("diverged") == "training diverged in epoch 1");
  BOOST_TEST(rounds.at(0).at("served") == "averaged");
  BOOST_TEST(rounds.at(1).at("diverged").is_null());
}

BOOST_AUTO_TEST_CASE(node_whose_training_diverges_three_times_in_a_row_rests_and_says_so) {
  TestNode& node = add("diverges");
  node.config.learning.rounds = 0;
  start_all();
  BOOST_TEST_REQUIRE(finishes(node, 3));
  run_for(500ms);
  const auto told = status(node);
  BOOST_TEST(told.at("finished_round") == 3);
  const auto phase = told.at("phase").get<std::string>();
  BOOST_TEST(phase.find("diverged 3 times in a row") != std::string::npos, phase);
  BOOST_TEST(!node.ended);
  node.stop();
  BOOST_TEST_REQUIRE(run_until([&] { return node.ended; }));
  BOOST_TEST(!node.failure);
}

BOOST_AUTO_TEST_CASE(checkpoint_that_the_worker_hands_over_is_written_for_it) {
  TestNode& node = add("keeps");
  start_all();
  BOOST_TEST_REQUIRE(finishes(node, 1));
  const auto written = read_whole(node.config.node.state / kCheckpoint, 1000);
  BOOST_TEST((written && written->size() == 14));
}

BOOST_AUTO_TEST_CASE(disk_that_refuses_the_checkpoint_ends_the_node_with_its_reason) {
  TestNode& node = add("keeps");
  found();
  fs::create_directories(node.config.node.state / kCheckpoint / "in the way");
  node.start(io);
  BOOST_TEST_REQUIRE(run_until([&] { return node.ended; }));
  BOOST_TEST(code_of(node.failure) == EX_IOERR);
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
  node.config.learning.strategy = "local";
  node.config.privacy.noise = 1;
  start_all();
  BOOST_TEST_REQUIRE(finishes(node, 1));
  BOOST_TEST(status(node).at("last_round").at("privacy").is_null());
}

BOOST_AUTO_TEST_CASE(strategy_that_looks_at_training_examples_is_refused_with_privacy) {
  TestNode& node = add("honest");
  node.config.learning.strategy = "pens";
  node.config.learning.oracle_group = {"a", "b"};
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
  found();
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
  BOOST_TEST_REQUIRE(joins(other));
  BOOST_TEST(run_until([&] { return averaged_with(other) > 0U; }));
  const auto starved = status(node);
  BOOST_TEST(starved.at("not_fetching") == "the disk has less free space than limits.disk_free");
  BOOST_TEST(!(averaged_with(node) > 0U));
}

BOOST_AUTO_TEST_CASE(the_disk_quota_is_kept_and_the_operator_told_and_what_fits_still_comes) {
  TestNode& node = add("honest");
  for (int i = 0; i < 2; ++i) add("honest");
  node.config.limits.disk.bytes = 1300;  // our own two snapshots, of 400 bytes each, and one more
  for (auto& each : nodes) {
    each->config.learning.rounds = 0;
    each->config.learning.interval = 50ms;
    each->config.learning.gather = 100ms;
  }
  found();
  node.start(io);
  BOOST_TEST_REQUIRE(joins(node));
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
    found();
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
  BOOST_TEST_REQUIRE(joins(node));
  const auto averages = [&] { return averaged_with(node) > 0U; };
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
  BOOST_TEST_REQUIRE(joins(node));
  BOOST_TEST(!run_until([&] { return status(node).at("connected") == 1; }, 2s));
  BOOST_TEST(!averages());
}

BOOST_AUTO_TEST_CASE(head_of_another_size_than_the_model_is_not_fetched) {
  TestNode& node = add("slow");
  const TestNode& other = add("honest");
  found();
  node.start(io);
  Stranger liar(io, other, record, task_of(node));
  BOOST_TEST_REQUIRE(run_until([&] { return liar.connected; }));
  liar.announce(std::uint64_t{2000} * net::limits::kChunk);  // its manifest has 64 kB
  run_for(1s);
  BOOST_TEST(liar.sent() < 10'000U);
  BOOST_TEST(liar.asked.empty());
  liar.announce(400);  // of the right size: 200 weights as bf16
  BOOST_TEST(run_until([&] { return !liar.asked.empty(); }));
}

BOOST_AUTO_TEST_CASE(peer_that_publishes_without_end_is_fetched_twice_a_round) {
  TestNode& node = add("slow");
  const TestNode& other = add("honest");
  found();
  node.start(io);
  Stranger liar(io, other, record, task_of(node));
  BOOST_TEST_REQUIRE(run_until([&] { return liar.connected; }));
  for (std::uint32_t i = 0; i < 20; ++i) {
    liar.announce(400, i);
    run_for(100ms);
  }
  BOOST_TEST(!liar.asked.empty());
  BOOST_TEST(liar.asked.size() <= net::limits::kFetchesPerRound);
}

// It used to wait for the end of `gather`, which nothing of that peer would have ended before.
BOOST_AUTO_TEST_CASE(snapshot_beyond_the_fetches_of_a_round_is_not_waited_for) {
  TestNode& node = add("honest");
  const TestNode& other = add("honest");
  node.config.learning.gather = 60s;
  node.config.learning.rounds = 0;
  found();
  node.start(io);
  Stranger liar(io, other, record, task_of(node));
  BOOST_TEST_REQUIRE(run_until([&] { return liar.connected; }));
  const auto finished = [&] { return status(node).at("finished_round").get<std::uint64_t>(); };
  liar.announce(400);
  BOOST_TEST_REQUIRE(run_until([&] { return liar.asked.size() == 1; }));
  run_for(500ms);
  const std::uint64_t before = finished();
  run_for(500ms);
  BOOST_TEST_REQUIRE(finished() == before);  // a node waits for what it fetches
  // The first may count for the round before.
  for (unsigned i = 0; i <= net::limits::kFetchesPerRound && finished() == before; ++i) {
    liar.announce(400);
    run_for(500ms);
  }
  BOOST_TEST(run_until([&] { return finished() > before; }, 10s));
}

// --- What changes while a node runs ------------------------------------------------------------

// Every approval used to stop the node, kill its worker, read the data again and redo the round.
BOOST_AUTO_TEST_CASE(new_member_is_taken_in_while_rounds_workers_and_connections_go_on) {
  for (int i = 0; i < 3; ++i) {
    TestNode& each = add("honest");
    each.config.learning.rounds = 0;
    each.config.learning.interval = 100ms;
    each.config.learning.gather = 500ms;
  }
  found();
  TestNode& newcomer = add("honest");
  newcomer.config.learning.rounds = 0;
  newcomer.config.learning.interval = 100ms;
  newcomer.config.learning.gather = 500ms;
  for (int i = 0; i < 3; ++i) nodes[static_cast<std::size_t>(i)]->start(io);
  const TestNode& steward = *nodes[0];
  for (std::size_t i = 0; i < 3; ++i) BOOST_TEST_REQUIRE(joins(*nodes[i]));
  BOOST_TEST_REQUIRE(run_until([&] { return averaged_with(steward) == 2U; }, 20s));
  const auto before = status(steward);
  const auto peers_before = ask(steward, "GET", "/v1/peers");

  const net::Card card = newcomer.make_card(record.chain.founded());
  const fs::path file = change({.add = {newcomer.self}}, {card});
  const auto merged = merge(steward, file);
  BOOST_TEST(merged.at("number") == 2);
  BOOST_TEST(merged.at("cards") == 1);
  const auto on_disk = load_record(steward.config.consortium.charter).chain.newest().charter;
  BOOST_TEST(on_disk.number == 2U);  // where the next verb looks
  BOOST_TEST_REQUIRE(run_until([&] { return status(*nodes[2]).at("members") == 4; }, 5s));
  net::MembershipRecord handed = load_record(steward.config.consortium.charter);
  write_whole(newcomer.config.consortium.charter, net::encode_record(handed));
  newcomer.start(io);
  BOOST_TEST_REQUIRE(joins(newcomer));
  for (const auto& node : nodes) {
    BOOST_TEST(run_until([&] { return averaged_with(*node) == 3U; }, 20s));
  }
  const auto after = status(steward);
  BOOST_TEST(after.at("worker_pid") == before.at("worker_pid"));
  BOOST_TEST(after.at("counters").at("worker_restarts") == 0);
  BOOST_TEST(after.at("connected") == 3);
  for (const auto& peer : ask(steward, "GET", "/v1/peers")) {
    for (const auto& known : peers_before) {
      if (known.at("id") == peer.at("id")) BOOST_TEST(known.at("since") == peer.at("since"));
    }
  }
  BOOST_TEST(load_record(nodes[2]->config.consortium.charter).chain.versions().size() == 2U);
}

BOOST_AUTO_TEST_CASE(expelled_node_learns_on_alone_and_says_so_and_the_others_use_it_no_more) {
  for (int i = 0; i < 3; ++i) {
    TestNode& each = add("honest");
    each.config.learning.rounds = 0;
    each.config.learning.interval = 100ms;
    each.config.learning.gather = 500ms;
  }
  start_all();
  const TestNode &steward = *nodes[0], &expelled = *nodes[2];
  for (const auto& node : nodes) BOOST_TEST_REQUIRE(joins(*node));
  BOOST_TEST_REQUIRE(run_until([&] { return averaged_with(expelled) == 2U; }, 20s));
  BOOST_TEST(merge(steward, change({.remove = {expelled.self.name}})).at("number") == 2);
  BOOST_TEST(run_until(
      [&] { return averaged_with(steward) == 1U && averaged_with(expelled) == 0U; }, 20s));
  const auto told = status(expelled);
  BOOST_TEST(told.at("charter").at("member") == false);
  BOOST_TEST(told.at("connected") == 0);
  BOOST_TEST(!expelled.ended);
  BOOST_TEST(status(steward).at("expelled").size() == 1U);
  (void)merge(steward,
              change({.add = {expelled.self}}, {load_card(expelled.config.node.card).value()}));
  BOOST_TEST(run_until(
      [&] { return averaged_with(steward) == 2U && averaged_with(expelled) == 2U; }, 60s));
}

BOOST_AUTO_TEST_CASE(channel_key_is_renewed_while_the_node_runs_and_the_others_follow) {
  TestNode& node = add("honest");
  TestNode& other = add("honest");
  for (TestNode* each : {&node, &other}) {
    each->config.learning.rounds = 0;
    each->config.learning.interval = 100ms;
    each->config.learning.gather = 500ms;
  }
  start_all();
  BOOST_TEST_REQUIRE((joins(node) && joins(other)));
  BOOST_TEST_REQUIRE(
      run_until([&] { return averaged_with(node) > 0U && averaged_with(other) > 0U; }, 20s));
  renew_channel_key(node.config.node.channel_key);
  run_for(1100ms);  // cards are dated in seconds
  const net::Card card = node.make_card(record.chain.founded());
  const auto taken = ask(node, "POST", "/v1/keys/reload");
  BOOST_TEST(taken.at("channel") == crypto::to_hex(card.channel.key));
  BOOST_TEST(run_until([&] {
    const auto cards = load_record(other.config.consortium.charter).cards;
    return std::ranges::find(cards, card) != cards.end();
  }));
  BOOST_TEST(run_until([&] { return status(other).at("connected") == 1; }));
  const auto since = status(other).at("finished_round").get<std::uint64_t>();
  BOOST_TEST(run_until([&] { return status(other).at("finished_round") > since + 2; }));
  BOOST_TEST((averaged_with(other) > 0U));
  BOOST_TEST((averaged_with(node) > 0U));
}

BOOST_AUTO_TEST_CASE(status_is_answered_while_the_data_is_read_and_while_the_worker_is_away) {
  TestNode& node = add("sleeps");
  found();
  node.start(io);
  BOOST_TEST_REQUIRE(run_until([&] { return fs::exists(node.config.node.control); }, 1s));
  const auto early = status(node);
  BOOST_TEST(early.at("phase") == "opening data");
  BOOST_TEST(early.at("task").at("hash").is_null());
  BOOST_TEST(ask(node, "GET", "/v1/peers").empty());
  BOOST_TEST(ask(node, "GET", "/v1/invitations").empty());
}

BOOST_AUTO_TEST_CASE(api_description_is_up_to_date) {
  TestNode& node = add("ordinary");
  start_all();
  BOOST_TEST_REQUIRE(joins(node));
  const std::string text = ask(node, "GET", "/v1/openapi.json").dump(2) + "\n";
  const fs::path file = fs::path(KITH_DOCS) / "openapi.json";
  if (std::getenv("KITH_REFRESH") != nullptr) std::ofstream(file) << text;
  std::ifstream in(file);
  const std::string committed(std::istreambuf_iterator<char>(in), {});
  BOOST_TEST((committed == text),
             "docs/openapi.json is out of date; KITH_REFRESH=1 with this test refreshes it");
}

BOOST_AUTO_TEST_CASE(what_changes_is_told_to_who_listens) {
  TestNode& node = add("ordinary");
  node.config.learning.gather = 0s;
  node.config.learning.rounds = 3;
  found();
  node.start(io);
  BOOST_TEST_REQUIRE(joins(node));
  asio::local::stream_protocol::socket client(io);
  client.connect(asio::local::stream_protocol::endpoint(node.config.node.control.string()));
  asio::write(client, asio::buffer(std::string("GET /v1/events HTTP/1.1\r\n\r\n")));
  std::string heard(1 << 16, '\0');
  std::size_t size = 0;
  std::function<void()> read = [&] {
    client.async_read_some(asio::buffer(heard.data() + size, heard.size() - size),
                           [&](net::error_code ec, std::size_t more) {
                             size += more;
                             if (!ec) read();
                           });
  };
  read();
  const auto has_heard = [&](std::string_view text) {
    return run_until([&] { return std::string_view(heard).substr(0, size).find(text) != text.npos; });
  };
  BOOST_TEST(has_heard("text/event-stream"));
  run_for(1500ms);  // it looks every second, and knows by then what it was
  merge(node, change({.renew = std::chrono::hours(24 * 400)}));
  BOOST_TEST(has_heard("event: charter\ndata: {\"fingerprint\":"));
  client.close();
  run_for(10ms);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace node_test
