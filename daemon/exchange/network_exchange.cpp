#include "daemon/exchange/network_exchange.hpp"

#include "daemon/system/failure.hpp"
#include "daemon/system/log.hpp"
#include "daemon/system/version.hpp"
#include "model/task.hpp"
#include "net/endpoint.hpp"
#include "net/label.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace kith::daemon {
namespace {

constexpr std::size_t kFieldsShown = 32;  // of a task that differs

/// Of a peer's own words: what could confuse a terminal becomes "?".
std::string printable(std::string text) { return net::is_label(text) ? text : "?"; }

/// Of what a peer learns: as much as a line has room for.
std::string shown(const std::string& value) {
  if (value.size() <= net::limits::kLabel) return value.empty() ? value : printable(value);
  return printable(value.substr(0, net::limits::kLabel - 3)) + "...";
}

/// Of an address that is listened on: only this machine reaches it, so the others are here, too.
bool is_loopback(const std::string& address) {
  const auto endpoint = net::parse_endpoint(address);
  if (!endpoint) return false;
  net::error_code no_number;
  const auto ip = net::asio::ip::make_address(endpoint->host, no_number);
  return no_number ? endpoint->host == "localhost" : ip.is_loopback();
}

template <class Ratio>
std::optional<double> in_unit(const std::optional<net::Duration>& time) {
  if (!time) return std::nullopt;
  return std::chrono::duration<double, Ratio>(*time).count();
}

/// Why nothing of the peer is used, whatever it does, until somebody does something.
std::optional<PeerReport::Ignored> ignored(const net::Host::PeerStatus& peer, bool denied_here,
                                           bool quarantined) {
  using enum net::CloseReason;
  if (denied_here) return {{"denied", "you denied it; kith allow undoes that."}};
  if (quarantined) {
    return {{"quarantined",
             "it signed two different snapshots for one sequence number; kith key renew there "
             "ends that."}};
  }
  if (!peer.trouble) return std::nullopt;
  const net::CloseReason reason = peer.trouble->reason;
  const bool lasting = reason == not_a_member || reason == wrong_peer ||
                       reason == version_mismatch || reason == other_task || reason == malformed ||
                       reason == denied;
  if (!lasting) return std::nullopt;
  return {{std::string(net::name(reason)), std::string(net::explain(reason))}};
}

}  // namespace

// --- Setting up --------------------------------------------------------------------------------

NetworkExchange::NetworkExchange(net::asio::io_context& io, Shared shared, const net::Card& card,
                                 const std::vector<ShelvedSnapshot>& found,
                                 const std::vector<Bytes>& evidence)
    : shared_(std::move(shared)),
      host_(io, local_node(card), shared_.membership.record(), *this),
      shelf_(io, host_, shared_.store, shared_.disk),
      inbox_(io, host_, shelf_, shared_),
      outbox_(host_, shared_),
      membership_(host_, shared_) {
  for (const Bytes& stored : evidence) {
    const auto decoded = net::decode<net::Evidence>(stored);
    if (decoded) host_.gossip().restore(*decoded);
  }
  shelf_.restore(found);
  inbox_.restore(found);
  membership_.follow();
}

net::LocalNode NetworkExchange::local_node(const net::Card& card) {
  const NodeKeys& keys = *shared_.keys;
  net::LocalNode local;
  local.id = keys.id;
  local.channel = &keys.channel;
  local.former_channel = keys.former ? &*keys.former : nullptr;
  local.task = shared_.subject.task;
  local.manifest = shared_.subject.manifest;
  local.agent = "kith " + version();
  local.card = card;
  local.dials_loopback = std::ranges::any_of(shared_.config.node.listen, is_loopback);
  local.takes_applications = [&membership = shared_.membership] {
    return membership.invitations().any_open(std::chrono::system_clock::now());
  };
  return local;
}

void NetworkExchange::join() {
  try {
    host_.listen(shared_.config.node.listen);
  } catch (const std::runtime_error& error) {
    throw Failure(EX_UNAVAILABLE, error.what());
  }
  host_.connect();
  for (const std::string& address : host_.listening()) {
    log::info("listening", {{"address", address}, {"id", to_string(shared_.keys->id)}});
  }
}

void NetworkExchange::stop() {
  shelf_.stop();
  inbox_.stop();
  outbox_.stop();
  host_.stop();
}

void NetworkExchange::set_keys(std::shared_ptr<const NodeKeys> keys, const net::Card& card) {
  const auto before = std::exchange(shared_.keys, std::move(keys));  // until nobody borrows it
  const NodeKeys& now = *shared_.keys;
  host_.set_keys(now.channel, now.former ? &*now.former : nullptr, card);
  shared_.audit("renewed", {{"name", shared_.config.node.name},
                            {"id", to_string(now.id)},
                            {"channel", crypto::to_hex(card.channel.key)},
                            {"addresses", card.addresses}});
  log::info("renewed", {{"channel", crypto::to_hex(card.channel.key).substr(0, 16)},
                        {"help", "the other members are told"}});
}

void NetworkExchange::begin_again() {
  shared_.disk.post([&store = shared_.store] { store.open_log(); });
  host_.reconnect();
}

// --- What the learner asks of us ----------------------------------------------------------------

void NetworkExchange::want(std::uint64_t round, std::vector<std::string> peers) {
  inbox_.want(round, std::move(peers));
}

net::awaitable<void> NetworkExchange::publish(std::uint64_t round, pipe::Fd partial, Note note) {
  return outbox_.publish(round, std::move(partial), std::move(note));
}

net::awaitable<void> NetworkExchange::gather(std::uint64_t round) { return inbox_.gather(round); }

net::awaitable<std::vector<Candidate>> NetworkExchange::load(std::uint64_t round,
                                                             WorkerProcess& worker) {
  return inbox_.load(round, worker);
}

net::awaitable<bool> NetworkExchange::load_published(WorkerProcess& worker) {
  const auto& newest = outbox_.published();
  if (!newest || shared_.subject.form.encoding == model::Encoding::fp32) co_return false;
  if (published_loaded_ == newest) co_return true;
  published_loaded_.reset();
  if (!host_.gossip().complete(*newest)) co_return false;
  const net::SnapshotId snapshot = *newest;
  const bool loaded = co_await inbox_.load_own(snapshot, worker);
  if (loaded) published_loaded_ = snapshot;
  co_return loaded;
}

void NetworkExchange::worker_replaced() {
  published_loaded_.reset();
  inbox_.worker_replaced();
}

// --- What the network asks of us, and tells ------------------------------------------------------

void NetworkExchange::read_piece(const net::SnapshotId& snapshot, std::uint32_t piece,
                                 PieceRead done) {
  shelf_.read_piece(snapshot, piece, std::move(done));
}

void NetworkExchange::write_piece(const net::SnapshotId& snapshot, std::uint32_t piece, Bytes data,
                                  std::function<void()> written) {
  shelf_.write_piece(snapshot, piece, std::move(data), std::move(written));
}

void NetworkExchange::discovered(const net::SnapshotId& snapshot, const net::Head& head) {
  inbox_.discovered(snapshot, head);
}

void NetworkExchange::begun(const net::SnapshotId& snapshot, const net::Head& head) {
  shelf_.keep(snapshot, head, false);
}

void NetworkExchange::needed(const net::SnapshotId& snapshot, const net::Head& head) {
  inbox_.needed(snapshot, head);
}

void NetworkExchange::completed(const net::SnapshotId& snapshot, const net::Head& head) {
  inbox_.completed(snapshot, head);
}

void NetworkExchange::dropped(const net::SnapshotId& snapshot, const net::Head& head,
                              const std::vector<net::Hash>& chunks) {
  inbox_.dropped(snapshot);
  shelf_.drop(head, chunks);
}

void NetworkExchange::peer_connected(const net::Member& peer, const net::Hello& hello) {
  log_.connected(peer, hello);
}

void NetworkExchange::peer_disconnected(const net::Member& peer, const net::Trouble& trouble) {
  log_.disconnected(peer, trouble);
  inbox_.peer_lost();
}

void NetworkExchange::peer_failed(const net::Member* peer, const net::Trouble& trouble) {
  log_.failed(peer, trouble);
}

void NetworkExchange::peer_accused(const net::Member& peer, const std::string& what) {
  log_.accused(peer, what);
}

void NetworkExchange::peer_convicted(const net::Member& peer, const net::Evidence& evidence) {
  shared_.disk.post([&store = shared_.store, id = peer.id, proof = net::encode(evidence)] {
    store.put_evidence(id, proof);
  });
  shared_.audit("convicted", {{"name", peer.name}, {"id", to_string(peer.id)}});
  log_.convicted(peer, peer.id == shared_.keys->id);
}

void NetworkExchange::charter_changed(const net::Gossip::CharterChanged& change) {
  membership_.charter_changed(change);
}

void NetworkExchange::charter_contradicted(const net::Gossip::Contradicted& rival) {
  membership_.charter_contradicted(rival);
}

void NetworkExchange::renewed(const net::Member& peer) { membership_.renewed(peer); }

void NetworkExchange::renewed_elsewhere(const net::Card& card) {
  membership_.renewed_elsewhere(card);
}

net::Admission NetworkExchange::applied(const net::Apply& apply) {
  return membership_.applied(apply);
}

void NetworkExchange::outrun(const net::LogPosition& position) { outbox_.outrun(position); }

void NetworkExchange::failed(const net::Member* peer, const std::string& what,
                             const std::exception& error) {
  log_.fault(peer, what, error);
}

// --- What people ask of us ---------------------------------------------------------------------

std::size_t NetworkExchange::connected() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(host_.peers(), &net::Host::PeerStatus::connected));
}

std::vector<std::string> NetworkExchange::refused_by() const {
  std::vector<std::string> names;
  for (const auto& peer : host_.peers()) {
    const auto& trouble = peer.trouble;
    if (trouble && trouble->by_peer && trouble->reason == net::CloseReason::not_a_member) {
      names.push_back(peer.member.name);
    }
  }
  return names;
}

std::vector<NetworkExchange::OtherTask> NetworkExchange::other_tasks() const {
  std::vector<OtherTask> others;
  for (const auto& peer : host_.peers()) {
    if (!peer.trouble || peer.trouble->reason != net::CloseReason::other_task) continue;
    others.push_back({peer.member.name, differs(peer)});
  }
  return others;
}

std::optional<std::vector<DifferenceReport>> NetworkExchange::differs(
    const net::Host::PeerStatus& peer) const {
  if (!peer.other_task) return std::nullopt;
  std::vector<DifferenceReport> fields;
  const auto differences = model::differences(shared_.subject.manifest, *peer.other_task);
  for (const auto& [field, ours, theirs] : differences) {
    if (fields.size() == kFieldsShown) break;
    fields.push_back({shown(field), shown(ours), shown(theirs)});
  }
  return fields;
}

std::optional<VersionReport> NetworkExchange::version_of(
    const net::Host::PeerStatus& peer) const {
  if (!peer.charter) return std::nullopt;
  const auto& ours = host_.gossip().charters().chain();
  const auto& [number, id] = *peer.charter;
  const char* const state = !ours.contains(number, id)                ? "another"
                            : number == ours.newest().charter.number ? "ours"
                                                                     : "older";
  return {{number, fingerprint(id), state}};
}

PeerReport NetworkExchange::report_of(const net::Host::PeerStatus& peer) const {
  const std::string id = to_string(peer.member.id);
  const net::Gossip& gossip = host_.gossip();
  PeerReport report{.name = peer.member.name, .id = id, .connected = peer.connected};
  report.since =
      std::chrono::duration_cast<std::chrono::seconds>(peer.since.time_since_epoch()).count();
  if (peer.connected) {
    report.dialled_by = peer.dialled_by_us ? "us" : "it";
    report.address = peer.address;
  }
  if (peer.trouble) {
    report.trouble = {std::string(net::name(peer.trouble->reason)), peer.trouble->address,
                      peer.trouble->detail, peer.trouble->by_peer,
                      std::string(net::explain(peer.trouble->reason))};
  }
  report.next_try_seconds = in_unit<std::ratio<1>>(peer.next_try);
  if (peer.hello) {
    report.runs = {printable(peer.hello->agent), peer.hello->version, peer.hello->oldest,
                   peer.hello->features};
  }
  report.round_trip_ms = in_unit<std::milli>(peer.round_trip);
  report.bytes_in = peer.bytes_in;
  report.bytes_out = peer.bytes_out;
  report.standing = gossip.standing(net::Clock::now(), peer.member.id);
  report.bytes_in_per_second = std::round(peer.rate_in);
  report.bytes_out_per_second = std::round(peer.rate_out);
  report.quarantined = gossip.quarantined(peer.member.id);
  const auto* const entry = host_.directory().find(peer.member.id);
  if (entry != nullptr && entry->card) report.card_issued = entry->card->issued;
  const bool denied = shared_.membership.denied().contains(peer.member.id);
  report.ignored = ignored(peer, denied, report.quarantined);
  report.charter = version_of(peer);
  report.other_task = differs(peer);
  if (const auto* arrival = inbox_.arrival(id)) {
    report.snapshot = {arrival->head.round, arrival->head.position.sequence, arrival->round,
                       arrival->refused};
  }
  return report;
}

std::vector<PeerReport> NetworkExchange::peers() const {
  std::vector<PeerReport> all;
  for (const auto& peer : host_.peers()) all.push_back(report_of(peer));
  return all;
}

}  // namespace kith::daemon
