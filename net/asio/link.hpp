#pragma once

#include "net/asio/asio.hpp"
#include "net/rate.hpp"
#include "net/session.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace kith::net {

/// One TCP socket and its Session: moves bytes between them, and nothing else.
///
/// Ownership: made by start(); the loops keep it alive until the connection ends, so the caller may
/// drop its pointer at any time.  The callbacks are released when the link closes.
/// Threads: everything runs on the socket's executor; call from there.
/// Errors: nothing throws out of a Link; whatever ends it is passed once to `closed`.
class Link : public std::enable_shared_from_this<Link> {
 public:
  /// All four must be set.
  struct Callbacks {
    std::function<void()> established;  ///< the peer said hello: session().peer() is set
    std::function<void(Message)> message;
    std::function<void()> drained;            ///< less than limits::kQueued waits to be sent
    std::function<void(CloseReason)> closed;  ///< called exactly once, last
  };

  static std::shared_ptr<Link> start(asio::ip::tcp::socket socket, const LocalNode& local,
                                     std::optional<Callee> callee, Callbacks callbacks,
                                     std::uint64_t features = 0,
                                     std::optional<Apply> application = std::nullopt);

  /// Queues `message`.  Closes the link as stalled if limits::kHopeless is waiting already.
  void send(const Message& message);
  /// Says goodbye, gives it a moment to leave, and closes.  The first reason wins.
  void close(CloseReason reason);

  /// Reads no more, and the peer's TCP stops sending, until resume().
  void pause() { paused_ = true; }
  void resume();

  [[nodiscard]] const Session& session() const { return session_; }
  /// The operating system's words, if the socket failed; else empty.
  [[nodiscard]] const std::string& detail() const { return detail_; }
  [[nodiscard]] std::size_t queued() const { return queued_; }  ///< bytes, not yet sent
  [[nodiscard]] bool has_room() const { return queued_ < limits::kQueued; }
  [[nodiscard]] std::uint64_t bytes_in() const { return bytes_in_; }
  [[nodiscard]] std::uint64_t bytes_out() const { return bytes_out_; }
  [[nodiscard]] const Rate& rate_in() const { return rate_in_; }
  [[nodiscard]] const Rate& rate_out() const { return rate_out_; }

 private:
  Link(asio::ip::tcp::socket socket, const LocalNode& local, std::optional<Callee> callee,
       Callbacks callbacks, std::uint64_t features, std::optional<Apply> application);
  // Static, with the owner as an ordinary parameter: it lives in the coroutine frame.
  static awaitable<void> read_loop(std::shared_ptr<Link> self);
  static awaitable<void> write_loop(std::shared_ptr<Link> self);
  static awaitable<void> clock_loop(std::shared_ptr<Link> self);
  static awaitable<void> until_readable(std::shared_ptr<Link> self);
  template <class Action>
  void contained(Action action);
  void collect();
  void pump();
  void pump_once();
  void finish(CloseReason reason);

  asio::ip::tcp::socket socket_;
  asio::steady_timer wake_writer_;  // never expires; cancelled to tell write_loop there is work
  asio::steady_timer wake_reader_;  // cancelled to tell read_loop to look again
  asio::steady_timer clock_;        // expires at session_.next_timeout(); once parting_, for good
  Session session_;
  Callbacks callbacks_;
  Bytes outbox_;
  std::size_t queued_ = 0;  // bytes in outbox_ and in the write under way
  std::uint64_t bytes_in_ = 0, bytes_out_ = 0;
  Rate rate_in_, rate_out_;
  Instant indebted_until_;  // for the peer's messages; see limits::kMessageEffort
  std::string detail_;
  bool paused_ = false;
  bool announced_ = false, parting_ = false, finished_ = false;
  bool pumping_ = false, pump_again_ = false;
};

}  // namespace kith::net
