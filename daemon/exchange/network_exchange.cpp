#include "daemon/exchange/network_exchange.hpp"

#include "daemon/membership/charter_file.hpp"
#include "daemon/state/departures.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/system/log.hpp"
#include "daemon/exchange/network_note.hpp"
#include "daemon/membership/renewals.hpp"
#include "daemon/exchange/sealed_snapshot.hpp"
#include "daemon/system/version.hpp"

#include <boost/algorithm/string/join.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>

namespace kith::daemon {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using std::chrono::steady_clock;

constexpr std::size_t kFieldsShown = 32;  // of a task that differs
constexpr auto kKeepAgain = 10s;          // the charter, if it could not be written

std::int64_t unix_seconds(std::chrono::system_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

/// A number, or null.
template <class Ratio>
json in_unit(const std::optional<net::Duration>& time) {
  if (!time) return nullptr;
  return std::chrono::duration<double, Ratio>(*time).count();
}

json names_and_ids(const std::vector<net::Member>& members) {
  json all = json::array();
  for (const net::Member& member : members) {
    all.push_back({{"name", member.name}, {"id", to_string(member.id)}});
  }
  return all;
}

/// Of a peer's own words: what could confuse a terminal becomes "?".
std::string printable(std::string text) { return net::is_label(text) ? text : "?"; }

/// Of what a peer learns: as much as a line has room for.
std::string shown(const std::string& value) {
  if (value.size() <= net::limits::kLabel) return value.empty() ? value : printable(value);
  return printable(value.substr(0, net::limits::kLabel - 3)) + "...";
}

/// Why nothing of the peer is used, whatever it does, until somebody does something; or null.
json ignored(const net::Host::PeerStatus& peer, bool denied_here, bool quarantined) {
  using enum net::CloseReason;
  if (denied_here)
    return {{"reason", "denied"}, {"help", "you denied it; kith allow undoes that."}};
  if (quarantined) {
    return {{"reason", "quarantined"},
            {"help", "it signed two different snapshots for one sequence number."}};
  }
  if (!peer.trouble) return nullptr;
  const net::CloseReason reason = peer.trouble->reason;
  const bool lasting = reason == not_a_member || reason == wrong_peer ||
                       reason == version_mismatch || reason == other_task || reason == malformed ||
                       reason == denied;
  if (!lasting) return nullptr;
  return {{"reason", net::name(reason)}, {"help", net::explain(reason)}};
}

}  // namespace

// --- Setting up --------------------------------------------------------------------------------

NetworkExchange::NetworkExchange(net::asio::io_context& io, const Config& config,
                                 const crypto::NodeKeys& keys, net::Consortium& consortium,
                                 std::vector<net::Renewal> renewals, Store& store, AuditLog& audit)
    : io_(io),
      config_(config),
      keys_(keys),
      consortium_(consortium),
      renewals_(std::move(renewals)),
      store_(store),
      audit_(audit),
      invites_(config.consortium.charter),
      local_{keys.identity.id(), &keys.channel, &consortium, {}, "kith " + version()},
      wake_(io),
      keep_again_(io) {}

NetworkExchange::~NetworkExchange() {
  host_.reset();
  disk_.join();
}

void NetworkExchange::join(const Subject& subject) {
  subject_ = subject;
  local_.task = crypto::hash(as_byte_view(subject.manifest));
  local_.manifest = subject.manifest;
  if (!config_.consortium.charter.empty()) {
    local_.takes_applications = [this] {
      return invites_.any_open(std::chrono::system_clock::now());
    };
    local_.takes_renewal = [this](const net::Renewal& renewal) {
      return host_->take_shown(renewal);
    };
    local_.former_channel = keys_.former ? &*keys_.former : nullptr;
    const auto own = std::ranges::find(renewals_, local_.id, &net::Renewal::member);
    if (own != renewals_.end()) local_.renewal = *own;
  }
  host_ = std::make_unique<net::Host>(io_, local_, *this);
  store_.open_log();
  for (const Bytes& stored : store_.evidence()) {
    const auto evidence = net::decode<net::Evidence>(stored);
    if (evidence) host_->gossip().restore(*evidence);
  }
  for (const StoredHead& stored : store_.heads()) {
    const auto head = net::decode<net::SignedHead>(stored.head);
    const auto manifest = net::decode<net::Manifest>(stored.manifest);
    const auto have = [this](const net::Hash& chunk) { return store_.blobs().contains(chunk); };
    const bool whole = stored.complete && manifest && std::ranges::all_of(manifest->chunks, have);
    const auto how = whole ? net::Swarm::Stored::whole : net::Swarm::Stored::partly;
    if (!head || !manifest || !host_->gossip().restore(*head, *manifest, how)) {
      store_.drop_head(stored.origin, stored.position);
      continue;
    }
    if (!whole) {  // what an interrupted download left is not fetched again
      recount(head->id());
      continue;
    }
    const std::string peer = to_string(stored.origin);
    if (stored.origin == local_.id || arrivals_.contains(peer)) continue;  // latest comes first
    const net::Head parsed = *net::parse_head(*head);
    Arrival arrival{.snapshot = head->id(), .head = parsed, .round = stored.round, .used = true};
    arrival.note = note_for_us(*manifest, parsed);
    arrivals_[peer] = std::move(arrival);
  }
  forget_unknown_blobs();
  denied_ = store_.denied();
  for (const net::NodeId& id : denied_) host_->deny(id);
  audit_.append("started", {{"version", version()},
                            {"id", to_string(local_.id)},
                            {"consortium", consortium_.id()},
                            {"task", crypto::to_hex(local_.task)}});
  follow_charter();
  try {
    for (const std::string& address : config_.node.listen) host_->listen(address);
  } catch (const std::runtime_error& error) {
    throw Failure(EX_UNAVAILABLE, error.what());
  }
  host_->connect();
  for (const std::string& address : host_->listening()) {
    log::info("listening", {{"address", address}, {"id", to_string(local_.id)}});
  }
}

void NetworkExchange::follow_charter() {
  if (config_.consortium.charter.empty() || !host_) return;
  const auto& file = config_.consortium.charter;
  KnownCharters known = known_charters(file);
  audit_charter(known.chain);
  auto renewals = load_renewals(renewals_file(file), known.chain.newest().charter);
  const bool first = !host_->gossip().charters().follows();
  host_->follow(std::move(known.chain), std::move(known.rival), std::move(known.verdicts));
  if (first) return host_->gossip().restore(renewals_);
  host_->offer(renewals);  // an operator may have put some there
}

// Every version since the one that was written down last; if that is not of this chain, the newest.
void NetworkExchange::audit_charter(const net::CharterChain& chain) {
  const auto& versions = chain.versions();
  const auto audited = store_.text("audited_charter");
  auto next = std::ranges::find_if(
      versions, [&](const auto& version) { return crypto::to_hex(version.id) == audited; });
  next = next == versions.end() ? std::prev(next) : std::next(next);
  for (; next != versions.end(); ++next) {
    audit_version(*next, next == versions.begin() ? nullptr : &std::prev(next)->charter);
  }
}

void NetworkExchange::audit_version(const net::CharterChain::Version& version,
                                    const net::Charter* before) {
  const net::Charter& charter = version.charter;
  json signers = json::array();
  for (const auto& signature : version.signed_charter.signatures) {
    signers.push_back(to_string(signature.steward));
  }
  const net::CharterDiff changes = diff(before ? *before : net::Charter{}, charter);
  audit_.append("charter", {{"number", charter.number},
                            {"version", crypto::to_hex(version.id)},
                            {"members", names_and_ids(charter.members)},
                            {"admitted", names_and_ids(changes.added)},
                            {"expelled", names_and_ids(changes.removed)},
                            {"signed_by", signers}});
  store_.atomically([&] {
    for (const net::Member& member : changes.added) forget_departure(store_, member.id);
    for (const net::Member& member : changes.removed) {
      if (member.id != local_.id) note_departure(store_, member, charter.number);
    }
    store_.put_text("audited_charter", crypto::to_hex(version.id));
  });
}

// What a crash between two writes left behind.
void NetworkExchange::forget_unknown_blobs() {
  std::set<crypto::Hash> known;
  for (const StoredHead& stored : store_.heads()) {
    const auto manifest = net::decode<net::Manifest>(stored.manifest);
    if (manifest) known.insert(manifest->chunks.begin(), manifest->chunks.end());
  }
  for (const crypto::Hash& name : store_.blobs().names()) {
    if (!known.contains(name)) store_.blobs().remove(name);
  }
}

void NetworkExchange::stop() {
  stopping_ = true;
  wake_.cancel();
  keep_again_.cancel();
  if (host_) host_->stop();
}

// --- What the learner asks of us ----------------------------------------------------------------

void NetworkExchange::want(std::uint64_t round, std::vector<std::string> peers) {
  round_ = round;
  for (const net::NodeId& id : denied_) std::erase(peers, to_string(id));
  chosen_ = {peers.begin(), peers.end()};
  quota_reported_ = false;
  // In the strategy's order: should the disk not have room for all, its first choices come first.
  for (const std::string& peer : peers) {
    const auto id = crypto::parse_node_id(peer);
    const auto snapshot = id ? host_->gossip().newest(*id) : std::nullopt;
    const auto head = snapshot ? host_->gossip().head(*snapshot) : std::nullopt;
    if (head) want_if_chosen(*snapshot, *head);
  }
}

net::awaitable<void> NetworkExchange::publish(std::uint64_t round, pipe::Fd partial, Note note) {
  const net::Consortium read_by = readers();
  auto job = [this, file = std::move(partial), readers = read_by] {
    return seal_snapshot(file, subject_.form, readers, store_.blobs());
  };
  net::Manifest manifest = co_await net::offload(disk_, std::move(job));
  if (stopping_) co_return;
  net::Head head;
  head.origin = local_.id;
  head.position = store_.take_position();
  if (const auto problem = put_note(note, head, consortium_, manifest)) {
    log::warn("note_not_sent", {{"why", *problem}});
  }
  const Bytes manifest_bytes = net::encode(manifest);
  head.task = local_.task;
  head.round = static_cast<std::uint32_t>(round);
  head.examples = subject_.examples;
  head.size = subject_.form.encoded_size();
  head.manifest_size = static_cast<std::uint32_t>(manifest_bytes.size());
  head.manifest = crypto::hash(manifest_bytes);
  if (const auto previous = crypto::from_hex(store_.text("published").value_or(""));
      previous && previous->size() == head.previous.size()) {
    std::ranges::copy(*previous, head.previous.begin());
  }
  const net::SignedHead signed_head = net::sign_head(head, keys_.identity, consortium_.id());
  store_.atomically([&] {
    store_.put_head(
        {local_.id, head.position, net::encode(signed_head), manifest_bytes, true, round});
    store_.put_text("published", crypto::to_hex(signed_head.id()));
  });
  json reader_ids = json::array();
  for (const net::Member& member : read_by.members()) reader_ids.push_back(to_string(member.id));
  audit_.append("published",
                {{"round", round},
                 {"snapshot", crypto::to_hex(signed_head.id())},
                 {"log", head.position.log},
                 {"sequence", head.position.sequence},
                 {"readers", reader_ids}},
                Sync::yes);  // before it leaves
  host_->publish(signed_head, manifest);
  published_ = signed_head.id();
  published_loaded_ = false;
  log::info("published", {{"round", round},
                          {"sequence", head.position.sequence},
                          {"snapshot", crypto::to_hex(signed_head.id()).substr(0, 16)},
                          {"bytes", head.size}});
}

// Peers work at their own pace and are not waited for.  This only gives those that are in step, and
// connected, a bounded moment, so that what they are about to publish need not wait for next round.
net::awaitable<void> NetworkExchange::gather(std::uint64_t round) {
  const auto start = steady_clock::now();
  const auto end = start + config_.learning.gather;
  while (!stopping_ && steady_clock::now() < end && worth_waiting(round)) {
    net::error_code ec;
    wake_.expires_at(end);
    co_await wake_.async_wait(net::asio::redirect_error(net::use_awaitable, ec));
  }
}

bool NetworkExchange::worth_waiting(std::uint64_t round) const {
  const net::Gossip& gossip = host_->gossip();
  return std::ranges::any_of(consortium_.members(), [&](const net::Member& member) {
    if (!chosen_.contains(to_string(member.id)) || !host_->connected(member.id)) return false;
    const auto newest = gossip.newest(member.id);
    const auto head = newest ? gossip.head(*newest) : std::nullopt;
    const std::uint64_t announced = head ? head->round : 0;
    if (head && head->size != subject_.form.encoded_size()) return false;
    if (head && announced >= round && gossip.complete(*newest)) return false;
    return announced + 1 >= round;  // in step, or about to be; one that lags comes when it comes
  });
}

net::awaitable<std::vector<Candidate>> NetworkExchange::load(std::uint64_t round,
                                                             WorkerProcess& worker) {
  std::vector<Candidate> candidates;
  std::vector<std::string> peers;
  for (const auto& [peer, arrival] : arrivals_) peers.push_back(peer);
  for (const std::string& peer : peers) {
    const Arrival arrival = arrivals_.at(peer);  // may be replaced while we wait
    const net::Gossip& gossip = host_->gossip();
    if (arrival.refused || gossip.quarantined().contains(arrival.head.origin)) continue;
    if (denied_.contains(arrival.head.origin)) continue;
    if (!arrival.loaded && !gossip.manifest(arrival.snapshot)) continue;  // just superseded
    std::optional<std::string> problem;
    if (!arrival.loaded) {
      const net::SignedHead head = *gossip.signed_head(arrival.snapshot);
      problem = co_await load_one(peer, arrival.snapshot, worker);
      if (!problem) loaded_[peer] = head;
    }
    Arrival& now = arrivals_.at(peer);
    const std::uint64_t first_used = arrival.used ? std::min(arrival.round, round) : round;
    if (now.snapshot == arrival.snapshot) {
      now.round = first_used;
      now.used = true;
      now.loaded = !problem;
      now.refused = problem.has_value();
    }
    if (problem) {
      log::warn("snapshot_refused", {{"peer", name_of(peer)}, {"why", *problem}});
      audit_.append("refused", {{"name", name_of(peer)},
                                {"id", peer},
                                {"snapshot", crypto::to_hex(arrival.snapshot)},
                                {"why", *problem}});
    } else {
      candidates.push_back({peer, first_used, parse_note(arrival.note)});
    }
  }
  co_return candidates;
}

net::awaitable<std::optional<std::string>> NetworkExchange::load_one(std::string peer,
                                                                     net::SnapshotId snapshot,
                                                                     WorkerProcess& worker) {
  const auto* manifest = host_->gossip().manifest(snapshot);
  auto job = [this, copy = *manifest] {
    return open_snapshot(copy, subject_.form, keys_, store_.blobs());
  };
  auto opened = co_await net::offload(disk_, std::move(job));
  if (stopping_) throw WorkerLost("stopping");
  if (const auto* failure = std::get_if<Unopened>(&opened)) {
    if (failure->lost) recount(snapshot);
    co_return failure->why;
  }
  const pipe::Load question{peer};
  try {
    co_await worker.call(question, &std::get<pipe::Fd>(opened));
  } catch (const WorkerRefused& error) {
    co_return error.what();
  }
  co_return std::nullopt;
}

net::awaitable<bool> NetworkExchange::load_published(WorkerProcess& worker) {
  if (!published_ || subject_.form.encoding == model::Encoding::fp32) co_return false;
  if (published_loaded_ || !host_->gossip().complete(*published_)) co_return published_loaded_;
  const auto problem = co_await load_one(to_string(local_.id), *published_, worker);
  if (problem) log::warn("published_not_loaded", {{"why", *problem}});
  published_loaded_ = !problem;
  co_return published_loaded_;
}

json NetworkExchange::loaded(const std::string& peer) const {
  const auto found = loaded_.find(peer);
  return found == loaded_.end() ? json() : json(crypto::to_hex(found->second.id()));
}

json NetworkExchange::loaded_head(const std::string& peer) const {
  const auto found = loaded_.find(peer);
  return found == loaded_.end() ? json() : json(crypto::to_hex(net::encode(found->second)));
}

json NetworkExchange::published_head() const {
  const auto* const head = published_ ? host_->gossip().signed_head(*published_) : nullptr;
  return head == nullptr ? json() : json(crypto::to_hex(net::encode(*head)));
}

void NetworkExchange::worker_replaced() {
  published_loaded_ = false;
  for (auto& [peer, arrival] : arrivals_) arrival.loaded = false;
}

std::string NetworkExchange::note_for_us(const net::Manifest& manifest,
                                         const net::Head& head) const {
  const net::Member* const origin = consortium_.find(head.origin);
  const net::Member* const self = consortium_.find(local_.id);
  const std::string& convenor = config_.learning.convenor;
  if (convenor.empty() || origin == nullptr || self == nullptr) return {};
  const bool heard = manifest.note_sealed ? self->name == convenor : origin->name == convenor;
  if (!heard) return {};
  auto text = note_text(manifest, head, keys_.channel);
  if (!text && keys_.former) text = note_text(manifest, head, *keys_.former);
  return text.value_or("");
}

// --- Whose snapshots to fetch ------------------------------------------------------------------

void NetworkExchange::want_if_chosen(const net::SnapshotId& snapshot, const net::Head& head) {
  const std::string peer = to_string(head.origin);
  if (!chosen_.contains(peer)) return;
  const bool relayed = relayed_.erase(snapshot) != 0;
  if (host_->gossip().complete(snapshot)) {
    if (relayed) arrived(snapshot, head);  // now it is for us, too
    return;
  }
  if (wanted_.contains(snapshot)) return;           // it is on its way
  if (head.size != subject_.form.encoded_size()) {  // no model of this task: it is not even fetched
    if (misfits_.insert(peer).second) {
      log::warn("snapshot_of_wrong_size", {{"peer", name_of(peer)},
                                           {"bytes", head.size},
                                           {"expected", subject_.form.encoded_size()}});
    }
    return;
  }
  if (!disk_has_room(head.size)) return;
  wanted_.emplace(snapshot, head.size);
  host_->want(snapshot);
}

bool NetworkExchange::disk_has_room(std::uint64_t size) {
  const std::uint64_t held = host_->gossip().held_bytes();
  if (held + size > config_.limits.disk.bytes) {
    if (!std::exchange(quota_reported_, true)) {
      log::warn("disk_quota", {{"stored", held}, {"limit", config_.limits.disk.bytes}});
    }
    return false;
  }
  std::error_code ignored;  // then there is no end of it
  const std::uint64_t floor = config_.limits.disk_free.bytes;
  const std::uint64_t free = std::filesystem::space(config_.node.state, ignored).available;
  for (const auto& [snapshot, bytes] : wanted_) size += bytes;  // some of it may be here already
  const bool low = free < size || free - size < floor;
  if (low && !disk_is_low_) {
    log::warn("disk_low", {{"free", free},
                           {"limit", floor},
                           {"help",
                            "nothing is fetched until there is more room; the node goes on with "
                            "what it has. Free some space, or lower limits.disk_free"}});
  }
  if (!low && disk_is_low_) log::info("disk_is_roomy_again", {{"free", free}});
  disk_is_low_ = low;
  return !low;
}

// --- What the network asks of us ---------------------------------------------------------------

void NetworkExchange::on_disk(std::function<void()> job) {
  net::asio::post(disk_, [this, job = std::move(job)] {
    std::exception_ptr error;
    try {
      job();
    } catch (...) {
      error = std::current_exception();
    }
    // Moved, after the handler: this thread lets go of it before the other one has it.
    if (error) net::asio::post(io_, [error = std::move(error)] { std::rethrow_exception(error); });
  });
}

void NetworkExchange::read_piece(const net::SnapshotId& snapshot, std::uint32_t piece,
                                 PieceRead done) {
  const auto* manifest = host_->gossip().manifest(snapshot);
  const bool exists = manifest && piece < manifest->chunks.size();
  on_disk([this, snapshot, done, name = exists ? manifest->chunks[piece] : crypto::Hash{}] {
    auto data = store_.blobs().read(name);
    // Damaged, by a power cut: passing it on would make a liar of us.
    if (data && crypto::hash(*data) != name) data.reset();
    net::asio::post(io_, [this, snapshot, done, data = std::move(data)] {
      if (!data) recount(snapshot);
      done(data);
    });
  });
}

void NetworkExchange::write_piece(const net::SnapshotId& snapshot, std::uint32_t piece, Bytes data,
                                  std::function<void()> written) {
  const auto* manifest = host_->gossip().manifest(snapshot);
  if (!manifest) return net::asio::post(io_, std::move(written));
  on_disk(
      [this, name = manifest->chunks[piece], data = std::move(data), written = std::move(written)] {
        store_.blobs().write(name, data, Blobs::Durability::refetchable);
        net::asio::post(io_, written);
      });
}

void NetworkExchange::discovered(const net::SnapshotId& snapshot, const net::Head& head) {
  want_if_chosen(snapshot, head);
}

void NetworkExchange::begun(const net::SnapshotId& snapshot, const net::Head& head) {
  keep(snapshot, head, false);
}

// Others want it, and we can get it where they cannot.  Never so much that there is no room for
// what we want ourselves.
void NetworkExchange::needed(const net::SnapshotId& snapshot, const net::Head& head) {
  const std::uint64_t held = host_->gossip().held_bytes();
  if (head.size != subject_.form.encoded_size() || held + head.size > config_.limits.disk.bytes / 2)
    return;
  relayed_.insert(snapshot);
  host_->relay(snapshot);
}

void NetworkExchange::keep(const net::SnapshotId& snapshot, const net::Head& head, bool complete) {
  const auto* signed_head = host_->gossip().signed_head(snapshot);
  const auto* manifest = host_->gossip().manifest(snapshot);
  if (stopping_ || !signed_head || !manifest) return;  // superseded meanwhile
  store_.put_head({head.origin, head.position, net::encode(*signed_head), net::encode(*manifest),
                   complete, round_});
}

void NetworkExchange::completed(const net::SnapshotId& snapshot, const net::Head& head) {
  wanted_.erase(snapshot);
  // After all its pieces: the pool has one thread.
  on_disk([this, snapshot, head] {
    net::asio::post(io_, [this, snapshot, head] { arrived(snapshot, head); });
  });
}

void NetworkExchange::arrived(const net::SnapshotId& snapshot, const net::Head& head) {
  const auto* manifest = host_->gossip().manifest(snapshot);
  // Superseded meanwhile, or a piece of it was lost again.
  if (stopping_ || !manifest || !host_->gossip().complete(snapshot)) return;
  keep(snapshot, head, true);
  if (head.origin == local_.id) return;  // ours, lost and got back
  if (relayed_.contains(snapshot)) return;
  Arrival& arrival = arrivals_[to_string(head.origin)];
  const bool found_again = arrival.snapshot == snapshot && arrival.refused;
  if (found_again || arrival.head.position < head.position) {
    arrival = {.snapshot = snapshot, .head = head, .round = round_};
    arrival.note = note_for_us(*manifest, head);
  }
  audit_.append("arrived", {{"name", name_of(to_string(head.origin))},
                            {"id", to_string(head.origin)},
                            {"snapshot", crypto::to_hex(snapshot)},
                            {"round", head.round}});
  log::debug("snapshot_arrived", {{"peer", name_of(to_string(head.origin))},
                                  {"round", head.round},
                                  {"sequence", head.position.sequence}});
  wake_.cancel();
}

// At a start, or because a chunk of it is gone or damaged: a power cut does that to what was not
// synced.
void NetworkExchange::recount(const net::SnapshotId& snapshot) {
  const auto* manifest = host_->gossip().manifest(snapshot);
  if (stopping_ || !manifest || !counting_.insert(snapshot).second) return;
  on_disk([this, snapshot, chunks = manifest->chunks] {
    std::vector<bool> there;
    for (const net::Hash& chunk : chunks) {
      const auto data = store_.blobs().read(chunk);
      there.push_back(data && crypto::hash(*data) == chunk);
    }
    net::asio::post(io_, [this, snapshot, there] { counted(snapshot, there); });
  });
}

void NetworkExchange::counted(const net::SnapshotId& snapshot, const std::vector<bool>& there) {
  counting_.erase(snapshot);
  const auto head = host_->gossip().head(snapshot);
  if (stopping_ || !head) return;
  const auto found = std::ranges::count(there, true);
  if (host_->gossip().complete(snapshot) && found < std::ssize(there)) {
    log::warn("snapshot_lost", {{"peer", name_of(to_string(head->origin))},
                                {"sequence", head->position.sequence},
                                {"chunks", there.size()},
                                {"chunks_left", found}});
    keep(snapshot, *head, false);
  }
  log::debug("snapshot_counted", {{"peer", name_of(to_string(head->origin))},
                                  {"sequence", head->position.sequence},
                                  {"chunks", there.size()},
                                  {"found", found}});
  host_->found(snapshot, there);
}

void NetworkExchange::dropped(const net::SnapshotId& snapshot, const net::Head& head,
                              const std::vector<net::Hash>& chunks) {
  relayed_.erase(snapshot);
  wanted_.erase(snapshot);
  store_.drop_head(head.origin, head.position);
  on_disk([this, chunks] {
    for (const net::Hash& chunk : chunks) store_.blobs().remove(chunk);
  });
}

void NetworkExchange::peer_connected(const net::Member& peer, const net::Hello& hello) {
  log::info("peer_connected", {{"peer", peer.name},
                               {"id", to_string(peer.id)},
                               {"agent", hello.agent},
                               {"protocol", std::min(hello.version, local_.version)}});
}

void NetworkExchange::peer_disconnected(const net::Member& peer, const net::Trouble& trouble) {
  log::info("peer_disconnected", {{"peer", peer.name},
                                  {"reason", net::name(trouble.reason)},
                                  {"by_peer", trouble.by_peer},
                                  {"address", trouble.address},
                                  {"detail", trouble.detail},
                                  {"help", net::explain(trouble.reason)}});
  wake_.cancel();  // nobody waits for it any more
}

void NetworkExchange::peer_failed(const net::Member* peer, const net::Trouble& trouble) {
  if (!peer) {  // anyone may knock, but the log is not theirs to fill
    ++strangers_;
    if (steady_clock::now() < strangers_reported_ + 10s) return;
    strangers_reported_ = steady_clock::now();
  }
  log::warn("connection_failed", {{"peer", peer ? peer->name : "unknown"},
                                  {"times", peer ? 1 : std::exchange(strangers_, 0)},
                                  {"address", trouble.address},
                                  {"reason", net::name(trouble.reason)},
                                  {"by_peer", trouble.by_peer},
                                  {"detail", trouble.detail},
                                  {"help", net::explain(trouble.reason)}});
}

void NetworkExchange::peer_accused(const net::Member& peer, const std::string& what) {
  log::warn("peer_accused", {{"peer", peer.name}, {"what", what}});
}

void NetworkExchange::peer_convicted(const net::Member& peer, const net::Evidence& evidence) {
  store_.put_evidence(peer.id, net::encode(evidence));
  audit_.append("convicted", {{"name", peer.name}, {"id", to_string(peer.id)}});
  if (peer.id == local_.id) {
    log::error("convicted_ourselves",
               {{"help",
                 "two snapshots were signed with this node's key for one place in its log: "
                 "does the key run on two machines? The others take nothing more from it; "
                 "make a new one with kith init and have it admitted."}});
    return;
  }
  log::warn("peer_convicted", {{"peer", peer.name},
                               {"what",
                                "signed two different snapshots for one place in its log; "
                                "nothing more is taken from it"}});
}

// Our store came out of a backup: others know of a later snapshot of ours than we do.
void NetworkExchange::outrun(const net::LogPosition& position) {
  if (position <= store_.last_position()) return;
  store_.open_log(position.log);
  log::warn("restored_from_backup",
            {{"known_to_others", position.sequence}, {"log", store_.last_position().log}});
}

// --- What people ask of us ---------------------------------------------------------------------

void NetworkExchange::set_consent(const std::string& id, Consent consent) {
  const auto parsed = crypto::parse_node_id(id);
  const net::Member* member = parsed ? consortium_.find(*parsed) : nullptr;
  if (member == nullptr || member->id == local_.id) {
    throw Failure(EX_USAGE, "there is no peer " + id);
  }
  const bool denied = consent == Consent::denied;
  const bool news = denied ? denied_.insert(*parsed).second : denied_.erase(*parsed) > 0;
  if (!news) return;
  store_.put_denied(denied_);
  log::info(denied ? "peer_denied" : "peer_allowed", {{"peer", member->name}, {"id", id}});
  audit_.append(denied ? "denied" : "allowed", {{"name", member->name}, {"id", id}});
  if (!denied) return host_->allow(*parsed);
  chosen_.erase(id);
  host_->deny(*parsed);
}

net::Consortium NetworkExchange::readers() const {
  std::vector<net::Member> members = consortium_.members();
  std::erase_if(members, [this](const net::Member& member) { return denied_.contains(member.id); });
  return {consortium_.id(), std::move(members)};
}

std::string NetworkExchange::name_of(const std::string& id) const {
  const auto parsed = crypto::parse_node_id(id);
  const net::Member* member = parsed ? consortium_.find(*parsed) : nullptr;
  return member ? member->name : id;
}

std::string NetworkExchange::not_fetching() const {
  if (disk_is_low_) return "the disk has less free space than limits.disk_free";
  if (quota_reported_) return "limits.disk is reached";
  return "";
}

std::size_t NetworkExchange::connected() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(host_->peers(), &net::Host::PeerStatus::connected));
}

json NetworkExchange::refused_by() const {
  json names = json::array();
  for (const auto& peer : host_->peers()) {
    const auto& trouble = peer.trouble;
    if (trouble && trouble->by_peer && trouble->reason == net::CloseReason::not_a_member) {
      names.push_back(peer.member->name);
    }
  }
  return names;
}

json NetworkExchange::other_tasks() const {
  json others = json::array();
  for (const auto& peer : host_->peers()) {
    if (!peer.trouble || peer.trouble->reason != net::CloseReason::other_task) continue;
    others.push_back({{"name", peer.member->name}, {"differs", differs(peer)}});
  }
  return others;
}

json NetworkExchange::differs(const net::Host::PeerStatus& peer) const {
  if (!peer.other_task) return nullptr;
  json fields = json::array();
  for (const auto& [field, ours, theirs] : model::differences(local_.manifest, *peer.other_task)) {
    if (fields.size() == kFieldsShown) break;
    fields.push_back({{"field", shown(field)}, {"ours", shown(ours)}, {"theirs", shown(theirs)}});
  }
  return fields;
}

json NetworkExchange::peers() const {
  json all = json::array();
  for (const auto& peer : host_->peers()) {
    const std::string id = to_string(peer.member->id);
    const bool quarantined = host_->gossip().quarantined().contains(peer.member->id);
    const auto arrival = arrivals_.find(id);
    json snapshot = nullptr;
    if (arrival != arrivals_.end()) {
      snapshot = {{"round", arrival->second.head.round},
                  {"sequence", arrival->second.head.position.sequence},
                  {"arrived_in_round", arrival->second.round},
                  {"refused", arrival->second.refused}};
    }
    json trouble = nullptr;
    if (peer.trouble) {
      trouble = {{"reason", net::name(peer.trouble->reason)},
                 {"by_peer", peer.trouble->by_peer},
                 {"address", peer.trouble->address},
                 {"detail", peer.trouble->detail},
                 {"help", net::explain(peer.trouble->reason)}};
    }
    json runs = nullptr;
    if (peer.hello) {
      runs = {{"agent", printable(peer.hello->agent)},
              {"protocol", peer.hello->version},
              {"oldest_protocol", peer.hello->oldest},
              {"features", peer.hello->features}};
    }
    all.push_back({{"name", peer.member->name},
                   {"id", id},
                   {"connected", peer.connected},
                   {"since", unix_seconds(peer.since)},
                   {"dialled_by", peer.connected ? json(peer.dialled_by_us ? "us" : "it") : json()},
                   {"address", peer.connected ? json(peer.address) : json()},
                   {"trouble", trouble},
                   {"next_try_seconds", in_unit<std::ratio<1>>(peer.next_try)},
                   {"runs", runs},
                   {"round_trip_ms", in_unit<std::milli>(peer.round_trip)},
                   {"bytes_in", peer.bytes_in},
                   {"bytes_out", peer.bytes_out},
                   {"standing", host_->gossip().standing(net::Clock::now(), peer.member->id)},
                   {"bytes_in_per_second", std::round(peer.rate_in)},
                   {"bytes_out_per_second", std::round(peer.rate_out)},
                   {"quarantined", quarantined},
                   {"ignored", ignored(peer, denied_.contains(peer.member->id), quarantined)},
                   {"charter", standing_of(peer.charter)},
                   {"other_task", differs(peer)},
                   {"snapshot", snapshot}});
  }
  return all;
}

json NetworkExchange::standing_of(const std::optional<net::CharterPlace>& place) const {
  if (!place) return nullptr;
  const auto& ours = host_->gossip().charters().chain();
  const bool known = ours && ours->contains(place->number, place->version);
  const char* const state = !known                                           ? "another"
                            : place->number == ours->newest().charter.number ? "ours"
                                                                             : "older";
  return {
      {"number", place->number}, {"fingerprint", fingerprint(place->version)}, {"state", state}};
}

json NetworkExchange::charter() const {
  const auto& charters = host_->gossip().charters();
  if (!charters.chain()) return nullptr;
  const auto& newest = charters.chain()->newest();
  return {{"number", newest.charter.number},
          {"fingerprint", fingerprint(newest.id)},
          {"expires", date(newest.charter.expires)},
          {"forked", charters.rival().has_value()}};
}

json NetworkExchange::charter_version() const {
  const auto& chain = host_->gossip().charters().chain();
  if (!chain) return nullptr;
  return {{"number", chain->newest().charter.number},
          {"version", crypto::to_hex(chain->newest().id)}};
}

net::Admission NetworkExchange::applied(const net::Apply& apply) {
  const net::Member& applicant = apply.card.member;
  const auto& chain = host_->gossip().charters().chain();
  const net::Member* const member = consortium_.find(applicant.id);
  const auto now = std::chrono::system_clock::now();
  if (denied_.contains(applicant.id)) {
    return {.state = net::Admission::State::refused, .why = "its operator has denied this node"};
  }
  if (chain && member != nullptr && member->channel == applicant.channel) {
    try {
      invites_.used(apply.token, now);
    } catch (const Failure&) {  // then it stays until it expires
    }
    const auto& newest = chain->newest();
    return {.state = net::Admission::State::admitted,
            .place = {newest.charter.number, newest.id},
            .task = task_toml(config_.task)};
  }
  try {
    auto answer = invites_.consider(apply, chain ? *chain : net::CharterChain(), now);
    if (answer.news) {
      audit_.append("application", {{"name", applicant.name}, {"id", to_string(applicant.id)}});
      log::info("application", {{"name", applicant.name},
                                {"id", to_string(applicant.id)},
                                {"help", "compare its id on the telephone; then kith approve"}});
    }
    return std::move(answer.admission);
  } catch (const Failure& failure) {  // it is not worth stopping for
    log::warn("application_lost", {{"name", applicant.name}, {"what", failure.what()}});
    return {.state = net::Admission::State::waiting, .why = "its disk does not take it"};
  }
}

// --- The charter -------------------------------------------------------------------------------

void NetworkExchange::renewed(const net::RenewalSync::Renewed& renewed) {
  if (!consortium_.renew(renewed.member, renewed.channel, renewed.addresses)) return;
  const std::string id = to_string(renewed.member), name = name_of(id);
  log::info(
      "peer_renewed",
      {{"peer", name}, {"id", id}, {"addresses", boost::algorithm::join(renewed.addresses, ", ")}});
  audit_.append("renewed", {{"name", name},
                            {"id", id},
                            {"channel", crypto::to_hex(renewed.channel)},
                            {"addresses", renewed.addresses}});
  try {
    save_renewals(renewals_file(config_.consortium.charter), host_->gossip().renewals().all());
  } catch (const Failure& failure) {  // the others will tell it again
    log::error("renewal_not_kept", {{"peer", name}, {"what", failure.what()}});
  }
}

void NetworkExchange::renewed_elsewhere() {
  log::error(
      "renewed_elsewhere",
      {{"help",
        "another channel key than this node's was signed with its node key, and later: does "
        "the key run on two machines, or was it restored from a backup? kith key renew makes "
        "the others listen to this one again; if the key was stolen, tell the stewards"}});
}

void NetworkExchange::charter_grown(const net::Member& peer, const net::CharterChain& chain) {
  log::info("charter_received", {{"from", peer.name},
                                 {"number", chain.newest().charter.number},
                                 {"fingerprint", fingerprint(chain.newest().id)}});
  keep_charters();
}

void NetworkExchange::charter_forked(const net::Member& peer, const net::CharterChain& rival) {
  log::error("charter_rival_received", {{"from", peer.name},
                                        {"number", rival.newest().charter.number},
                                        {"fingerprint", fingerprint(rival.newest().id)}});
  keep_charters();
}

// What peers say must not end the node: if the files here are damaged, their watcher says so.
void NetworkExchange::keep_charters() {
  try {
    const auto& file = config_.consortium.charter;
    const auto& heard = host_->gossip().charters();
    // What the operator has put there meanwhile is not undone: their watcher takes it up.
    const KnownCharters here = known_charters(file);
    const auto is_longer = [](const net::CharterChain& chain, const net::CharterChain& kept) {
      return chain.versions().size() > kept.versions().size() && !find_fork(chain, kept);
    };
    if (is_longer(*heard.chain(), here.chain)) daemon::follow_charter(file, *heard.chain());
    const auto& rival = heard.rival();
    if (rival && (!here.rival || is_longer(*rival, *here.rival))) keep_rival(file, *rival);
  } catch (const Failure& failure) {
    log::error("charter_not_kept",
               {{"what", failure.what()},
                {"help", "it is followed only once it is on the disk; this is tried again"}});
    keep_again_.expires_after(kKeepAgain);
    keep_again_.async_wait([this](net::error_code ec) {
      if (!ec && !stopping_) keep_charters();
    });
  }
}

}  // namespace kith::daemon
