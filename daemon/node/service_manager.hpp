#pragma once

#include "net/asio/asio.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace kith::daemon {

/// What systemd is told of a service, if it is one: sd_notify(3), a datagram each.  The socket is
/// opened once, since a process that hears the network may open none later.
///
/// Threads: one.  Errors: none; who does not listen is not told.
class ServiceManager {
 public:
  /// Of this process: NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID.
  [[nodiscard]] static ServiceManager of_environment(net::asio::io_context& io);
  /// `socket` is a path, or "@NAME" of an abstract one; empty: nobody is told.
  ServiceManager(net::asio::io_context& io, const std::string& socket,
                 std::optional<std::chrono::microseconds> watchdog);

  [[nodiscard]] bool listens() const { return socket_.is_open(); }
  /// How often alive() must be called at least; none if nobody waits for it.
  [[nodiscard]] std::optional<std::chrono::microseconds> watchdog() const { return watchdog_; }

  void ready();      ///< it can be asked; also after reloading()
  void reloading();  ///< it reads its settings again
  void stopping();   ///< it ends; what comes later is not told
  void alive();
  void status(const std::string& line);  ///< what people are shown; told if it is another one

 private:
  void tell(const std::string& text);

  net::asio::local::datagram_protocol::socket socket_;
  std::optional<std::chrono::microseconds> watchdog_;
  std::string told_{};
  bool stopping_ = false;
};

}  // namespace kith::daemon
