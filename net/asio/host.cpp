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

std::uint64_t random_seed() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

std::uint64_t date_now() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::max<std::int64_t>(std::chrono::duration_cast<std::chrono::seconds>(since).count(), 0));
}

}  // namespace

// Chance must differ from node to node: those who ask for the same chunks in the same order have
// nothing to give one another.
Host::Host(asio::io_context& io, LocalNode local, MembershipRecord record, HostOwner& owner)
    : io_(io),
      owner_(owner),
      gossip_(Clock::now(), date_now(), std::move(record), local.id, local.task, random_seed()),
      local_(std::move(local)),
      dialler_(random_seed()),
      dial_clock_(io),
      clock_(io) {
  local_.directory = &gossip_.directory();
  local_.take_card = [this](const Card& card) {
    gossip_.take_card(Clock::now(), card);
    // Later: what follows may close connections, and this is called by one of them.
    asio::post(io_, [this, alive = alive_] {
      if (*alive) pump();
    });
  };
  if (local_.card) gossip_.set_own_card(*local_.card);
  meet_members();
}

Host::~Host() {
  *alive_ = false;  // nobody is called any more
  stop();
}

Host::Peer* Host::find(const NodeId& id) {
  const auto found = peers_.find(id);
  return found == peers_.end() ? nullptr : &found->second;
}

void Host::meet_members() {
  // Who is no member any more is refused by all, and listens: somebody may tell that it is one again.
  const bool welcome = directory().find(local_.id) != nullptr;
  std::map<NodeId, bool> reachable;
  for (const auto& entry : directory().members()) {
    if (entry.id == local_.id) continue;
    reachable.emplace(entry.id, welcome && entry.reachable());
    Peer& peer = peers_[entry.id];
    peer.member = {entry.id, entry.name};
    if (peer.settled) continue;
    peer.since = std::chrono::system_clock::now();
    peer.settled = std::make_unique<asio::steady_timer>(io_, Instant::max());
  }
  std::erase_if(peers_, [&](const auto& item) { return !reachable.contains(item.first); });
  dialler_.set_members(reachable);
  for (const NodeId& id : denied_) dialler_.deny(id);
}

// --- Listening and dialling --------------------------------------------------------------------

void Host::listen(const std::vector<std::string>& addresses) {
  std::vector<tcp::endpoint> endpoints;
  for (const std::string& address : addresses) {
    const auto endpoint = parse_endpoint(address);
    if (!endpoint)
      throw std::runtime_error("cannot listen on \"" + address + "\": write it as host:port");
    error_code ec;
    tcp::resolver resolver(io_);
    const auto results =
        resolver.resolve(endpoint->host, endpoint->port, tcp::resolver::passive, ec);
    if (ec) throw std::runtime_error("cannot listen on " + address + ": " + ec.message());
    for (const auto& result : results) endpoints.push_back(result.endpoint());
  }
  for (const tcp::endpoint& endpoint : endpoints) {
    // [::] stands for IPv4 as well, unless that is asked for by itself.
    const bool both = std::ranges::none_of(endpoints, [&](const tcp::endpoint& other) {
      return other.address().is_v4() && other.port() == endpoint.port() && other.port() != 0;
    });
    error_code ec;
    auto acceptor = std::make_shared<tcp::acceptor>(io_);
    acceptor->open(endpoint.protocol(), ec);
    if (!ec) acceptor->set_option(tcp::acceptor::reuse_address(true), ec);
    if (!ec && endpoint.address().is_v6()) acceptor->set_option(asio::ip::v6_only(!both), ec);
    if (!ec) acceptor->bind(endpoint, ec);
    if (!ec) acceptor->listen(asio::socket_base::max_listen_connections, ec);
    if (ec == asio::error::address_in_use) {
      throw std::runtime_error("cannot listen on " + text(endpoint) +
                               ": another program uses this port; stop it or change node.listen");
    }
    if (ec) throw std::runtime_error("cannot listen on " + text(endpoint) + ": " + ec.message());
    acceptors_.push_back(acceptor);
    asio::co_spawn(io_, accept_loop(acceptor, alive_), rethrow);
  }
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
    const auto take = [&] { accepted(std::move(socket)); };
    contained(nullptr, "a connection", take);
  }
}

void Host::accepted(tcp::socket socket) {
  error_code ec;
  const tcp::endpoint from = socket.remote_endpoint(ec);
  if (ec) return;  // gone already
  for (const auto& [ticket, link] : at_door_) {
    doorkeeper_.update(ticket, link->session().shown());
  }
  const auto decision = doorkeeper_.arrived(Clock::now(), subnet_of(from.address()));
  if (!decision.admitted) {
    const Trouble trouble{.reason = CloseReason::crowded, .address = text(from)};
    return owner_.peer_failed(nullptr, trouble);
  }
  const auto link = start_link(std::move(socket), std::nullopt, text(from));
  at_door_.emplace(*decision.admitted, link);
  if (!decision.evicted) return;
  const auto evicted = at_door_.at(*decision.evicted);  // a copy: closing erases
  evicted->close(CloseReason::crowded);
}

void Host::leaves_door(const Link& link) {
  const auto found = std::ranges::find_if(
      at_door_, [&link](const auto& item) { return item.second.get() == &link; });
  if (found == at_door_.end()) return;
  doorkeeper_.update(found->first, link.session().shown());
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
    const Peer* const peer = find(*leaving);
    const auto link = peer != nullptr ? peer->link : nullptr;  // a copy: closing may drop it
    if (link) link->close(CloseReason::rotated);
  }
  while (const auto dialled = dialler_.poll_dial(now)) {
    asio::co_spawn(io_, dial(*dialled, alive_), rethrow);
  }
  if (dial_clock_.expiry() == dialler_.next_timeout()) return;
  dial_clock_.expires_at(dialler_.next_timeout());
  dial_clock_.async_wait([this, alive = alive_](error_code ec) {
    if (ec || !*alive || stopped_) return;
    dial_clock_.expires_at(Instant::max());  // so that it is set anew
    pump_dialler();
  });
}

// Who is dialled may cease to be a member at any await: it is looked for again each time.
awaitable<void> Host::dial(NodeId id, std::shared_ptr<bool> alive) {
  if (!*alive || stopped_) co_return;
  const auto* const entry = directory().find(id);
  const auto attempt = std::make_shared<Attempt>();
  if (entry != nullptr && entry->card) {
    // IP addresses first: they wait for no name server.
    std::vector<std::string> names = entry->card->addresses;
    const auto first_name = std::stable_partition(  // not of ranges: clang 14 cannot
        names.begin(), names.end(),
        [](const std::string& address) { return numeric(address).has_value(); });
    std::vector<std::string> addresses(names.begin(), first_name);
    names.erase(names.begin(), first_name);
    const asio::any_io_executor executor = io_.get_executor();
    for (auto* const group : {&addresses, &names}) {
      if (attempt->over || group->empty()) continue;
      auto endpoints = co_await resolve(executor, std::move(*group));
      if (!*alive || stopped_) co_return;
      co_await try_endpoints(id, std::move(endpoints), attempt, alive);
      if (!*alive || stopped_) co_return;
    }
  }
  Peer* const peer = find(id);
  if (peer == nullptr) co_return;
  if (!peer->link) {
    if (!attempt->answered) attempt_failed(*peer, attempt->trouble);
    dialler_.failed(Clock::now(), id);
  }
  pump_dialler();
}

awaitable<void> Host::try_endpoints(NodeId id, std::vector<tcp::endpoint> endpoints,
                                    std::shared_ptr<Attempt> attempt,
                                    std::shared_ptr<bool> alive) {
  error_code ec;
  for (const tcp::endpoint& endpoint : endpoints) {
    Peer* peer = find(id);
    const auto* entry = directory().find(id);
    attempt->over = peer == nullptr || peer->link || !entry->card;  // it dialled us meanwhile
    if (attempt->over) co_return;
    if (!may_dial(endpoint, local_.dials_loopback)) {
      attempt->trouble = {.reason = CloseReason::unreachable,
                          .address = text(endpoint),
                          .detail = "this node dials no such address"};
      continue;
    }
    tcp::socket socket(io_);
    ec = co_await net::connect(socket, endpoint);
    if (!*alive || stopped_) co_return;
    if (ec) {
      attempt->trouble.address = text(endpoint);
      attempt->trouble.detail = ec.message();
      continue;
    }
    peer = find(id);
    entry = directory().find(id);
    attempt->over = peer == nullptr || peer->link || !entry->card;
    if (attempt->over) co_return;
    attempt->answered = true;
    const Callee callee{id, entry->dh};
    const std::shared_ptr<Link> link = start_link(std::move(socket), callee, text(endpoint));
    // The link's own clock bounds this.
    while (links_.contains(link.get()) && !link->session().established()) {
      co_await peer->settled->async_wait(asio::redirect_error(use_awaitable, ec));
      if (!*alive || stopped_) co_return;
      peer = find(id);
      if (peer == nullptr) break;
    }
    // It was it, if it does not want us.
    attempt->over = peer == nullptr || peer->link || link->session().hello();
    if (attempt->over) co_return;
  }
}

void Host::attempt_failed(Peer& peer, Trouble trouble) {
  // Tell the owner once, not at every attempt.
  const bool news = !peer.trouble || peer.trouble->reason != trouble.reason;
  peer.trouble = std::move(trouble);
  if (news) owner_.peer_failed(&peer.member, *peer.trouble);
}

// --- Links -------------------------------------------------------------------------------------

template <class Action>
void Host::contained(Link* link, const std::string& what, Action action) {
  try {
    action();
  } catch (const std::exception& error) {
    const Peer* const peer = link != nullptr && link->session().peer()
                                 ? find(*link->session().peer())
                                 : nullptr;
    owner_.failed(peer != nullptr ? &peer->member : nullptr, what, error);
    if (link != nullptr) link->close(CloseReason::internal_error);
  }
}

std::shared_ptr<Link> Host::start_link(tcp::socket socket, std::optional<Callee> callee,
                                       std::string address) {
  // The callbacks need the link, which needs the callbacks; the link releases them when it closes.
  const auto self = std::make_shared<std::weak_ptr<Link>>();
  const auto with_link = [this, alive = alive_, self](const std::string& what, auto action) {
    const auto link = self->lock();
    if (*alive && link) contained(link.get(), what, [&] { action(link); });
  };
  Link::Callbacks callbacks{
      .established =
          [=, this] {
            with_link("its greeting", [&](auto& link) { link_established(link, address); });
          },
      .message =
          [=, this](Message message) {
            with_link("a message", [&](auto& link) { handle_message(link, std::move(message)); });
          },
      .drained =
          [=, this] {
            with_link("serving it", [&](auto& link) {
              Peer* const peer = link->session().peer() ? find(*link->session().peer()) : nullptr;
              if (peer != nullptr && peer->link == link) drained(*peer);
            });
          },
      .closed =
          [=, this](CloseReason reason) {
            with_link("its end", [&](auto& link) { link_closed(link, address, reason); });
          }};
  const bool alone = dialler_.company() == Dialler::Company::none;
  auto link = Link::start(std::move(socket), local_, callee, std::move(callbacks),
                          alone ? kNeedsCompany : 0);
  *self = link;
  links_.emplace(link.get(), link);
  if (reading_paused_) link->pause();
  return link;
}

void Host::handle_message(const std::shared_ptr<Link>& link, Message message) {
  if (link->session().applied()) return handle_applicant(*link, message);
  const Peer* const peer = find(*link->session().peer());
  if (peer == nullptr || peer->link != link) return;
  gossip_.handle_message(Clock::now(), peer->member.id, std::move(message));
  pump();
}

void Host::link_established(const std::shared_ptr<Link>& link, const std::string& address) {
  leaves_door(*link);
  Peer* const known = find(*link->session().peer());
  if (known == nullptr) return link->close(CloseReason::not_a_member);  // since its hello
  Peer& peer = *known;
  const NodeId id = peer.member.id;
  if (denied_.contains(id)) return link->close(CloseReason::denied);
  const bool alone = (link->session().hello()->features & kNeedsCompany) != 0;
  const auto company = alone ? Dialler::Company::none : Dialler::Company::some;
  const auto place = dialler_.room_for(id, company);
  if (!place.granted) return link->close(CloseReason::crowded);
  if (place.instead_of) {
    const Peer* const least = find(*place.instead_of);
    const auto other = least != nullptr ? least->link : nullptr;  // a copy: closing may drop it
    if (other) other->close(CloseReason::rotated);
  }
  if (peer.link) {
    // Both ends must keep the same one: that which the smaller id dialled.  But a connection that
    // has lived for a while is no coincidence: then the peer lost it and came back.
    const bool ours_counts = local_.id < id;
    const bool ours = link->session().role() == Session::Role::initiator;
    const bool simultaneous = Clock::now() - peer.established < kSimultaneous &&
                              peer.link->session().role() != link->session().role();
    if (simultaneous && ours != ours_counts) return link->close(CloseReason::duplicate);
    const auto old = std::exchange(peer.link, nullptr);
    peer.bytes_in += old->bytes_in();
    peer.bytes_out += old->bytes_out();
    gossip_.handle_disconnected(Clock::now(), id);
    old->close(CloseReason::duplicate);
  } else {
    peer.since = std::chrono::system_clock::now();
    owner_.peer_connected(peer.member, *link->session().hello());
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
  dialler_.connected(Clock::now(), id,
                     dialled ? Dialler::Direction::outbound : Dialler::Direction::inbound, company);
  gossip_.handle_connected(Clock::now(), id);
  pump();
}

void Host::handle_applicant(Link& link, const Message& message) {
  if (const auto* apply = std::get_if<Apply>(&message)) {
    const Card& card = apply->card;
    const bool own = card.channel.dh() == link.session().proved();
    if (!own || card.founded != directory().founded() || !is_sound(card)) {
      return link.close(CloseReason::malformed);
    }
    const Admission admission = owner_.applied(*apply);
    link.send(admission);
    if (admission.state != Admission::State::admitted) return link.close(CloseReason::not_a_member);
    local_.take_card(card);
    Cards some;
    for (const auto& entry : directory().members()) {
      if (entry.card) some.cards.push_back(*entry.card);
      if (some.cards.size() == limits::kCardsPerMessage) link.send(std::exchange(some, {}));
    }
    if (!some.cards.empty()) link.send(some);
  } else if (const auto* wanted = std::get_if<CharterWanted>(&message)) {
    const bool admitted = directory().has_key(*link.session().proved());
    const SignedCharter* const version = gossip_.charters().version(wanted->number);
    if (admitted && version != nullptr && link.has_room()) link.send(CharterVersion{*version});
  } else {
    link.close(CloseReason::malformed);
  }
}

void Host::link_closed(const std::shared_ptr<Link>& link, const std::string& address,
                       CloseReason reason) {
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
  Peer* const known = link->session().peer() ? find(*link->session().peer()) : nullptr;
  if (known == nullptr && link->session().hello()) return;  // no member any more: that was told
  if (known == nullptr) return owner_.peer_failed(nullptr, trouble);
  Peer& peer = *known;
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
  gossip_.handle_disconnected(Clock::now(), peer.member.id);
  dialler_.disconnected(Clock::now(), peer.member.id);
  owner_.peer_disconnected(peer.member, *peer.trouble);
  pump();
  pump_dialler();
}

void Host::deny(const NodeId& id) {
  if (!denied_.insert(id).second) return;
  dialler_.deny(id);
  const Peer* const peer = find(id);
  const auto link = peer != nullptr ? peer->link : nullptr;  // a copy: closing may drop it
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

void Host::set_keys(const crypto::ChannelKey& channel, const crypto::ChannelKey* former,
                    const Card& card) {
  local_.channel = &channel;
  local_.former_channel = former;
  local_.card = card;
  gossip_.set_own_card(card);
  pump();
}

void Host::follow(MembershipRecord record) {
  gossip_.follow(Clock::now(), std::move(record));
  pump();
}

void Host::reconnect() {
  const auto links = links_;  // closing erases
  for (const auto& [key, link] : links) link->close(CloseReason::expired);
}

bool Host::publish(const SignedHead& head, const Manifest& manifest) {
  const bool published = gossip_.publish(Clock::now(), head, manifest);
  pump();
  return published;
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
  while (auto event = gossip_.poll_event()) {
    contained(nullptr, "what followed from a message", [&] { carry_out(*event); });
  }
  pumping_ = false;
  const Instant next = gossip_.next_timeout();
  if (clock_.expiry() == next) return;
  clock_.expires_at(next);
  clock_.async_wait([this, alive = alive_](error_code ec) {
    if (ec || !*alive || stopped_) return;
    contained(nullptr, "what was due", [&] { gossip_.handle_timeout(Clock::now()); });
    clock_.expires_at(Instant::max());  // so that pump() sets it anew
    pump();
  });
}

void Host::carry_out(Gossip::Event& event) {
  const auto handle = [this](auto& body) {
    using Body = std::decay_t<decltype(body)>;
    if constexpr (std::is_same_v<Body, Gossip::Transmit>) {
      const Peer* const peer = find(body.to);
      const auto link = peer != nullptr ? peer->link : nullptr;  // a copy: sending may close it
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
      if (const Peer* const peer = find(body.peer)) owner_.peer_accused(peer->member, body.what);
    } else if constexpr (std::is_same_v<Body, Gossip::Convicted>) {
      if (const auto* const origin = directory().find(body.origin)) {
        owner_.peer_convicted({origin->id, origin->name}, body.evidence);
      }
    } else if constexpr (std::is_same_v<Body, Gossip::CharterChanged> ||
                         std::is_same_v<Body, Gossip::Renewed>) {
      apply(body);
    } else if constexpr (std::is_same_v<Body, Gossip::Contradicted>) {
      owner_.charter_contradicted(body);
    } else if constexpr (std::is_same_v<Body, Gossip::RenewedElsewhere>) {
      owner_.renewed_elsewhere(body.card);
    } else {
      static_assert(std::is_same_v<Body, Gossip::Outrun>);
      owner_.outrun(body.position);
    }
  };
  std::visit(handle, event);
}

void Host::apply(const Gossip::CharterChanged& change) {
  std::vector<std::pair<Member, std::shared_ptr<Link>>> parted;
  for (const Member& member : change.removed) {
    Peer* const peer = find(member.id);
    if (peer == nullptr) continue;
    peer->settled->cancel();  // whoever dials it finds it gone
    if (peer->link) parted.emplace_back(member, std::exchange(peer->link, nullptr));
  }
  meet_members();
  for (const auto& [member, link] : parted) {
    link->close(CloseReason::not_a_member);
    owner_.peer_disconnected(member, {.reason = CloseReason::not_a_member});
  }
  owner_.charter_changed(change);
  pump_dialler();
}

// Who renewed its key is connected with anew, in both directions.
void Host::apply(const Gossip::Renewed& renewed) {
  Peer* const peer = find(renewed.member);
  const auto* const entry = directory().find(renewed.member);
  if (peer == nullptr || entry == nullptr || !entry->card) return;
  const bool welcome = directory().find(local_.id) != nullptr;
  dialler_.renewed(Clock::now(), renewed.member, welcome && entry->reachable());
  const auto link = peer->link;  // a copy: closing may drop it
  if (link && !entry->has_key(*link->session().proved())) link->close(CloseReason::outdated_key);
  owner_.renewed({entry->id, entry->name});
  pump_dialler();
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
  gossip_.handle_piece_read(Clock::now(), for_peer, snapshot, piece, std::move(data));
  Peer* peer = find(for_peer);
  if (peer != nullptr) peer->serving = true;
  pump();
  peer = find(for_peer);
  // The next piece is read only when this one is on its way: that bounds the queue.
  if (peer != nullptr && peer->link && peer->link->has_room()) drained(*peer);
}

void Host::drained(Peer& peer) {
  if (!std::exchange(peer.serving, false)) return;
  gossip_.handle_drained(Clock::now(), peer.member.id);
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
