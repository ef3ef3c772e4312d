#pragma once

#include "daemon/config/config.hpp"
#include "daemon/learning/exchange.hpp"
#include "daemon/learning/round_report.hpp"
#include "daemon/learning/strategy.hpp"
#include "daemon/learning/worker_process.hpp"
#include "model/gate.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace kith::daemon {

/// The learning loop of Kith, a round at a time, whoever carries the snapshots:
///
///     train -> publish the partial -> gather -> choose what to average -> average -> gate
///
/// The peers may change at any time; a round has those that there were when it began.
///
/// Ownership: borrows the exchange; owns the worker.  Threads: the io thread.
class Learner {
 public:
  /// A node that learns the task.
  struct Peer {
    std::string id;  ///< what the exchange and the strategy call it
    std::string name;
  };

  /// Throws Failure if `config` asks for a strategy that cannot be.
  Learner(net::asio::io_context& io, const Config& config, Peer self, std::vector<Peer> peers);
  ~Learner();
  Learner(const Learner&) = delete;
  Learner& operator=(const Learner&) = delete;

  /// What carries the snapshots from now on: before the first round.
  void join(Exchange& exchange) { exchange_ = &exchange; }
  /// These are the peers from the next round on.  What is thought of those who stay is kept.
  void set_peers(std::vector<Peer> peers) { next_peers_ = std::move(peers); }

  /// Starts a worker, in place of an earlier one, and opens task and data of `config` in it; it
  /// goes on from its checkpoint.  Returns M0, a snapshot file.  Throws WorkerLost, WorkerRefused,
  /// Failure.
  net::awaitable<pipe::Fd> open(const Config& config);
  /// How a file of the state folder is written, from one in memory.  Throws Failure.
  using Write = std::function<net::awaitable<void>(std::filesystem::path path,
                                                   std::shared_ptr<const pipe::Fd> content)>;
  /// In place of at once, here, and durably.
  void write_with(Write write) { write_ = std::move(write); }

  /// How workers are started, in place of by this process itself.
  void start_workers_with(WorkerProcess::Start start) { start_ = std::move(start); }

  /// Does a whole round, its checkpoint included, and returns the report of it.  A round whose
  /// training diverges is given up: its outcome is the better one of the served model and the
  /// baseline, and the report says "diverged" and why.  Throws WorkerLost, WorkerRefused or
  /// Failure; then nothing of the round counts.
  net::awaitable<RoundReport> do_round(std::uint64_t number);
  /// Measures a model as it stands after the last round.  Throws WorkerLost or WorkerRefused.
  net::awaitable<pipe::Evaluation> evaluate(pipe::ModelName model, pipe::Split split);
  /// Of each held-out example (of each validation example where there is none), whether the served
  /// model is right, 0 or 1, or what it adds to R2: pipe::Outcomes.  Throws WorkerLost or
  /// WorkerRefused.
  net::awaitable<std::vector<float>> outcomes();
  /// Whoever waits for the worker, or asks it later, finds it lost.
  void hang_up();
  void drop_worker() { worker_.reset(); }

  [[nodiscard]] Strategy& strategy() { return *strategy_; }
  [[nodiscard]] const Strategy& strategy() const { return *strategy_; }
  [[nodiscard]] const pipe::Opened& opened() const { return opened_; }
  [[nodiscard]] const std::string& phase() const { return phase_; }  ///< for status
  [[nodiscard]] const std::optional<pipe::Progress>& progress() const { return progress_; }
  [[nodiscard]] std::optional<pid_t> worker_pid() const;
  /// Rounds up to now that were given up, one after the other.
  [[nodiscard]] unsigned diverged_in_a_row() const { return diverged_in_a_row_; }

 private:
  /// What a round produced, as it goes.
  struct Round {
    std::uint64_t number = 0;
    pipe::Fd own;                          // the partial, for a strategy that reads it
    std::map<std::string, Judged> models;  // by name, as in RoundReport
    Choice choice;
    std::string served, served_reason;
    std::optional<pipe::Spent> privacy;
    std::uint64_t epochs = 0;               // trained, the baseline's included
    std::map<std::string, double> seconds;  // by phase
    std::string diverged;                   // why it was given up
  };

  [[nodiscard]] Roles roles() const;
  void meet_next_peers();
  [[nodiscard]] Situation situation_of(const Round& round) const;
  net::awaitable<void> train(Round& round, pipe::Fd& partial);
  net::awaitable<void> average(Round& round);
  net::awaitable<void> gate(Round& round);
  /// Moves the worker's running average of theta on by this round; or begins it anew, with theta.
  net::awaitable<void> keep_running_average();
  net::awaitable<void> begin_running_average(std::string with);
  /// Keeps what is served as the best of before.
  net::awaitable<void> keep_best();
  /// Of each example of a split, what a model's metric is the mean of.
  net::awaitable<std::vector<float>> outcomes_of(std::string member, pipe::Split split);
  /// What a model comes to on the validation examples: the mean of that.
  net::awaitable<double> metric_of(std::string member);
  net::awaitable<void> serve_chosen(Round& round);
  net::awaitable<void> test(Round& round);
  /// Makes the baseline, or the best of before, the next theta, if it is served and the strategy
  /// wants that.
  net::awaitable<void> begin_again(Round& round);
  net::awaitable<RoundReport> give_up(Round& round);
  net::awaitable<void> checkpoint(const Round& round);
  net::awaitable<void> write_down(const char* name, pipe::Fd file, std::uint64_t most);
  [[nodiscard]] RoundReport report(const Round& round) const;
  [[nodiscard]] bool trains_privately() const;
  [[nodiscard]] std::string name_of(const std::string& peer) const;

  net::asio::io_context& io_;
  Config config_;
  Peer self_;
  std::vector<Peer> peers_;
  std::optional<std::vector<Peer>> next_peers_;
  Exchange* exchange_ = nullptr;
  Roles roles_;
  std::unique_ptr<Strategy> strategy_;
  std::mt19937_64 random_;
  model::Gate gate_;
  bool has_running_average_ = false;  ///< the worker, of this start
  bool has_best_ = false;             ///< the same
  std::unique_ptr<WorkerProcess> worker_;
  pipe::Opened opened_;
  std::string phase_ = "starting";
  std::optional<pipe::Progress> progress_;
  Write write_;
  WorkerProcess::Start start_;
  unsigned diverged_in_a_row_ = 0;
};

/// What to start as a worker.
[[nodiscard]] Program worker_program(const Config& config);
/// What such a worker is asked first.
[[nodiscard]] pipe::Open opening(const Config& config);
/// Asks it, and hands over room on the disk, in the state's folder if that is there, for examples
/// that are too many for memory.  Throws WorkerLost or WorkerRefused.
[[nodiscard]] net::awaitable<WorkerProcess::Answer<pipe::Open>> open_worker(WorkerProcess& worker,
                                                                            pipe::Open question);

}  // namespace kith::daemon
