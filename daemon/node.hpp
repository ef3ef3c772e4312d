#pragma once

#include "crypto/key_file.hpp"
#include "daemon/config.hpp"
#include "daemon/control.hpp"
#include "daemon/store.hpp"
#include "daemon/strategy.hpp"
#include "daemon/worker_process.hpp"
#include "model/gate.hpp"
#include "net/asio/host.hpp"

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>

namespace kith::daemon {

/// One running node: joins the network, the worker, the store and a strategy into the learning loop
/// of Kith:
///
///     train -> publish the partial -> gather -> choose whom to average with -> average -> gate
///
/// Ownership: run the io_context it was made with; keep it until run() has ended.
/// Threads: the io thread; disk work goes to a pool of one thread of its own.
class Node final : public net::HostOwner {
 public:
  Node(net::asio::io_context& io, Config config);
  ~Node() override;
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// The node's whole life: ends after stop().  Throws Failure.
  net::awaitable<void> run();
  /// Says goodbye to everyone; run() ends soon after.
  void stop();

 private:
  struct Evaluations {
    std::optional<pipe::Evaluation> validation, test;
  };
  /// What a round produced, as it goes.
  struct Round {
    std::uint64_t number = 0;
    std::map<std::string, Evaluations> models;  // "baseline", "averaged", "partial"
    Choice choice;
    std::string served, served_reason;
    std::map<std::string, double> seconds;  // by phase
  };

  // Setting up.
  net::awaitable<void> open_worker();
  void join_network(const crypto::Hash& task);
  void serve_control();
  void check_task(const crypto::Hash& task);
  void forget_unknown_blobs();

  // The learning loop.
  net::awaitable<void> learn();
  net::awaitable<void> do_round(std::uint64_t number);
  net::awaitable<void> train(Round& round, pipe::Fd& partial);
  net::awaitable<void> publish(const Round& round, pipe::Fd partial);
  net::awaitable<void> gather(const Round& round);
  net::awaitable<std::vector<Candidate>> load_candidates(const Round& round);
  net::awaitable<void> average(Round& round, std::vector<Candidate> candidates);
  net::awaitable<void> gate(Round& round);
  /// Whatever arrives meanwhile; ends early only with the node.
  net::awaitable<void> pause(std::chrono::steady_clock::duration time);
  /// Or until something may have come that is waited for.
  net::awaitable<void> wait_until(std::chrono::steady_clock::time_point end);
  void report(const Round& round);
  void choose_wants();
  void want_if_chosen(const net::SnapshotId& snapshot, const net::Head& head);
  void arrived(const net::SnapshotId& snapshot, const net::Head& head);
  void lost(const net::SnapshotId& snapshot);
  /// Runs `job` on the disk pool, after all earlier ones.  What it throws leaves io_context::run().
  void on_disk(std::function<void()> job);
  [[nodiscard]] bool worth_waiting(std::uint64_t round) const;
  [[nodiscard]] std::string peer_name(const std::string& id) const;

  // What the network asks of us.
  void read_piece(const net::SnapshotId& snapshot, std::uint32_t piece, PieceRead done) override;
  void write_piece(const net::SnapshotId& snapshot, std::uint32_t piece, Bytes data) override;
  void discovered(const net::SnapshotId& snapshot, const net::Head& head) override;
  void completed(const net::SnapshotId& snapshot, const net::Head& head) override;
  void dropped(const net::SnapshotId& snapshot, const net::Head& head,
               const std::vector<net::Hash>& chunks) override;
  void peer_connected(const net::Member& peer) override;
  void peer_disconnected(const net::Member& peer, net::CloseReason reason, bool by_peer) override;
  void peer_failed(const net::Member* peer, const std::string& address, net::CloseReason reason,
                   bool by_peer) override;
  void peer_accused(const net::Member& peer, const std::string& what) override;

  // What people ask of us.
  [[nodiscard]] nlohmann::json status() const;
  [[nodiscard]] nlohmann::json peers() const;

  /// The newest complete snapshot of a peer.
  struct Arrival {
    net::SnapshotId snapshot{};
    net::Head head;
    std::uint64_t round = 0;  ///< of ours, in which it came
    bool loaded = false;      ///< into the worker
    bool refused = false;     ///< by the worker
  };

  net::asio::io_context& io_;
  Config config_;
  crypto::NodeKeys keys_;
  Store store_;
  net::Consortium consortium_;
  net::LocalNode local_{};
  std::unique_ptr<Strategy> strategy_;
  std::mt19937_64 random_;
  net::asio::thread_pool disk_{1};
  std::unique_ptr<WorkerProcess> worker_;
  std::unique_ptr<net::Host> host_;
  std::unique_ptr<ControlServer> control_;
  net::asio::steady_timer wake_;  // cancelled when something that is waited for may have come

  std::uint64_t round_ = 0, finished_round_ = 0;
  std::uint64_t snapshot_size_ = 0;  ///< bytes: of M0, and so of every snapshot of the task
  std::string phase_ = "starting";
  std::optional<pipe::Progress> progress_;
  pipe::Opened opened_;
  std::map<std::string, Arrival> arrivals_;  // by peer
  std::set<std::string> chosen_;             // peers to pull from this round
  std::set<std::string> misfits_;            // peers that announced a snapshot of another size
  bool quota_reported_ = false;              // this round
  std::uint64_t strangers_ = 0;              // failed connections of nobody we know, unreported
  std::chrono::steady_clock::time_point strangers_reported_ =
      std::chrono::steady_clock::time_point::min();
  nlohmann::json last_report_;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  bool stopping_ = false;
};

/// The [[consortium.member]] block that the other members need of this node, in TOML.
[[nodiscard]] std::string member_block(const Config& config, const crypto::NodeKeys& keys);

}  // namespace kith::daemon
