#include "daemon/exchange/inbox.hpp"

#include "daemon/exchange/network_note.hpp"
#include "daemon/exchange/sealed_snapshot.hpp"
#include "daemon/system/log.hpp"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

namespace kith::daemon {

using std::chrono::steady_clock;

Inbox::Inbox(net::asio::io_context& io, net::Host& host, Shelf& shelf, const Shared& shared)
    : host_(host), shelf_(shelf), shared_(shared), wake_(io) {}

void Inbox::restore(const std::vector<ShelvedSnapshot>& found) {
  for (const ShelvedSnapshot& each : found) {
    const auto head = net::parse_head(each.head);
    if (!each.whole || !host_.gossip().complete(each.head.id())) continue;
    const std::string peer = to_string(head->origin);
    if (head->origin == shared_.keys->id || arrivals_.contains(peer)) continue;  // latest first
    Arrival arrival{.snapshot = each.head.id(), .head = *head, .round = each.round, .used = true};
    arrival.note = note_for_us(each.manifest, *head);
    arrivals_[peer] = std::move(arrival);
  }
}

void Inbox::stop() {
  stopping_ = true;
  wake_.cancel();
}

std::string Inbox::name_of(const std::string& id) const {
  const auto parsed = crypto::parse_node_id(id);
  const auto* const member = parsed ? host_.directory().find(*parsed) : nullptr;
  return member != nullptr ? member->name : id;
}

const Arrival* Inbox::arrival(const std::string& peer) const {
  const auto found = arrivals_.find(peer);
  return found == arrivals_.end() ? nullptr : &found->second;
}

const Inbox::Loaded* Inbox::loaded(const std::string& peer) const {
  const auto found = loaded_.find(peer);
  return found == loaded_.end() ? nullptr : &found->second;
}

std::string Inbox::not_fetching() const {
  if (disk_is_low_) return "the disk has less free space than limits.disk_free";
  if (quota_reported_) return "limits.disk is reached";
  return "";
}

// --- What the learner asks of us ----------------------------------------------------------------

void Inbox::want(std::uint64_t round, std::vector<std::string> peers) {
  round_ = round;
  shelf_.begin_round(round);
  for (const net::NodeId& id : shared_.membership.denied()) std::erase(peers, to_string(id));
  chosen_ = {peers.begin(), peers.end()};
  fetches_.clear();
  quota_reported_ = false;
  // In the strategy's order: should the disk not have room for all, its first choices come first.
  for (const std::string& peer : peers) {
    const auto id = crypto::parse_node_id(peer);
    const auto snapshot = id ? host_.gossip().newest(*id) : std::nullopt;
    const auto head = snapshot ? host_.gossip().head(*snapshot) : std::nullopt;
    if (head) want_if_chosen(*snapshot, *head);
  }
}

// Peers work at their own pace and are not waited for.  This only gives those that are in step, and
// connected, a bounded moment, so that what they are about to publish need not wait for next round.
net::awaitable<void> Inbox::gather(std::uint64_t round) {
  const auto end = steady_clock::now() + shared_.config.learning.gather;
  while (!stopping_ && steady_clock::now() < end && worth_waiting(round)) {
    net::error_code ec;
    wake_.expires_at(end);
    co_await wake_.async_wait(net::asio::redirect_error(net::use_awaitable, ec));
  }
}

bool Inbox::worth_waiting(std::uint64_t round) const {
  const net::Gossip& gossip = host_.gossip();
  return std::ranges::any_of(host_.directory().members(), [&](const auto& member) {
    if (!chosen_.contains(to_string(member.id)) || !host_.connected(member.id)) return false;
    const auto newest = gossip.newest(member.id);
    const auto head = newest ? gossip.head(*newest) : std::nullopt;
    const std::uint64_t announced = head ? head->round : 0;
    if (head && head->size != shared_.subject.form.encoded_size()) return false;
    if (head && announced >= round) return wanted_.contains(*newest);  // or here, or beyond a limit
    return announced + 1 >= round;  // in step, or about to be; one that lags comes when it comes
  });
}

bool Inbox::usable(const Arrival& arrival) const {
  const net::NodeId& origin = arrival.head.origin;
  const net::Gossip& gossip = host_.gossip();
  if (arrival.refused || gossip.quarantined(origin)) return false;
  if (shared_.membership.denied().contains(origin)) return false;
  if (host_.directory().find(origin) == nullptr) return false;  // it was expelled
  return arrival.loaded || gossip.manifest(arrival.snapshot) != nullptr;  // or just superseded
}

net::awaitable<std::vector<Candidate>> Inbox::load(std::uint64_t round, WorkerProcess& worker) {
  std::vector<Candidate> candidates;
  std::vector<std::string> peers;
  for (const auto& [peer, arrival] : arrivals_) peers.push_back(peer);
  for (const std::string& peer : peers) {
    const Arrival arrival = arrivals_.at(peer);  // may be replaced while we wait
    if (!usable(arrival)) continue;
    std::optional<std::string> problem;
    if (!arrival.loaded) {
      Loaded loading{*host_.gossip().signed_head(arrival.snapshot),
                     host_.directory().find(arrival.head.origin)->card};
      problem = co_await load_one(peer, arrival.snapshot, worker);
      if (!problem) loaded_.insert_or_assign(peer, std::move(loading));
      shared_.audit(problem ? "refused" : "loaded", {{"name", name_of(peer)},
                                                     {"id", peer},
                                                     {"snapshot", crypto::to_hex(arrival.snapshot)},
                                                     {"round", arrival.head.round},
                                                     {"for_round", round},
                                                     {"why", problem.value_or("")}});
      if (problem) log::warn("snapshot_refused", {{"peer", name_of(peer)}, {"why", *problem}});
    }
    Arrival& now = arrivals_.at(peer);
    const std::uint64_t first_used = arrival.used ? std::min(arrival.round, round) : round;
    if (now.snapshot == arrival.snapshot) {
      now.round = first_used;
      now.used = true;
      now.loaded = !problem;
      now.refused = problem.has_value();
    }
    if (!problem) candidates.push_back({peer, first_used, parse_note(arrival.note)});
  }
  co_return candidates;
}

net::awaitable<bool> Inbox::load_own(net::SnapshotId snapshot, WorkerProcess& worker) {
  std::string self = to_string(shared_.keys->id);
  const auto problem = co_await load_one(std::move(self), snapshot, worker);
  if (problem) log::warn("published_not_loaded", {{"why", *problem}});
  co_return !problem;
}

net::awaitable<std::optional<std::string>> Inbox::load_one(std::string peer,
                                                           net::SnapshotId snapshot,
                                                           WorkerProcess& worker) {
  const auto* manifest = host_.gossip().manifest(snapshot);
  const auto head = host_.gossip().head(snapshot);
  auto job = [this, copy = *manifest, context = net::seal_context(*head), keys = shared_.keys] {
    return open_snapshot(copy, shared_.subject.form, context, *keys, shared_.store.blobs());
  };
  auto opened = co_await net::offload(shared_.disk.pool(), std::move(job));
  if (stopping_) throw WorkerLost("stopping");
  if (const auto* failure = std::get_if<Unopened>(&opened)) {
    if (failure->lost) shelf_.recount(snapshot);
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

void Inbox::worker_replaced() {
  for (auto& [peer, arrival] : arrivals_) arrival.loaded = false;
}

std::string Inbox::note_for_us(const net::Manifest& manifest, const net::Head& head) const {
  const auto* const origin = host_.directory().find(head.origin);
  const auto* const self = host_.directory().find(shared_.keys->id);
  const std::string& convenor = shared_.config.learning.convenor;
  if (convenor.empty() || origin == nullptr || self == nullptr) return {};
  const bool heard = manifest.note_sealed ? self->name == convenor : origin->name == convenor;
  if (!heard) return {};
  auto text = note_text(manifest, head, shared_.keys->channel);
  if (!text && shared_.keys->former) text = note_text(manifest, head, *shared_.keys->former);
  return text.value_or("");
}

// --- Whose snapshots to fetch ------------------------------------------------------------------

void Inbox::want_if_chosen(const net::SnapshotId& snapshot, const net::Head& head) {
  const std::string peer = to_string(head.origin);
  if (!chosen_.contains(peer)) return;
  const bool relayed = relayed_.erase(snapshot) != 0;
  if (host_.gossip().complete(snapshot)) {
    if (relayed) arrived(snapshot, head);  // now it is for us, too
    return;
  }
  if (wanted_.contains(snapshot)) return;  // it is on its way
  if (head.size != shared_.subject.form.encoded_size()) {  // no model of this task: not even fetched
    if (misfits_.insert(peer).second) {
      log::warn("snapshot_of_wrong_size", {{"peer", name_of(peer)},
                                           {"bytes", head.size},
                                           {"expected", shared_.subject.form.encoded_size()}});
    }
    return;
  }
  if (fetches_[peer] >= net::limits::kFetchesPerRound || !disk_has_room(head.size)) return;
  ++fetches_[peer];
  wanted_.emplace(snapshot, head.size);
  host_.want(snapshot);
}

bool Inbox::disk_has_room(std::uint64_t size) {
  const Config& config = shared_.config;
  const std::uint64_t held = host_.gossip().held_bytes();
  if (held + size > config.limits.disk.bytes) {
    if (!std::exchange(quota_reported_, true)) {
      log::warn("disk_quota", {{"stored", held}, {"limit", config.limits.disk.bytes}});
    }
    return false;
  }
  std::error_code ignored;  // then there is no end of it
  const std::uint64_t floor = config.limits.disk_free.bytes;
  const std::uint64_t free = std::filesystem::space(config.node.state, ignored).available;
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

// --- What the network tells us -------------------------------------------------------------------

void Inbox::discovered(const net::SnapshotId& snapshot, const net::Head& head) {
  want_if_chosen(snapshot, head);
  wake_.cancel();  // it may be beyond a limit, and not worth waiting for
}

// Others want it, and we can get it where they cannot.  Never so much that there is no room for
// what we want ourselves.
void Inbox::needed(const net::SnapshotId& snapshot, const net::Head& head) {
  const std::uint64_t held = host_.gossip().held_bytes();
  if (head.size != shared_.subject.form.encoded_size()) return;
  if (held + head.size > shared_.config.limits.disk.bytes / 2) return;
  relayed_.insert(snapshot);
  host_.relay(snapshot);
}

// The pieces are on their way to the disk: it has arrived once that is noted after them.
void Inbox::completed(const net::SnapshotId& snapshot, const net::Head& head) {
  wanted_.erase(snapshot);
  shelf_.keep(snapshot, head, true, [this, snapshot, head] { arrived(snapshot, head); });
}

void Inbox::arrived(const net::SnapshotId& snapshot, const net::Head& head) {
  const auto* manifest = host_.gossip().manifest(snapshot);
  // Superseded meanwhile, or a piece of it was lost again.
  if (stopping_ || !manifest || !host_.gossip().complete(snapshot)) return;
  if (head.origin == shared_.keys->id) return;  // ours, lost and got back
  if (relayed_.contains(snapshot)) return;
  Arrival& arrival = arrivals_[to_string(head.origin)];
  const bool found_again = arrival.snapshot == snapshot && arrival.refused;
  if (found_again || arrival.head.position < head.position) {
    arrival = {.snapshot = snapshot, .head = head, .round = round_};
    arrival.note = note_for_us(*manifest, head);
  }
  log::debug("snapshot_arrived", {{"peer", name_of(to_string(head.origin))},
                                  {"round", head.round},
                                  {"sequence", head.position.sequence}});
  wake_.cancel();
}

void Inbox::dropped(const net::SnapshotId& snapshot) {
  relayed_.erase(snapshot);
  wanted_.erase(snapshot);
}

}  // namespace kith::daemon
