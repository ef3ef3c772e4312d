#include "net/asio/host.hpp"

#include "net/asio/dial.hpp"
#include "net/endpoint.hpp"

#include <algorithm>
#include <random>
#include <stdexcept>

namespace kith::net {
namespace {

// Two nodes that dial each other at the same moment get two connections within this time.
constexpr Duration kSimultaneous = std::chrono::seconds(5);

/// "2 to 3"
std::string range(std::uint8_t least, std::uint8_t most) {
  return std::to_string(least) + " to " + std::to_string(most);
}

Subnet subnet_of(const asio::ip::address& address) {
  return address.is_v4() ? Subnet(address.to_v4().to_bytes()) : Subnet(address.to_v6().to_bytes());
}

/// The members that can be dialled.
std::vector<NodeId> reachable(const LocalNode& local) {
  std::vector<NodeId> ids;
  for (const Member& member : local.consortium->members()) {
    if (member.id != local.id && !member.addresses.empty()) ids.push_back(member.id);
  }
  return ids;
}

std::uint64_t random_seed() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

}  // namespace

// Chance must differ from node to node: those who ask for the same chunks in the same order have
// nothing to give one another.
Host::Host(asio::io_context& io, const LocalNode& local, HostOwner& owner)
    : io_(io),
      local_(local),
      owner_(owner),
      gossip_(*local.consortium, local.id, local.task, random_seed()),
      dialler_(local.consortium->members().size(), reachable(local), random_seed()),
      dial_clock_(io),
      clock_(io) {
  for (const Member& member : local.consortium->members()) {
    if (member.id == local.id) continue;
    Peer& peer = peers_[member.id];
    peer.member = &member;
    peer.since = std::chrono::system_clock::now();
    peer.settled = std::make_unique<asio::steady_timer>(io, Instant::max());
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
      asio::steady_timer pause(io_, limits::kFirstRedial);
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
    const Trouble trouble{.reason = CloseReason::crowded, .address = text(from)};
    return owner_.peer_failed(nullptr, trouble);
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
  dialling_ = true;
  pump_dialler();
}

void Host::pump_dialler() {
  if (stopped_ || !dialling_) return;
  const Instant now = Clock::now();
  while (const auto leaving = dialler_.poll_leave(now)) {
    const auto link = peers_.at(*leaving).link;  // a copy: closing may drop it
    if (link) link->close(CloseReason::rotated);
  }
  while (const auto dialled = dialler_.poll_dial(now)) {
    asio::co_spawn(io_, dial(peers_.at(*dialled), alive_), rethrow);
  }
  if (dial_clock_.expiry() == dialler_.next_timeout()) return;
  dial_clock_.expires_at(dialler_.next_timeout());
  dial_clock_.async_wait([this, alive = alive_](error_code ec) {
    if (ec || !*alive || stopped_) return;
    dial_clock_.expires_at(Instant::max());  // so that it is set anew
    pump_dialler();
  });
}

awaitable<void> Host::dial(Peer& peer, std::shared_ptr<bool> alive) {
  error_code ec;
  if (!*alive) co_return;
  Trouble trouble{.reason = CloseReason::unreachable, .detail = "no address can be resolved"};
  std::vector<std::string> addresses = peer.member->addresses;
  const asio::any_io_executor executor = io_.get_executor();
  const std::vector<tcp::endpoint> endpoints = co_await resolve(executor, std::move(addresses));
  if (!*alive || stopped_) co_return;
  bool answered = false;
  for (const tcp::endpoint& endpoint : endpoints) {
    if (!*alive || stopped_) co_return;
    if (peer.link) break;  // it dialled us meanwhile
    tcp::socket socket(io_);
    ec = co_await net::connect(socket, endpoint);
    if (!*alive || stopped_) co_return;
    if (ec) {
      trouble.address = text(endpoint);
      trouble.detail = ec.message();
      continue;
    }
    if (peer.link) break;
    answered = true;
    const std::shared_ptr<Link> link = start_link(std::move(socket), peer.member, text(endpoint));
    // The link's own clock bounds this.
    while (links_.contains(link.get()) && !link->session().established()) {
      co_await peer.settled->async_wait(asio::redirect_error(use_awaitable, ec));
      if (!*alive || stopped_) co_return;
    }
    if (peer.link || link->session().hello()) break;  // it was he, if he does not want us
  }
  if (!*alive || stopped_) co_return;
  if (!peer.link) {
    if (!answered) attempt_failed(peer, trouble);
    dialler_.failed(Clock::now(), peer.member->id);
  }
  pump_dialler();
}

void Host::attempt_failed(Peer& peer, Trouble trouble) {
  // Tell the owner once, not at every attempt.
  const bool news = !peer.trouble || peer.trouble->reason != trouble.reason;
  peer.trouble = std::move(trouble);
  if (news) owner_.peer_failed(peer.member, *peer.trouble);
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
      .established = [=, this] { with_link([&](auto& link) { link_established(link, address); }); },
      .message =
          [=, this](Message message) {
            with_link([&](auto& link) {
              if (link->session().applied()) return handle_applicant(*link, message);
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
  std::uint64_t features = gossip_.charters().follows() ? kFollowsCharter | kTakesRenewals : 0;
  if (dialler_.company() == Dialler::Company::none) features |= kNeedsCompany;
  auto link = Link::start(std::move(socket), local_, expected, std::move(callbacks), features);
  *self = link;
  links_.emplace(link.get(), link);
  if (reading_paused_) link->pause();
  return link;
}

void Host::link_established(const std::shared_ptr<Link>& link, const std::string& address) {
  leaves_door(*link);
  Peer& peer = peers_.at(link->session().peer()->id);
  if (denied_.contains(peer.member->id)) return link->close(CloseReason::denied);
  const bool alone = (link->session().hello()->features & kNeedsCompany) != 0;
  const auto company = alone ? Dialler::Company::none : Dialler::Company::some;
  const auto place = dialler_.place_for(peer.member->id, company);
  if (!place.granted) return link->close(CloseReason::crowded);
  if (place.instead_of) {
    const auto other = peers_.at(*place.instead_of).link;  // a copy: closing may drop it
    if (other) other->close(CloseReason::rotated);
  }
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
    owner_.peer_connected(*peer.member, *link->session().hello());
  }
  peer.link = link;
  peer.established = Clock::now();
  peer.serving = false;
  peer.address = address;
  peer.hello = link->session().hello();
  peer.other_task.reset();
  peer.trouble.reset();
  peer.settled->cancel();
  const bool dialled = link->session().role() == Session::Role::initiator;
  dialler_.connected(Clock::now(), peer.member->id,
                     dialled ? Dialler::Direction::outbound : Dialler::Direction::inbound, company);
  gossip_.handle_connected(Clock::now(), peer.member->id, peer.hello->features);
  pump();
}

void Host::handle_applicant(Link& link, const Message& message) {
  const auto& charters = gossip_.charters();
  if (const auto* apply = std::get_if<Apply>(&message)) {
    const Card& card = apply->card;
    if (card.member.channel != link.session().proved() || !is_sound(card)) {
      return link.close(CloseReason::malformed);
    }
    const Admission admission = owner_.applied(*apply);
    link.send(admission);
    if (admission.state != Admission::State::admitted) link.close(CloseReason::not_a_member);
  } else if (const auto* wanted = std::get_if<CharterWanted>(&message)) {
    const bool admitted = local_.consortium->find(*link.session().proved()) != nullptr;
    const SignedCharter* const version = charters.version(wanted->version);
    if (admitted && version != nullptr && link.has_room()) link.send(CharterVersion{*version});
  } else {
    link.close(CloseReason::malformed);
  }
}

void Host::link_closed(const std::shared_ptr<Link>& link, const Member* expected,
                       const std::string& address, CloseReason reason) {
  links_.erase(link.get());
  leaves_door(*link);
  if (link->session().applied()) return;  // its owner was told
  Trouble trouble{.reason = reason,
                  .by_peer = link->session().closed_by_peer(),
                  .address = address,
                  .detail = link->detail()};
  const auto& hello = link->session().hello();
  if (reason == CloseReason::version_mismatch && hello) {
    trouble.detail = "it speaks versions " + range(hello->oldest, hello->version) +
                     " of the protocol, we " + range(local_.oldest, local_.version);
  }
  const Member* member = link->session().peer() ? link->session().peer() : expected;
  const auto found = member ? peers_.find(member->id) : peers_.end();
  if (found == peers_.end()) return owner_.peer_failed(nullptr, trouble);
  Peer& peer = found->second;
  peer.settled->cancel();
  if (peer.link != link) {
    if (peer.link || reason == CloseReason::duplicate) return;  // the other connection lives
    if (hello) {
      peer.hello = hello;
      peer.other_task = link->session().other_task();
    }
    return attempt_failed(peer, std::move(trouble));
  }
  peer.link.reset();
  peer.bytes_in += link->bytes_in();
  peer.bytes_out += link->bytes_out();
  peer.since = std::chrono::system_clock::now();
  peer.trouble = std::move(trouble);
  gossip_.handle_disconnected(Clock::now(), member->id);
  owner_.peer_disconnected(*member, *peer.trouble);
  dialler_.disconnected(Clock::now(), member->id);
  pump();
  pump_dialler();
}

void Host::deny(const NodeId& id) {
  const auto peer = peers_.find(id);
  if (peer == peers_.end() || !denied_.insert(id).second) return;
  dialler_.deny(id);
  const auto link = peer->second.link;  // a copy: closing may drop it
  if (link) link->close(CloseReason::denied);
}

void Host::allow(const NodeId& id) {
  if (denied_.erase(id) == 0) return;
  dialler_.allow(id);
  pump_dialler();
}

void Host::stop() {
  stopped_ = true;
  for (const auto& acceptor : acceptors_) {
    error_code ignored;
    acceptor->close(ignored);
  }
  dial_clock_.cancel();
  for (auto& [id, peer] : peers_) peer.settled->cancel();
  const auto links = links_;  // closing erases
  for (const auto& [key, link] : links) link->close(CloseReason::shutting_down);
  clock_.cancel();
}

// --- Gossip ------------------------------------------------------------------------------------

void Host::follow(CharterChain chain, std::optional<CharterChain> rival, Verdicts verdicts) {
  gossip_.follow(Clock::now(), std::move(chain), std::move(rival), std::move(verdicts));
  pump();
}

void Host::offer(const std::vector<Renewal>& renewals) {
  gossip_.offer(Clock::now(), renewals);
  pump();
}

bool Host::take_shown(const Renewal& renewal) {
  const bool taken = gossip_.take_shown(Clock::now(), renewal);
  pump();
  return taken;
}

void Host::publish(const SignedHead& head, const Manifest& manifest) {
  gossip_.publish(Clock::now(), head, manifest);
  pump();
}

void Host::want(const SnapshotId& snapshot) {
  gossip_.want(Clock::now(), snapshot);
  pump();
}

void Host::relay(const SnapshotId& snapshot) {
  gossip_.relay(Clock::now(), snapshot);
  pump();
}

void Host::found(const SnapshotId& snapshot, const std::vector<bool>& chunks) {
  gossip_.found(Clock::now(), snapshot, chunks);
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
      write_piece(body);
    } else if constexpr (std::is_same_v<Body, Gossip::Discovered>) {
      owner_.discovered(body.snapshot, body.head);
    } else if constexpr (std::is_same_v<Body, Gossip::Begun>) {
      owner_.begun(body.snapshot, body.head);
    } else if constexpr (std::is_same_v<Body, Gossip::Needed>) {
      owner_.needed(body.snapshot, body.head);
    } else if constexpr (std::is_same_v<Body, Gossip::Completed>) {
      owner_.completed(body.snapshot, body.head);
    } else if constexpr (std::is_same_v<Body, Gossip::Dropped>) {
      owner_.dropped(body.snapshot, body.head, body.chunks);
    } else if constexpr (std::is_same_v<Body, Gossip::Accused>) {
      const Member* member = local_.consortium->find(body.peer);
      if (member) owner_.peer_accused(*member, body.what);
    } else if constexpr (std::is_same_v<Body, Gossip::Convicted>) {
      owner_.peer_convicted(*local_.consortium->find(body.origin), body.evidence);
    } else if constexpr (std::is_same_v<Body, Gossip::CharterGrown>) {
      owner_.charter_grown(*local_.consortium->find(body.from), body.chain);
    } else if constexpr (std::is_same_v<Body, Gossip::CharterForked>) {
      owner_.charter_forked(*local_.consortium->find(body.from), body.rival);
    } else if constexpr (std::is_same_v<Body, Gossip::Renewed>) {
      owner_.renewed(body);
      dialler_.renewed(Clock::now(), body.member, !body.addresses.empty());
      asio::post(io_, [this, alive = alive_] {
        if (*alive) pump_dialler();
      });
    } else if constexpr (std::is_same_v<Body, Gossip::RenewedElsewhere>) {
      owner_.renewed_elsewhere();
    } else {
      static_assert(std::is_same_v<Body, Gossip::Outrun>);
      owner_.outrun(body.position);
    }
  };
  std::visit(handle, event);
}

void Host::write_piece(Gossip::WritePiece& piece) {
  const std::size_t size = piece.data.size();
  waiting_for_disk_ += size;
  if (waiting_for_disk_ > limits::kWaitingForDisk && !std::exchange(reading_paused_, true)) {
    for (const auto& [key, link] : links_) link->pause();
  }
  auto written = [this, alive = alive_, size] {
    if (*alive) piece_written(size);
  };
  owner_.write_piece(piece.snapshot, piece.piece, std::move(piece.data), std::move(written));
}

void Host::piece_written(std::size_t size) {
  waiting_for_disk_ -= size;
  if (waiting_for_disk_ > limits::kWaitingForDisk / 2) return;
  if (!std::exchange(reading_paused_, false)) return;
  for (const auto& [key, link] : links_) link->resume();
}

void Host::piece_read(const NodeId& for_peer, const SnapshotId& snapshot, std::uint32_t piece,
                      std::optional<Bytes> data) {
  Peer& peer = peers_.at(for_peer);
  gossip_.handle_piece_read(Clock::now(), for_peer, snapshot, piece, std::move(data));
  peer.serving = true;
  pump();
  // The next piece is read only when this one is on its way: that bounds the queue.
  if (peer.link && peer.link->has_room()) drained(peer);
}

void Host::drained(Peer& peer) {
  if (!std::exchange(peer.serving, false)) return;
  gossip_.handle_drained(Clock::now(), peer.member->id);
  pump();
}

// --- Status ------------------------------------------------------------------------------------

bool Host::connected(const NodeId& id) const {
  const auto found = peers_.find(id);
  return found != peers_.end() && found->second.link != nullptr;
}

std::vector<Host::PeerStatus> Host::peers() const {
  const Instant now = Clock::now();
  std::vector<PeerStatus> all;
  for (const auto& [id, peer] : peers_) {
    PeerStatus status;
    status.member = peer.member;
    status.connected = peer.link != nullptr;
    status.since = peer.since;
    status.trouble = peer.trouble;
    status.bytes_in = peer.bytes_in;
    status.bytes_out = peer.bytes_out;
    status.hello = peer.hello;
    status.other_task = peer.other_task;
    status.charter = gossip_.charters().followed_by(id);
    if (const auto next = dialler_.next_attempt(id)) {
      status.next_try = std::max(*next - now, Duration::zero());
    }
    if (peer.link) {
      status.dialled_by_us = peer.link->session().role() == Session::Role::initiator;
      status.address = peer.address;
      status.round_trip = peer.link->session().round_trip();
      status.bytes_in += peer.link->bytes_in();
      status.bytes_out += peer.link->bytes_out();
      status.rate_in = peer.link->rate_in().per_second(now);
      status.rate_out = peer.link->rate_out().per_second(now);
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

std::size_t Host::queued() const {
  std::size_t total = 0;
  for (const auto& [key, link] : links_) total += link->queued();
  return total;
}

std::vector<std::string> Host::listening() const {
  std::vector<std::string> all;
  for (const auto& acceptor : acceptors_) all.push_back(text(acceptor->local_endpoint()));
  return all;
}

}  // namespace kith::net
