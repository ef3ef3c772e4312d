#pragma once

#include "daemon/api/gate.hpp"
#include "daemon/api/routes.hpp"
#include "net/asio/asio.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace kith::daemon {

/// What clients can cost us.
struct ControlLimits {
  std::size_t header = 8 << 10;                                  ///< bytes
  std::size_t body = 48 << 20;  ///< bytes of a request: the longest charter file, in base64
  std::size_t connections = 16;                                  ///< more wait in the backlog
  std::size_t listeners = 8;                                     ///< to events, of these
  /// From accept, or from the answer before, to the last byte of the answer; of an event, to be
  /// taken.
  std::chrono::milliseconds request = std::chrono::seconds(10);
  std::chrono::milliseconds silence = std::chrono::seconds(15);  ///< between two events
};

/// What one client sends and gets, without a socket: HTTP/1.1 requests in, one after the other,
/// responses out.
class HttpExchange {
 public:
  /// `routes` and `gate` must outlive it.
  HttpExchange(const ControlRoutes& routes, const ControlLimits& limits, const Gate& gate);
  ~HttpExchange();
  HttpExchange(const HttpExchange&) = delete;
  HttpExchange& operator=(const HttpExchange&) = delete;

  /// Takes the next bytes.  Whether a request is complete, or refused: then it is to be answered.  A
  /// body is taken only of a request that will be heard.
  [[nodiscard]] bool receive(std::string_view bytes);

  struct Answer {
    std::string bytes;             ///< send all of it
    bool keep_alive = false;       ///< receive("") goes on; else close
    EventFeed* events = nullptr;   ///< what is to follow; borrowed
  };
  [[nodiscard]] net::awaitable<Answer> answer();

 private:
  struct Parser;
  void judge_header();
  const ControlRoutes& routes_;
  const ControlLimits& limits_;
  const Gate& gate_;
  std::unique_ptr<Parser> parser_;
};

/// A whole response with a sentence, after which the connection is closed.
[[nodiscard]] std::string refusal_503(std::string_view sentence);

}  // namespace kith::daemon
