#pragma once

#include "daemon/learning/strategy.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <stdlib.h>

/// Strategies on a bench: a made-up worker whose models have the losses that a test wants.
namespace kith::daemon::bench {

using nlohmann::json;
namespace asio = net::asio;
namespace fs = std::filesystem;

using Names = std::vector<std::string>;
using Candidates = std::vector<Candidate>;
using Script = std::map<std::string, double>;

inline Names sorted(Names names) {
  std::ranges::sort(names);
  return names;
}

class Bench {
 public:
  Bench() { restart(); }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  bool published = false;         ///< as in Situation
  const pipe::Fd* own = nullptr;  ///< likewise
  std::uint64_t epochs = 1;       ///< likewise

  void restart() {
    worker_ = std::make_unique<WorkerProcess>(io_, Program{KITH_FAKE_WORKER});
    pipe::Open open;
    open.task.name = "task";
    open.task.sizes = {1};
    open.data.train = {"scripted"};
    open.state = folder_.string();
    auto body = [this, open]() -> net::awaitable<void> { co_await worker_->call(open); };
    run(body);
  }
  /// What models have not named has the loss 1, and the distance 1.
  void losses(const Script& script) { write("losses", script); }
  void distances(const Script& script) { write("distances", script); }

  void prepare(Strategy& strategy, std::uint64_t round, std::vector<Candidate> candidates) {
    const Situation moment = situation(round, std::move(candidates));
    auto body = [&]() -> net::awaitable<void> { co_await strategy.prepare(moment); };
    run(body);
  }
  Choice choice(Strategy& strategy, std::uint64_t round, std::vector<Candidate> candidates) {
    const Situation moment = situation(round, std::move(candidates));
    Choice chosen;
    auto body = [&]() -> net::awaitable<void> {
      Choice found = co_await strategy.choose(moment);
      chosen = std::move(found);
    };
    run(body);
    return chosen;
  }
  pipe::Mixture choose(Strategy& strategy, std::uint64_t round, std::vector<Candidate> candidates) {
    return choice(strategy, round, std::move(candidates)).mixture;
  }
  /// Without notes, and all from this round.
  pipe::Mixture choose(Strategy& strategy, std::uint64_t round, const Names& candidates) {
    std::vector<Candidate> list;
    for (const std::string& peer : candidates) list.push_back({peer, round});
    return choose(strategy, round, std::move(list));
  }

  /// What the worker was asked of this kind since the last time, in order.
  std::vector<json> requests(const std::string& operation) {
    std::vector<json> found;
    std::ifstream in(folder_ / "requests");
    for (std::string line; std::getline(in, line);) {
      json request = json::parse(line);
      if (request.at("op") == operation) found.push_back(std::move(request));
    }
    fs::remove(folder_ / "requests");
    return found;
  }

 private:
  void write(const char* file, const Script& script) {
    std::ofstream out(folder_ / file);
    for (const auto& [model, value] : script) out << model << "=" << value << "\n";
  }
  Situation situation(std::uint64_t round, std::vector<Candidate> candidates) {
    Situation situation;
    situation.round = round;
    situation.epochs = epochs;
    situation.candidates = std::move(candidates);
    situation.worker = worker_.get();
    situation.published = published;
    situation.own = own;
    return situation;
  }
  template <class Body>
  void run(Body& body) {
    asio::co_spawn(io_, std::ref(body), net::rethrow);
    io_.restart();
    io_.run();
  }

  test::TemporaryDirectory directory_;
  fs::path folder_ = directory_.path();
  asio::io_context io_;
  std::unique_ptr<WorkerProcess> worker_;
};

inline Names members(const pipe::Mixture& mixture) {
  BOOST_TEST_REQUIRE(!mixture.members.empty());
  BOOST_TEST(mixture.members.front() == "self");
  BOOST_TEST(mixture.members.size() == mixture.weights.size());
  return sorted({mixture.members.begin() + 1, mixture.members.end()});
}

inline double weight(const pipe::Mixture& mixture, const std::string& member) {
  const auto found = std::ranges::find(mixture.members, member);
  if (found == mixture.members.end()) return 0;
  return mixture.weights[static_cast<std::size_t>(found - mixture.members.begin())];
}

}  // namespace kith::daemon::bench
