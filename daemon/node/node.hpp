#pragma once

#include "daemon/api/control.hpp"
#include "daemon/api/events.hpp"
#include "daemon/config/config.hpp"
#include "daemon/exchange/network_exchange.hpp"
#include "daemon/learning/learner.hpp"
#include "daemon/membership/membership.hpp"
#include "daemon/node/metrics.hpp"
#include "daemon/node/status.hpp"
#include "daemon/node/trusted_clock.hpp"
#include "daemon/state/audit_log.hpp"
#include "daemon/state/disk_queue.hpp"
#include "daemon/state/kept_files.hpp"
#include "daemon/state/store.hpp"
#include "daemon/system/confinement.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

namespace kith::daemon {

/// How a node keeps what is taken over from going further; without it, not at all.
struct Prison {
  WorkerProcess::Start start_worker{};
  /// Closes this process to what it does not need, once it listens at its control socket.
  std::function<Guards()> close{};
};

/// One running node, from the start of the process to its end: answers the operator at once, starts
/// the worker and starts it again, joins the network, learns, and takes up what changes meanwhile:
/// members, keys, settings.
///
/// Ownership: run the io_context it was made with; keep it until run() has ended.
/// Threads: the io thread.
class Node final {
 public:
  /// Throws Failure if this node cannot start as it is.
  Node(net::asio::io_context& io, Config config, Prison prison = {});
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// The node's whole life: ends after stop().  Throws Failure.
  net::awaitable<void> run();
  /// Says goodbye to everyone; run() ends soon after.
  void stop();
  /// Takes up these settings, if nothing but what may change while it runs is another there; else it
  /// is logged why not.
  void reload(const Config& config);
  /// How it is doing.
  [[nodiscard]] NodeStatus status() const;

 private:
  void check_roles() const;
  net::awaitable<void> open();
  net::awaitable<void> join(Subject subject);
  void check_task(const crypto::Hash& task);
  void serve_control();
  void serve_metrics();
  [[nodiscard]] ControlRoutes routes();
  /// Throws Failure if the tokens cannot be read.
  [[nodiscard]] Gate api_gate() const;
  net::awaitable<nlohmann::json> history(ControlRequest request);
  /// Tells who listens to events what has changed since the last look.
  void tell_changes();
  /// Looks at the clock, now and then; wakes once more after the node has gone.
  net::awaitable<void> keep_time(std::shared_ptr<bool> alive);
  /// Logs the version that counts, if that was not told yet.
  void tell_charter();
  void membership_changed(Membership::By by);
  net::awaitable<nlohmann::json> reload_keys();

  net::awaitable<void> learn();
  /// Ends with the node.
  net::awaitable<void> rest_for_a_person();
  net::awaitable<void> keep(const RoundReport& report);
  void tell_of(const RoundReport& report);
  [[nodiscard]] nlohmann::json served(const RoundReport& report) const;
  /// Ends early only with the node.
  net::awaitable<void> pause(std::chrono::steady_clock::duration time);

  void add_network(NodeStatus& status) const;
  [[nodiscard]] nlohmann::json peers() const;
  [[nodiscard]] std::vector<MeasuredPeer> measured_peers() const;
  [[nodiscard]] std::string measured() const;

  net::asio::io_context& io_;
  Config config_;
  std::shared_ptr<const NodeKeys> keys_;
  Store store_;
  AuditLog audit_;  // the lock of the store is also its own
  Membership membership_;
  std::optional<net::Card> card_;  // ours
  DiskQueue disk_;
  DiskQueue files_disk_;  // who belongs does not wait behind what peers send
  KeptFiles files_;
  TrustedClock calendar_;
  Prison prison_;
  Guards guards_;
  crypto::Hash told_charter_{};  // id of its newest version
  Learner learner_;
  std::unique_ptr<NetworkExchange> exchange_;  // once it is known what is learnt
  net::asio::steady_timer rest_, tick_;
  EventFeed feed_;
  nlohmann::json api_description_;
  std::unique_ptr<ControlServer> control_, api_, metrics_;  // all but the first over TCP

  std::uint64_t round_ = 0, finished_round_ = 0;
  std::string resting_ = "starting";  ///< what it does instead of learning; empty if it learns
  std::string worker_trouble_;        ///< how it was lost, until a round is done again
  nlohmann::json last_report_;
  /// What listeners to events know.
  struct Told {
    nlohmann::json phase{}, peers{}, charter{}, applications{}, alarms{};
  };
  Told told_;
  NodeStatus::Counters counters_;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  bool stopping_ = false;
};

}  // namespace kith::daemon
