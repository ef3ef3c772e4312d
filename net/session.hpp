#pragma once

#include "crypto/channel_key.hpp"
#include "crypto/noise.hpp"
#include "net/directory.hpp"
#include "net/message.hpp"
#include "net/time.hpp"

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>

namespace kith::net {

/// What a node says of itself on every connection.
struct LocalNode {
  NodeId id;
  const crypto::ChannelKey* channel = nullptr;         ///< borrowed
  const crypto::ChannelKey* former_channel = nullptr;  ///< answered to as well; borrowed
  const Directory* directory = nullptr;                ///< who is a member now; borrowed
  Hash task{};                              ///< peers that learn another are sent away
  std::string manifest{};                   ///< what `task` is the hash of
  std::string agent{};                      ///< at most 64 bytes
  std::uint8_t version = kProtocolVersion;  ///< spoken
  std::uint8_t oldest = kOldestVersion;     ///< still understood
  /// Whether the addresses that cards name may be this machine's own; see may_dial().
  bool dials_loopback = false;
  /// Our own, shown to whom we dial; none for who applies.
  std::optional<Card> card{};
  /// Whether who is no member may apply now; asked when such a one has dialled us.
  std::function<bool()> takes_applications{};
  /// Takes a card into the directory if it is news: of who has dialled us, and proved to have its
  /// key; or one of our own node key that those whom we have dialled know, and we do not.
  std::function<void(const Card&)> take_card{};
};

/// Whom a connection is made to.
struct Callee {
  NodeId id;
  crypto::DhPublicKey key{};
};

/// One connection without its socket: handshake, hello, framing, keep-alive, and the end.
///
/// Bytes, messages and the time go in; bytes, messages and the next wake-up time come out.
///
///     session.handle_bytes(now, received);
///     while (auto message = session.poll_message()) gossip.handle_message(now, peer, *message);
///     socket.write(session.take_output());
///     if (session.closed()) socket.close();
///
/// On the wire: u16 big-endian length and a Noise message, again and again.  Inside the transport
/// records runs a stream of u32 little-endian length and one message; see docs/protocol.md.
///
/// After the handshake the initiator says who it is: its card, and Hello with both node ids.  The
/// responder answers with its own Hello once the member of that name has the key that was proved.
/// Whose key is not the one of its card any more is shown that card, and sent away.
/// Who learns something else is told what we learn, asked for what it does, and sent away then.
///
/// Who is no member, or not yet, may say Apply in place of Hello: such a session is never
/// established(), but applying(), and ends after limits::kApplication.
///
/// Memory: at most one message of the peer is held, and only the bytes of it that arrived.
/// Threads: none of its own; use from one thread.  Errors: whatever the peer does ends in closed().
class Session {
 public:
  enum class Role { initiator, responder };
  /// What the other side has shown of itself so far, the least first.
  enum class Shown {
    silent,     ///< nothing; it cost us nothing either
    wrong,      ///< what cost us a key agreement, and was not right, or a key that is no member's
    plausible,  ///< a right first message: it knows our key, or replays who does
    member,     ///< a member's key
  };

  /// `local` and what it borrows must outlive the session.  `callee` is the member being dialled;
  /// none for an accepted connection.  `features` go into our hello; `application` takes its place.
  Session(const LocalNode& local, std::optional<Callee> callee, Instant now,
          std::uint64_t features = 0, std::optional<Apply> application = std::nullopt);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void handle_bytes(Instant now, ByteView bytes);
  /// Call when now >= next_timeout().
  void handle_timeout(Instant now);
  [[nodiscard]] Instant next_timeout() const;

  /// Queues `message`.  Nothing happens unless established() or applying().
  void send(Instant now, const Message& message);
  /// Bytes for the socket: everything queued since the last call.
  [[nodiscard]] Bytes take_output();
  /// The owner wrote bytes to the socket, so the peer is draining; `waiting` are yet to be written.
  void handle_written(Instant now, std::size_t waiting);
  /// What the peer says, Hello, Ping, Pong and Goodbye excepted: the session answers those.
  [[nodiscard]] std::optional<Message> poll_message();

  /// Says goodbye and closes.  The first reason wins.
  void close(CloseReason reason);

  [[nodiscard]] bool established() const { return welcome_ && !closed_; }
  [[nodiscard]] const std::optional<CloseReason>& closed() const { return closed_; }
  /// Apply was said: by the peer, if we are the responder.
  [[nodiscard]] bool applying() const { return applying_ && !closed_; }
  [[nodiscard]] bool applied() const { return applying_; }  ///< also when it is closed
  /// True if the peer gave the reason.
  [[nodiscard]] bool closed_by_peer() const { return closed_by_peer_; }
  /// Whom we have dialled, or who the other side proved to be; nullopt before that.
  [[nodiscard]] const std::optional<NodeId>& peer() const { return peer_; }
  /// The key that the other side proved to have; nullopt before that.
  [[nodiscard]] const std::optional<crypto::DhPublicKey>& proved() const { return proved_; }
  /// The peer's; also of one that was sent away for what it says.
  [[nodiscard]] const std::optional<Hello>& hello() const { return hello_; }
  /// What the peer learns, if that is something else, and it said; its hash is right.
  [[nodiscard]] const std::optional<std::string>& other_task() const { return other_task_; }
  /// The newest version that both speak.  Only if established().
  [[nodiscard]] std::uint8_t version() const { return std::min(hello_->version, local_.version); }
  [[nodiscard]] Shown shown() const { return shown_; }
  [[nodiscard]] Role role() const { return role_; }
  /// How many the peer has sent so far, all types.
  [[nodiscard]] std::uint64_t messages() const { return messages_; }
  /// How long the last ping took; nullopt before the first answer.
  [[nodiscard]] const std::optional<Duration>& round_trip() const { return round_trip_; }

 private:
  struct Timers {
    Instant started, heard, spoke, drained;
  };
  void handle_frame(Instant now, ByteView frame);
  void handle_handshake(Instant now, const std::optional<Bytes>& payload);
  void handle_record(Instant now, ByteView record);
  void handle_message(Instant now, ByteView bytes);
  void handle_hello(Instant now, const Hello& hello);
  void handle_manifest(TaskManifest& manifest);
  void handle_apply(Apply& apply);
  void handle_card(const Cards& message);
  void greet(Instant now, const NodeId& to);
  /// Why who says Hello cannot be whom it says that it is; nullopt if it is.
  [[nodiscard]] std::optional<CloseReason> impostor(const Hello& hello) const;
  [[nodiscard]] bool open() const { return established() || applying(); }
  /// It learns something else, and we wait for it to say what.
  [[nodiscard]] bool parting() const { return hello_ && !welcome_ && !applying_ && !closed_; }
  void handshake_done(Instant now);
  void write_frame(ByteView frame);
  void write_message(Instant now, const Message& message);
  void finish(CloseReason reason, bool by_peer);

  const LocalNode& local_;
  std::uint64_t features_;
  Role role_;
  std::optional<NodeId> peer_;
  std::optional<crypto::Handshake> handshake_;
  std::optional<crypto::Transport> transport_;
  Shown shown_ = Shown::silent;  // of who dialled us
  std::optional<crypto::DhPublicKey> proved_;
  std::optional<Apply> application_;  // ours
  bool applying_ = false;
  std::optional<Hello> hello_;
  bool welcome_ = false;  // its hello suits us
  std::optional<std::string> other_task_;
  std::optional<CloseReason> closed_;
  bool closed_by_peer_ = false;
  Timers at_;
  std::optional<Duration> round_trip_;
  std::uint64_t messages_ = 0;
  bool undrained_ = false;  ///< output was taken and not yet reported written
  Bytes input_;             ///< start of a frame
  Bytes stream_;            ///< decrypted, start of a message
  Bytes output_;
  std::deque<Message> inbox_;
};

}  // namespace kith::net
