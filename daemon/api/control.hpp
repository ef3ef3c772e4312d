#pragma once

#include "daemon/system/failure.hpp"
#include "net/asio/asio.hpp"

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

/// The local API: HTTP/1.1 and JSON over a unix socket that only its owner and root can use.
namespace kith::daemon {

/// What one client can cost us.
struct ControlLimits {
  std::size_t header = 8 << 10;                                  ///< bytes
  std::size_t body = 48 << 20;  ///< bytes of a request: the longest charter file, in base64
  std::size_t connections = 16;                                  ///< more wait in the backlog
  std::chrono::milliseconds request = std::chrono::seconds(10);  ///< from accept to the last byte
};

struct ControlRequest {
  std::map<std::string, std::string> query{};  ///< what follows '?', decoded
  nlohmann::json body{};                       ///< null if there was none
};

/// Answers a request.  May throw Failure: its sentence and code reach the client, see
/// control_request().
using ControlHandler = std::function<nlohmann::json(const ControlRequest&)>;
/// Answers a request as ControlHandler does, for what waits: for the disk, say.
using SlowControlHandler = std::function<net::awaitable<nlohmann::json>(ControlRequest)>;

/// Which handler answers what.  A value.
class ControlRoutes {
 public:
  void add(std::string_view method, std::string_view path, ControlHandler handler);
  void add_slow(std::string_view method, std::string_view path, SlowControlHandler handler);

  /// Who answers, and what it is to be told but for the body.
  struct Found {
    const SlowControlHandler* handler = nullptr;  ///< borrowed
    ControlRequest request{};
  };
  struct NotFound {
    enum class Kind { path, method, query } kind{};
    std::string why;  ///< a sentence
  };
  [[nodiscard]] std::variant<Found, NotFound> find(std::string_view method,
                                                   std::string_view target) const;

 private:
  std::map<std::string, std::map<std::string, SlowControlHandler>> by_path_;  ///< then by method
};

/// One HTTP exchange, without a socket: the client's bytes in, the response out.
class ControlExchange {
 public:
  /// `routes` must outlive it.
  ControlExchange(const ControlRoutes& routes, const ControlLimits& limits);
  ~ControlExchange();
  ControlExchange(const ControlExchange&) = delete;
  ControlExchange& operator=(const ControlExchange&) = delete;

  /// Takes the next bytes.  Whether the request is complete, or refused: then it is to be answered.
  [[nodiscard]] bool receive(std::string_view bytes);
  /// The whole response: send it, then close.
  [[nodiscard]] net::awaitable<std::string> answer();

 private:
  struct Parser;
  const ControlRoutes& routes_;
  std::unique_ptr<Parser> parser_;
};

/// Serves ControlRoutes at a unix socket, mode 0600.
///
/// Ownership: closes its connections and removes the socket when destroyed; must not outlive the
/// executor's context.
/// Threads: everything, the handlers too, runs on `executor`; construct and destroy there.
/// Errors: the constructor throws Failure; EX_TEMPFAIL if somebody answers at `socket` already,
/// else EX_CANTCREAT.  A client can cause nothing but the end of its own connection.
class ControlServer {
 public:
  ControlServer(net::asio::any_io_executor executor, std::filesystem::path socket,
                ControlRoutes routes, ControlLimits limits = {});
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

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
/// Has `routes` answer the same without a socket, in this process.
[[nodiscard]] nlohmann::json control_request(const ControlRoutes& routes, std::string_view method,
                                             std::string_view target,
                                             const nlohmann::json& body = nullptr);

}  // namespace kith::daemon
