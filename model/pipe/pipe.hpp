#pragma once

#include "model/pipe/fd.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <utility>

namespace kith::pipe {

inline constexpr std::size_t kMaxMessage = 64 * 1024;  ///< bytes of text in one message

/// One message: a JSON text (see messages.hpp) and at most one sealed file of numbers.
struct Message {
  std::string text;
  Fd file = {};  ///< empty if none
};

/// One end of the connection between kith and its worker.
///
/// A SOCK_SEQPACKET socket: the kernel keeps messages apart and hands a file over with exactly
/// the message it was attached to.  A stream with length prefixes would promise neither.
///
/// What the other side does is a value.  A message that breaks the limits (longer than
/// kMaxMessage, empty, two files) counts as hanging up: the other side speaks something else.
class Pipe {
 public:
  explicit Pipe(Fd socket) : socket_(std::move(socket)) {}

  /// False if the other side has hung up.  Requires 1 to kMaxMessage bytes of text.
  /// Throws std::system_error, also if the other side has stopped reading and the socket is
  /// non-blocking.
  [[nodiscard]] bool send(const Message& message);
  /// Waits for a message; nullopt when the other side has hung up, then for ever.
  [[nodiscard]] std::optional<Message> receive();
  /// Returns at once; nullopt if there is nothing yet, or nothing any more: see closed().
  [[nodiscard]] std::optional<Message> try_receive();
  [[nodiscard]] bool closed() const { return closed_; }
  /// For poll(), or to give to an event loop.
  [[nodiscard]] int native_handle() const { return socket_.get(); }

 private:
  [[nodiscard]] std::optional<Message> read(int flags);
  Fd socket_;
  bool closed_ = false;
};

/// Two connected ends; close-on-exec, so clear FD_CLOEXEC on the one a child is to have.
[[nodiscard]] std::pair<Fd, Fd> make_pipe();

}  // namespace kith::pipe
