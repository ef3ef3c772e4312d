#pragma once

#include "daemon/api/gate.hpp"
#include "daemon/api/http_exchange.hpp"
#include "daemon/api/routes.hpp"
#include "daemon/system/failure.hpp"
#include "net/asio/asio.hpp"

#include <chrono>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

/// The control API over HTTP/1.1: at a unix socket that only its owner and root can use, and over
/// TCP if that is configured.
namespace kith::daemon {

/// Serves ControlRoutes.
///
/// Ownership: closes its connections and removes the socket when destroyed; must not outlive the
/// executor's context, nor the feeds that its routes name.
/// Threads: everything, the handlers too, runs on `executor`; construct and destroy there.
/// Errors: a client can cause nothing but the end of its own connection.
class ControlServer {
 public:
  /// At a unix socket, mode 0600.  Throws Failure: EX_TEMPFAIL if somebody answers at `socket`
  /// already, else EX_CANTCREAT.
  ControlServer(net::asio::any_io_executor executor, const std::filesystem::path& socket,
                ControlRoutes routes, ControlLimits limits = {}, Gate gate = {});
  /// Where TCP is listened at.
  struct Tcp {
    std::vector<std::string> addresses{};  ///< "IP:PORT"
    std::string key{};                     ///< of the configuration, for messages
  };
  /// Throws Failure(EX_UNAVAILABLE) if that cannot be, EX_CONFIG if an address is a name.
  ControlServer(net::asio::any_io_executor executor, const Tcp& tcp, ControlRoutes routes,
                ControlLimits limits, Gate gate);
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  /// "127.0.0.1:7780" of each TCP address, with the port that it really has.
  [[nodiscard]] std::vector<std::string> addresses() const;
  /// From the next connection on.
  void set_gate(Gate gate);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// No node runs there.
class NoNodeRuns : public Failure {
 public:
  using Failure::Failure;
};

/// Asks the node behind `socket` and waits for its answer.
///
/// Throws Failure: NoNodeRuns; EX_UNAVAILABLE if it does not answer within `timeout`, EX_NOPERM if it
/// is another user's; what the handler threw, with its code; EX_SOFTWARE for other errors.
[[nodiscard]] nlohmann::json control_request(
    const std::filesystem::path& socket, std::string_view method, std::string_view target,
    const nlohmann::json& body = nullptr,
    std::chrono::milliseconds timeout = std::chrono::seconds(30));

/// Hears from a running node that something has changed; what it is now is asked (GET /v1/events).
///
/// Threads: one.
class ControlEvents {
 public:
  /// Throws Failure as control_request() does if no node can be asked.
  explicit ControlEvents(const std::filesystem::path& socket);
  ~ControlEvents();
  ControlEvents(const ControlEvents&) = delete;
  ControlEvents& operator=(const ControlEvents&) = delete;

  /// Waits at most so long; whether something has changed meanwhile.
  [[nodiscard]] bool wait(std::chrono::milliseconds most);
  /// False once the node has hung up.
  [[nodiscard]] bool connected() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kith::daemon
