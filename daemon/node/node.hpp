#pragma once

#include "crypto/key_file.hpp"
#include "daemon/state/audit_log.hpp"
#include "daemon/config/config.hpp"
#include "daemon/api/control.hpp"
#include "daemon/learning/learner.hpp"
#include "daemon/exchange/network_exchange.hpp"
#include "daemon/state/store.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

namespace kith::daemon {

/// One running node: a learner whose exchange is the network; restarts its worker, keeps its
/// reports, and answers the operator.
///
/// Ownership: run the io_context it was made with; keep it, and the keys, until run() has ended.
/// Threads: the io thread.
class Node final {
 public:
  Node(net::asio::io_context& io, Config config, const crypto::NodeKeys& keys);
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// The node's whole life: ends after stop().  Throws Failure.
  net::awaitable<void> run();
  /// Says goodbye to everyone; run() ends soon after.
  void stop();
  /// The charter's files have changed, but not who the members are.
  void follow_charter();

 private:
  net::awaitable<void> open();
  void check_task(const crypto::Hash& task);
  void serve_control();
  net::awaitable<void> learn();
  void keep(nlohmann::json report);
  void keep_history();
  [[nodiscard]] nlohmann::json served(const nlohmann::json& report) const;
  /// Ends early only with the node.
  net::awaitable<void> pause(std::chrono::steady_clock::duration time);

  [[nodiscard]] nlohmann::json status() const;
  [[nodiscard]] nlohmann::json peers() const;

  Config config_;
  const crypto::NodeKeys& keys_;
  Store store_;
  AuditLog audit_;                      // the lock of the store is also its own
  std::vector<net::Renewal> renewals_;  // in force when we began
  net::Consortium consortium_;
  NetworkExchange exchange_;
  Learner learner_;
  std::unique_ptr<ControlServer> control_;
  net::asio::io_context& io_;
  net::asio::steady_timer rest_;

  std::uint64_t round_ = 0, finished_round_ = 0;
  std::string resting_;  ///< what it does instead of learning; empty if it learns
  nlohmann::json last_report_;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  bool stopping_ = false;
};

/// The [[consortium.member]] block that the other members need of this node, in TOML.
[[nodiscard]] std::string member_block(const Config& config, const crypto::NodeKeys& keys);

}  // namespace kith::daemon
