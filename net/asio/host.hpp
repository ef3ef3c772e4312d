#pragma once

#include "net/asio/asio.hpp"
#include "net/asio/link.hpp"
#include "net/dialler.hpp"
#include "net/doorkeeper.hpp"
#include "net/gossip.hpp"

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace kith::net {

/// How a connection, or an attempt at one, ended.
struct Trouble {
  CloseReason reason{};
  bool by_peer = false;   ///< it gave the reason
  std::string address{};  ///< "host:port" of the other side; empty if it was not resolved
  std::string detail{};   ///< what else is known: the operating system's words; may be empty
};

/// What the host asks of, and tells, the one who owns it.  All calls come on the io thread.  What
/// they throw ends the handling of one message or event: see failed().
class HostOwner {
 public:
  using PieceRead = std::function<void(std::optional<Bytes>)>;

  virtual ~HostOwner() = default;
  /// Load a chunk's ciphertext and call `done`, later, on the io thread.
  virtual void read_piece(const SnapshotId& snapshot, std::uint32_t piece, PieceRead done) = 0;
  /// Store a verified chunk and call `written`, later, on the io thread: until then its bytes count
  /// as limits::kWaitingForDisk.  A later completed() for the snapshot comes after all its pieces.
  virtual void write_piece(const SnapshotId& snapshot, std::uint32_t piece, Bytes data,
                           std::function<void()> written) = 0;
  virtual void discovered(const SnapshotId& snapshot, const Head& head) = 0;
  /// Its manifest came: note it, so that what is written of it is found after a restart.
  virtual void begun(const SnapshotId& snapshot, const Head& head) = 0;
  /// A peer finds nobody who holds it: call relay(), if there is room.
  virtual void needed(const SnapshotId& snapshot, const Head& head) = 0;
  virtual void completed(const SnapshotId& snapshot, const Head& head) = 0;
  /// Superseded.  `chunks` names its data, of which some may have been written.
  virtual void dropped(const SnapshotId& snapshot, const Head& head,
                       const std::vector<Hash>& chunks) = 0;

  virtual void peer_connected(const Member& peer, const Hello& hello) = 0;
  virtual void peer_disconnected(const Member& peer, const Trouble& trouble) = 0;
  /// An attempt, ours to `peer` or (nullptr) somebody's to us, that did not become a connection.
  virtual void peer_failed(const Member* peer, const Trouble& trouble) = 0;
  virtual void peer_accused(const Member& peer, const std::string& what) = 0;
  /// It lies: the proof is to be kept.
  virtual void peer_convicted(const Member& peer, const Evidence& evidence) = 0;
  /// Another version of the charter counts now; gossip().record() is to be written down.
  virtual void charter_changed(const Gossip::CharterChanged& /*change*/) {}
  /// A version that contradicts it came to light; likewise.
  virtual void charter_contradicted(const Gossip::Contradicted& /*rival*/) {}
  /// A member has another card now; likewise.
  virtual void renewed(const Member& /*peer*/) {}
  /// Somebody else signed this card with our node key, and later than we did ours.
  virtual void renewed_elsewhere(const Card& /*card*/) {}
  /// Somebody proved to have the key in the card, which is sound, and wants to become a member.
  /// Not asked unless LocalNode::takes_applications, or it is one.
  [[nodiscard]] virtual Admission applied(const Apply& /*apply*/) {
    return {.state = Admission::State::refused, .why = "nobody is taken in here"};
  }
  /// A head of ours that we do not remember stands at `position`: publish above it, in a new log.
  virtual void outrun(const LogPosition& position) = 0;
  /// Something here failed at what `peer` (nullptr: a stranger, or nobody) sent, at `what`.  Its
  /// connection is closed, and all else goes on.
  virtual void failed(const Member* peer, const std::string& what, const std::exception& error) = 0;
};

/// Joins the protocol machines to real sockets: listens, dials whom the Dialler says, lets in whom
/// the Doorkeeper does, keeps one connection a member, and drives the Gossip.
///
/// Who belongs may change at any time: connections with those who have left end at once, those who
/// have come are dialled, and all others go on.
///
/// Ownership: whoever makes it runs its io_context and calls stop() before destroying it.
/// Threads: the io thread only.
class Host {
 public:
  struct PeerStatus {
    Member member;
    bool connected = false;
    bool dialled_by_us = false;                   ///< if connected
    std::chrono::system_clock::time_point since;  ///< it has been in this state
    std::string address;                          ///< of the connection
    std::optional<Trouble> trouble;    ///< of the last connection or attempt; none if connected
    std::optional<Duration> next_try;  ///< until we dial it again; nullopt if we do not
    std::optional<Duration> round_trip;
    std::uint64_t bytes_in = 0, bytes_out = 0;  ///< all connections together
    double rate_in = 0, rate_out = 0;           ///< bytes a second, lately
    std::optional<Hello> hello;                 ///< what it last said of itself
    std::optional<std::string> other_task;      ///< Session::other_task()
    std::optional<CharterPlace> charter;        ///< what it says it follows, if connected
  };
  struct Traffic {
    std::uint64_t in = 0, out = 0;  ///< bytes
  };

  /// What `local` borrows, and `owner`, must outlive the host; its directory is set here.  `record`
  /// has the chain that is followed.
  Host(asio::io_context& io, LocalNode local, MembershipRecord record, HostOwner& owner);
  ~Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  /// Starts listening on each "host:port", at all addresses of a name.  Throws std::runtime_error
  /// with a sentence for the operator.
  void listen(const std::vector<std::string>& addresses);
  /// Starts dialling.
  void connect();
  /// Closes its connection and makes none with it until allow().
  void deny(const NodeId& peer);
  void allow(const NodeId& peer);
  /// Says goodbye to everyone and stops listening and dialling.
  void stop();

  /// Works with these keys from now on, which must outlive the host, and tells everybody by `card`.
  /// `former` is answered to as well, unless nullptr.
  void set_keys(const crypto::ChannelKey& channel, const crypto::ChannelKey* former,
                const Card& card);
  /// See Gossip::follow().
  void follow(MembershipRecord record);
  void set_date(std::uint64_t date) { gossip_.set_date(Clock::now(), date); }
  /// Ends all connections: fresh handshakes follow.
  void reconnect();
  /// See Gossip::publish().
  [[nodiscard]] bool publish(const SignedHead& head, const Manifest& manifest);
  void want(const SnapshotId& snapshot);
  void relay(const SnapshotId& snapshot);
  /// These chunks of it are on our disk, and right; see Gossip.
  void found(const SnapshotId& snapshot, const std::vector<bool>& chunks);
  [[nodiscard]] Gossip& gossip() { return gossip_; }
  [[nodiscard]] const Gossip& gossip() const { return gossip_; }
  [[nodiscard]] const Directory& directory() const { return gossip_.directory(); }

  [[nodiscard]] bool connected(const NodeId& peer) const;
  [[nodiscard]] std::vector<PeerStatus> peers() const;
  [[nodiscard]] Traffic traffic() const;
  [[nodiscard]] std::size_t queued() const;  ///< bytes that wait for peers to take them
  [[nodiscard]] std::vector<std::string> listening() const;  ///< "address:port", resolved

 private:
  struct Attempt {  // at dialling a member
    Trouble trouble{.reason = CloseReason::unreachable, .detail = "no address can be resolved"};
    bool answered = false;  // somebody did
    bool over = false;      // no need to go on
  };
  struct Peer {
    Member member;
    std::shared_ptr<Link> link;  // only when established
    Instant established;
    std::unique_ptr<asio::steady_timer> settled;  // cancelled when a handshake has ended
    std::chrono::system_clock::time_point since;
    std::string address;  // of the link
    std::optional<Trouble> trouble;
    std::optional<Hello> hello;
    std::optional<std::string> other_task;
    bool serving = false;  // a piece is in the queue and drained() is owed to the gossip
    std::uint64_t bytes_in = 0, bytes_out = 0;  // of former connections
  };

  [[nodiscard]] Peer* find(const NodeId& id);
  /// Makes peers_ those whom the directory names.
  void meet_members();
  // A loop may start, and wakes, after the host is gone: it looks at `alive` before anything else.
  awaitable<void> accept_loop(std::shared_ptr<asio::ip::tcp::acceptor> acceptor,
                              std::shared_ptr<bool> alive);
  awaitable<void> dial(NodeId id, std::shared_ptr<bool> alive);
  /// Tries to connect with a member at one of these, one after the other.
  awaitable<void> try_endpoints(NodeId id, std::vector<asio::ip::tcp::endpoint> endpoints,
                                std::shared_ptr<Attempt> attempt, std::shared_ptr<bool> alive);
  void attempt_failed(Peer& peer, Trouble trouble);
  void pump_dialler();
  void accepted(asio::ip::tcp::socket socket);
  /// It is authenticated, or gone.
  void leaves_door(const Link& link);
  std::shared_ptr<Link> start_link(asio::ip::tcp::socket socket, std::optional<Callee> callee,
                                   std::string address);
  /// Runs `action`; what it throws is told, and ends `link` if that is not nullptr.
  template <class Action>
  void contained(Link* link, const std::string& what, Action action);
  void handle_message(const std::shared_ptr<Link>& link, Message message);
  void link_established(const std::shared_ptr<Link>& link, const std::string& address);
  void handle_applicant(Link& link, const Message& message);
  void link_closed(const std::shared_ptr<Link>& link, const std::string& address,
                   CloseReason reason);
  void drained(Peer& peer);
  void piece_read(const NodeId& for_peer, const SnapshotId& snapshot, std::uint32_t piece,
                  std::optional<Bytes> data);
  void pump();
  void carry_out(Gossip::Event& event);
  void apply(const Gossip::CharterChanged& change);
  void apply(const Gossip::Renewed& renewed);
  void write_piece(Gossip::WritePiece& piece);
  void piece_written(std::size_t size);

  asio::io_context& io_;
  HostOwner& owner_;
  Gossip gossip_;
  LocalNode local_;
  std::map<NodeId, Peer> peers_;
  std::set<NodeId> denied_;
  std::vector<std::shared_ptr<asio::ip::tcp::acceptor>> acceptors_;
  std::map<const Link*, std::shared_ptr<Link>> links_;  // all, in handshake or established
  Dialler dialler_;
  asio::steady_timer dial_clock_;
  bool dialling_ = false;  // connect() was called
  Doorkeeper doorkeeper_;
  std::map<Doorkeeper::Ticket, std::shared_ptr<Link>> at_door_;  // came to us, in handshake
  std::size_t waiting_for_disk_ = 0;                             // bytes
  bool reading_paused_ = false;                                  // for their sake
  asio::steady_timer clock_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for callbacks that come late
  bool stopped_ = false, pumping_ = false;
};

}  // namespace kith::net
