#include "net/asio/host.hpp"

#include "net/endpoint.hpp"

#include <algorithm>
#include <stdexcept>

namespace kith::net {
namespace {

using asio::ip::tcp;

constexpr std::size_t kFullMesh = 9;  // nodes; beyond that each dials a few
constexpr std::size_t kOutbound = 8;
constexpr Duration kFirstRedial = std::chrono::milliseconds(250);
constexpr Duration kLastRedial = std::chrono::seconds(30);
constexpr Duration kConnect = std::chrono::seconds(10);
// Two nodes that dial each other at the same moment get two connections within this time.
constexpr Duration kSimultaneous = std::chrono::seconds(5);

std::string text(const tcp::endpoint& endpoint) {
  const std::string address = endpoint.address().to_string();
  const std::string host = endpoint.address().is_v6() ? "[" + address + "]" : address;
  return host + ":" + std::to_string(endpoint.port());
}

Subnet subnet_of(const asio::ip::address& address) {
  return address.is_v4() ? Subnet(address.to_v4().to_bytes()) : Subnet(address.to_v6().to_bytes());
}

}  // namespace

Host::Host(asio::io_context& io, const LocalNode& local, HostOwner& owner, std::uint64_t seed)
    : io_(io),
      local_(local),
      owner_(owner),
      gossip_(*local.consortium, local.id, local.task, seed),
      random_(seed ^ 0x9e3779b97f4a7c15),
      clock_(io) {
  for (const Member& member : local.consortium->members()) {
    if (member.id == local.id) continue;
    Peer& peer = peers_[member.id];
    peer.member = &member;
    peer.since = std::chrono::system_clock::now();
    peer.redial = std::make_unique<asio::steady_timer>(io, Instant::max());
  }
}

Host::~Host() {
  *alive_ = false;  // nobody is called any more
  stop();
}

// --- Listening and dialling --------------------------------------------------------------------

void Host::listen(const std::string& address) {
  const auto endpoint = parse_endpoint(address);
  if (!endpoint)
    throw std::runtime_error("cannot listen on \"" + address + "\": write it as host:port");
  error_code ec;
  tcp::resolver resolver(io_);
  const auto results = resolver.resolve(endpoint->host, endpoint->port, tcp::resolver::passive, ec);
  if (ec) throw std::runtime_error("cannot listen on " + address + ": " + ec.message());
  const tcp::endpoint local = results.begin()->endpoint();
  auto acceptor = std::make_shared<tcp::acceptor>(io_);
  acceptor->open(local.protocol(), ec);
  if (!ec) acceptor->set_option(tcp::acceptor::reuse_address(true), ec);
  if (!ec) acceptor->bind(local, ec);
  if (!ec) acceptor->listen(asio::socket_base::max_listen_connections, ec);
  if (ec == asio::error::address_in_use) {
    throw std::runtime_error("cannot listen on " + address +
                             ": another program uses this port; stop it or change node.listen");
  }
  if (ec) throw std::runtime_error("cannot listen on " + address + ": " + ec.message());
  acceptors_.push_back(acceptor);
  asio::co_spawn(io_, accept_loop(acceptor, alive_), rethrow);
}

awaitable<void> Host::accept_loop(std::shared_ptr<tcp::acceptor> acceptor,
                                  std::shared_ptr<bool> alive) {
  error_code ec;
  if (!*alive) co_return;
  for (;;) {
    tcp::socket socket = co_await acceptor->async_accept(asio::redirect_error(use_awaitable, ec));
    if (!*alive || stopped_) co_return;
    if (ec) {
      // Out of file descriptors, most likely: leave the queue alone for a moment.
      asio::steady_timer pause(io_, kFirstRedial);
      co_await pause.async_wait(asio::redirect_error(use_awaitable, ec));
      if (!*alive || stopped_) co_return;
      continue;
    }
    accepted(std::move(socket));
  }
}

void Host::accepted(tcp::socket socket) {
  error_code ec;
  const tcp::endpoint from = socket.remote_endpoint(ec);
  if (ec) return;  // gone already
  for (const auto& [ticket, link] : at_door_) {
    doorkeeper_.update(ticket, link->session().standing());
  }
  const auto decision = doorkeeper_.arrived(Clock::now(), subnet_of(from.address()));
  if (!decision.admitted) {
    return owner_.peer_failed(nullptr, text(from), CloseReason::crowded, false);
  }
  const auto link = start_link(std::move(socket), nullptr, text(from));
  at_door_.emplace(*decision.admitted, link);
  if (!decision.evicted) return;
  const auto evicted = at_door_.at(*decision.evicted);  // a copy: closing erases
  evicted->close(CloseReason::crowded);
}

void Host::leaves_door(const Link& link) {
  const auto found = std::ranges::find_if(
      at_door_, [&link](const auto& item) { return item.second.get() == &link; });
  if (found == at_door_.end()) return;
  doorkeeper_.update(found->first, link.session().standing());
  doorkeeper_.left(Clock::now(), found->first);
  at_door_.erase(found);
}

void Host::connect() {
  std::vector<Peer*> dialled;
  for (auto& [id, peer] : peers_) {
    if (!peer.member->addresses.empty()) dialled.push_back(&peer);
  }
  std::ranges::shuffle(dialled, random_);
  if (peers_.size() >= kFullMesh && dialled.size() > kOutbound) dialled.resize(kOutbound);
  for (Peer* peer : dialled) asio::co_spawn(io_, dial_loop(*peer, alive_), rethrow);
}

awaitable<void> Host::dial_loop(Peer& peer, std::shared_ptr<bool> alive) {
  error_code ec;
  if (!*alive) co_return;
  Duration pause = kFirstRedial;
  while (!stopped_) {
    for (const std::string& address : peer.member->addresses) {
      if (peer.link) break;
      co_await dial(peer, address);
      if (!*alive || stopped_) co_return;
    }
    const bool connected = peer.link != nullptr;
    if (connected) {
      peer.redial->expires_at(Instant::max());  // until link_closed() cancels
      co_await peer.redial->async_wait(asio::redirect_error(use_awaitable, ec));
      if (!*alive || stopped_) co_return;
    }
    const bool lasted = connected && Clock::now() - peer.established > kLastRedial;
    pause = lasted ? kFirstRedial : std::min(pause * 2, kLastRedial);
    // Jitter keeps a consortium that lost its switch from coming back all at once.
    const auto half = static_cast<std::uint64_t>(pause.count() / 2);
    peer.redial->expires_after(Duration(half + random_() % (half + 1)));
    co_await peer.redial->async_wait(asio::redirect_error(use_awaitable, ec));
    if (!*alive) co_return;
  }
}

awaitable<void> Host::dial(Peer& peer, std::string address) {
  const auto alive = alive_;
  const auto endpoint = parse_endpoint(address);
  error_code ec = endpoint ? error_code() : error_code(asio::error::invalid_argument);
  tcp::socket socket(io_);
  if (endpoint) {
    tcp::resolver resolver(io_);
    const Deadline deadline(io_.get_executor(), kConnect, [&] {
      resolver.cancel();
      error_code ignored;
      socket.close(ignored);
    });
    const auto results = co_await resolver.async_resolve(endpoint->host, endpoint->port,
                                                         asio::redirect_error(use_awaitable, ec));
    if (!ec) {
      co_await asio::async_connect(socket, results, asio::redirect_error(use_awaitable, ec));
    }
  }
  if (!*alive || stopped_) co_return;
  if (peer.link) co_return;  // it dialled us meanwhile
  if (ec) {
    // Tell the owner once, not at every attempt.
    const bool news = peer.last_failure != CloseReason::unreachable;
    peer.last_failure = CloseReason::unreachable;
    peer.failed_by_peer = false;
    if (news) owner_.peer_failed(peer.member, address, CloseReason::unreachable, false);
    co_return;
  }
  const std::shared_ptr<Link> link = start_link(std::move(socket), peer.member, address);
  // Wait for the handshake to end, one way or the other; the link's own clock bounds it.
  while (*alive && links_.contains(link.get()) && !link->session().established()) {
    asio::steady_timer moment(io_, std::chrono::milliseconds(20));
    co_await moment.async_wait(asio::redirect_error(use_awaitable, ec));
  }
}

// --- Links -------------------------------------------------------------------------------------

std::shared_ptr<Link> Host::start_link(tcp::socket socket, const Member* expected,
                                       std::string address) {
  // The callbacks need the link, which needs the callbacks; the link releases them when it closes.
  const auto self = std::make_shared<std::weak_ptr<Link>>();
  const auto with_link = [alive = alive_, self](auto action) {
    const auto link = self->lock();
    if (*alive && link) action(link);
  };
  Link::Callbacks callbacks{
      .established = [=, this] { with_link([this](auto& link) { link_established(link); }); },
      .message =
          [=, this](Message message) {
            with_link([&](auto& link) {
              const auto peer = peers_.find(link->session().peer()->id);
              if (peer == peers_.end() || peer->second.link != link) return;
              gossip_.handle_message(Clock::now(), peer->first, std::move(message));
              pump();
            });
          },
      .drained =
          [=, this] {
            with_link([&](auto& link) {
              const Member* member = link->session().peer();
              const auto peer = member ? peers_.find(member->id) : peers_.end();
              if (peer != peers_.end() && peer->second.link == link) drained(peer->second);
            });
          },
      .closed =
          [=, this](CloseReason reason) {
            with_link([&](auto& link) { link_closed(link, expected, address, reason); });
          }};
  auto link = Link::start(std::move(socket), local_, expected, std::move(callbacks));
  *self = link;
  links_.emplace(link.get(), link);
  return link;
}

void Host::link_established(const std::shared_ptr<Link>& link) {
  leaves_door(*link);
  Peer& peer = peers_.at(link->session().peer()->id);
  if (peer.link) {
    // Both ends must keep the same one: that which the smaller id dialled.  But a connection that
    // has lived for a while is no coincidence: then the peer lost it and came back.
    const bool ours_counts = local_.id < peer.member->id;
    const bool ours = link->session().role() == Session::Role::initiator;
    const bool simultaneous = Clock::now() - peer.established < kSimultaneous &&
                              peer.link->session().role() != link->session().role();
    if (simultaneous && ours != ours_counts) return link->close(CloseReason::duplicate);
    const auto old = std::exchange(peer.link, nullptr);
    peer.bytes_in += old->bytes_in();
    peer.bytes_out += old->bytes_out();
    gossip_.handle_disconnected(Clock::now(), peer.member->id);
    old->close(CloseReason::duplicate);
  } else {
    peer.since = std::chrono::system_clock::now();
    owner_.peer_connected(*peer.member);
  }
  peer.link = link;
  peer.established = Clock::now();
  peer.serving = false;
  peer.last_failure.reset();
  gossip_.handle_connected(Clock::now(), peer.member->id);
  pump();
}

void Host::link_closed(const std::shared_ptr<Link>& link, const Member* expected,
                       const std::string& address, CloseReason reason) {
  links_.erase(link.get());
  leaves_door(*link);
  const bool by_peer = link->session().closed_by_peer();
  const Member* member = link->session().peer() ? link->session().peer() : expected;
  const auto found = member ? peers_.find(member->id) : peers_.end();
  if (found == peers_.end()) return owner_.peer_failed(nullptr, address, reason, by_peer);
  Peer& peer = found->second;
  if (peer.link != link) {
    if (peer.link || reason == CloseReason::duplicate) return;  // the other connection lives
    const bool news = peer.last_failure != reason;
    peer.last_failure = reason;
    peer.failed_by_peer = by_peer;
    if (news) owner_.peer_failed(member, address, reason, by_peer);
    return;
  }
  peer.link.reset();
  peer.bytes_in += link->bytes_in();
  peer.bytes_out += link->bytes_out();
  peer.since = std::chrono::system_clock::now();
  peer.last_failure = reason;
  peer.failed_by_peer = by_peer;
  gossip_.handle_disconnected(Clock::now(), member->id);
  owner_.peer_disconnected(*member, reason, by_peer);
  peer.redial->cancel();
  pump();
}

void Host::stop() {
  stopped_ = true;
  for (const auto& acceptor : acceptors_) {
    error_code ignored;
    acceptor->close(ignored);
  }
  for (auto& [id, peer] : peers_) peer.redial->cancel();
  const auto links = links_;  // closing erases
  for (const auto& [key, link] : links) link->close(CloseReason::shutting_down);
  clock_.cancel();
}

// --- Gossip ------------------------------------------------------------------------------------

void Host::publish(const SignedHead& head, const Manifest& manifest) {
  gossip_.publish(Clock::now(), head, manifest);
  pump();
}

void Host::want(const SnapshotId& snapshot) {
  gossip_.want(Clock::now(), snapshot);
  pump();
}

void Host::lost(const SnapshotId& snapshot) {
  gossip_.lost(Clock::now(), snapshot);
  pump();
}

// Carries out what the gossip has come to want, and sets the clock for when it will want more.
void Host::pump() {
  if (pumping_ || stopped_) return;
  pumping_ = true;
  while (auto event = gossip_.poll_event()) carry_out(*event);
  pumping_ = false;
  const Instant next = gossip_.next_timeout();
  if (clock_.expiry() == next) return;
  clock_.expires_at(next);
  clock_.async_wait([this, alive = alive_](error_code ec) {
    if (ec || !*alive || stopped_) return;
    gossip_.handle_timeout(Clock::now());
    clock_.expires_at(Instant::max());  // so that pump() sets it anew
    pump();
  });
}

void Host::carry_out(Gossip::Event& event) {
  const auto handle = [this](auto& body) {
    using Body = std::decay_t<decltype(body)>;
    if constexpr (std::is_same_v<Body, Gossip::Transmit>) {
      const auto link = peers_.at(body.to).link;  // a copy: sending may close it
      if (link) link->send(body.message);
    } else if constexpr (std::is_same_v<Body, Gossip::ReadPiece>) {
      auto done = [this, alive = alive_, read = body](std::optional<Bytes> data) {
        if (*alive) piece_read(read.for_peer, read.snapshot, read.piece, std::move(data));
      };
      if (body.piece != kManifestPiece) {
        return owner_.read_piece(body.snapshot, body.piece, std::move(done));
      }
      const Manifest* manifest = gossip_.manifest(body.snapshot);
      auto data = manifest ? std::optional(encode(*manifest)) : std::nullopt;
      // Later, as from a disk: what it is sent after has then been queued, and counts.
      asio::post(io_, [done = std::move(done), data = std::move(data)] { done(data); });
    } else if constexpr (std::is_same_v<Body, Gossip::WritePiece>) {
      owner_.write_piece(body.snapshot, body.piece, std::move(body.data));
    } else if constexpr (std::is_same_v<Body, Gossip::Discovered>) {
      owner_.discovered(body.snapshot, body.head);
    } else if constexpr (std::is_same_v<Body, Gossip::Completed>) {
      owner_.completed(body.snapshot, body.head);
    } else if constexpr (std::is_same_v<Body, Gossip::Dropped>) {
      owner_.dropped(body.snapshot, body.head, body.chunks);
    } else {
      const Member* member = local_.consortium->find(body.peer);
      if (member) owner_.peer_accused(*member, body.what);
    }
  };
  std::visit(handle, event);
}

void Host::piece_read(const NodeId& for_peer, const SnapshotId& snapshot, std::uint32_t piece,
                      std::optional<Bytes> data) {
  Peer& peer = peers_.at(for_peer);
  gossip_.handle_piece_read(for_peer, snapshot, piece, std::move(data));
  peer.serving = true;
  pump();
  // The next piece is read only when this one is on its way: that bounds the queue.
  if (peer.link && peer.link->has_room()) drained(peer);
}

void Host::drained(Peer& peer) {
  if (!std::exchange(peer.serving, false)) return;
  gossip_.handle_drained(peer.member->id);
  pump();
}

// --- Status ------------------------------------------------------------------------------------

bool Host::connected(const NodeId& id) const {
  const auto found = peers_.find(id);
  return found != peers_.end() && found->second.link != nullptr;
}

std::vector<Host::PeerStatus> Host::peers() const {
  std::vector<PeerStatus> all;
  for (const auto& [id, peer] : peers_) {
    PeerStatus status;
    status.member = peer.member;
    status.connected = peer.link != nullptr;
    status.since = peer.since;
    status.last_failure = peer.last_failure;
    status.failed_by_peer = peer.failed_by_peer;
    status.bytes_in = peer.bytes_in;
    status.bytes_out = peer.bytes_out;
    if (peer.link) {
      status.round_trip = peer.link->session().round_trip();
      status.bytes_in += peer.link->bytes_in();
      status.bytes_out += peer.link->bytes_out();
      status.agent = peer.link->session().hello()->agent;
    }
    all.push_back(std::move(status));
  }
  return all;
}

Host::Traffic Host::traffic() const {
  Traffic total;
  for (const PeerStatus& peer : peers()) {
    total.in += peer.bytes_in;
    total.out += peer.bytes_out;
  }
  return total;
}

std::vector<std::string> Host::listening() const {
  std::vector<std::string> all;
  for (const auto& acceptor : acceptors_) all.push_back(text(acceptor->local_endpoint()));
  return all;
}

}  // namespace kith::net
