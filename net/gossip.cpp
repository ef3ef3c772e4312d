#include "net/gossip.hpp"

#include <algorithm>
#include <cassert>
#include <iterator>

namespace kith::net {
namespace {

constexpr auto kHeardBy = std::chrono::seconds(10);  // what we say has arrived after this

/// Who lied, if it is true; nullopt if the form is wrong.
std::optional<NodeId> claim_of(const Evidence& evidence) {
  const auto first = parse_head(evidence.first), second = parse_head(evidence.second);
  if (!first || !second || first->origin != second->origin) return std::nullopt;
  if (first->position != second->position) return std::nullopt;
  if (!(evidence.first.bytes < evidence.second.bytes)) return std::nullopt;
  return first->origin;
}

Evidence evidence_of(const SignedHead& one, const SignedHead& other) {
  return one.bytes < other.bytes ? Evidence{one, other} : Evidence{other, one};
}

}  // namespace

Gossip::Gossip(const Consortium& consortium, NodeId self, Hash task, std::uint64_t seed,
               Settings settings)
    : consortium_(consortium),
      self_(self),
      task_(task),
      settings_(settings),
      random_(seed),
      swarm_(self, conduct_, seed ^ 0x9e3779b97f4a7c15, settings.swarm),
      renewals_(self, conduct_) {}

// --- What the owner starts ---------------------------------------------------------------------

bool Gossip::restore(const SignedHead& signed_head, const Manifest& manifest,
                     Swarm::Stored stored) {
  const auto head = parse_head(signed_head);
  if (!head || head->task != task_ || !consortium_.find(head->origin)) return false;
  if (head->origin != self_ && quarantined_.contains(head->origin)) return false;
  if (!verify_head(signed_head, head->origin, consortium_.id())) return false;
  const SnapshotId id = signed_head.id();
  if (!is_news(id, *head) || crypto::hash(encode(manifest)) != head->manifest) return false;
  insert(id, signed_head, *head);
  swarm_.add_stored(id, *head, manifest, stored);
  return true;
}

void Gossip::publish(Instant now, const SignedHead& signed_head, const Manifest& manifest) {
  [[maybe_unused]] const bool ours = restore(signed_head, manifest, Swarm::Stored::whole);
  assert(ours);
  const SnapshotId id = signed_head.id();
  drop_superseded(self_);
  tell_everyone(now, id);
}

bool Gossip::restore(const Evidence& evidence) {
  const auto accused = claim_of(evidence);
  if (!accused || !consortium_.find(*accused) || !proves(evidence, *accused)) return false;
  quarantined_.emplace(*accused, evidence);
  return true;
}

void Gossip::want(Instant now, const SnapshotId& snapshot) {
  swarm_.want(now, snapshot);
  flood_soon(now);
}

void Gossip::relay(Instant now, const SnapshotId& snapshot) {
  swarm_.relay(now, snapshot);
  flood_soon(now);
}

void Gossip::found(Instant now, const SnapshotId& snapshot, const std::vector<bool>& chunks) {
  swarm_.found(now, snapshot, chunks);
  flood_soon(now);
}

// --- Connections -------------------------------------------------------------------------------

void Gossip::handle_connected(Instant now, const NodeId& id, std::uint64_t features) {
  peers_[id] = Peer{};
  // Both sides greet with what they know, so neither has to answer.
  transmit(id, summary(true));
  for (const auto& [origin, evidence] : quarantined_) tell_of(now, id, origin);
  if (!anti_entropy_at_) anti_entropy_at_ = now + settings_.anti_entropy;
  swarm_.handle_connected(now, id);
  if ((features & kFollowsCharter) != 0) charters_.handle_connected(now, id);
  if ((features & kTakesRenewals) != 0 && charters_.follows()) renewals_.handle_connected(now, id);
}

void Gossip::handle_disconnected(Instant now, const NodeId& id) {
  if (peers_.erase(id) == 0) return;
  swarm_.handle_disconnected(now, id);
  charters_.handle_disconnected(now, id);
  renewals_.handle_disconnected(now, id);
}

void Gossip::handle_message(Instant now, const NodeId& from, Message message) {
  if (!peers_.contains(from)) return;
  std::visit(
      [&](auto& body) {
        if constexpr (requires { handle(now, from, body); }) handle(now, from, body);
        if constexpr (requires { swarm_.handle(now, from, body); }) swarm_.handle(now, from, body);
        if constexpr (requires { charters_.handle(now, from, body); }) {
          charters_.handle(now, from, body);
        }
        if constexpr (requires { renewals_.handle(now, from, body); }) {
          renewals_.handle(now, from, body);
        }
      },
      message);
}

void Gossip::handle_timeout(Instant now) {
  if (flood_at_ && now >= *flood_at_) flood();
  if (anti_entropy_at_ && now >= *anti_entropy_at_) {
    anti_entropy_at_ = now + settings_.anti_entropy;
    if (!peers_.empty()) {
      const auto chosen =
          std::next(peers_.begin(), static_cast<std::ptrdiff_t>(random_() % peers_.size()));
      transmit(chosen->first, summary(false));
    }
  }
  swarm_.handle_timeout(now);
  charters_.handle_timeout(now);
  renewals_.handle_timeout(now);
}

Instant Gossip::next_timeout() const {
  Instant next =
      std::min({swarm_.next_timeout(), charters_.next_timeout(), renewals_.next_timeout()});
  if (flood_at_) next = std::min(next, *flood_at_);
  if (anti_entropy_at_) next = std::min(next, *anti_entropy_at_);
  return next;
}

std::optional<Gossip::Event> Gossip::poll_event() {
  if (events_.empty()) {
    const auto as_ours = [](auto& body) -> Event { return std::move(body); };
    if (auto event = charters_.poll_event()) return std::visit(as_ours, *event);
    if (auto event = renewals_.poll_event()) return std::visit(as_ours, *event);
    if (auto event = swarm_.poll_event()) return std::visit(as_ours, *event);
    return std::nullopt;
  }
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

// --- Heads -------------------------------------------------------------------------------------

void Gossip::handle(Instant now, const NodeId& from, const Heads& message) {
  for (const SignedHead& head : message.heads) accept_head(now, from, head);
}

void Gossip::accept_head(Instant now, const NodeId& from, const SignedHead& signed_head) {
  const SnapshotId id = signed_head.id();
  if (snapshots_.contains(id)) {
    peers_.at(from).knows.insert(id);
    return;
  }
  const auto head = parse_head(signed_head);
  if (!head) return accuse(now, from, "sent a head that is malformed");
  // An unknown origin may be a member that we have not heard of yet: no blame.
  if (!consortium_.find(head->origin)) return;
  if (quarantined_.contains(head->origin)) return tell_of(now, from, head->origin);
  if (head->task != task_) return;

  // Two heads for one place in a log convict the origin, whoever brings them.
  const auto log = logs_.find(head->origin);
  const bool contradicts = log != logs_.end() && log->second.contains(head->position);
  if (!contradicts && !is_news(id, *head)) return;
  if (!conduct_.afford(now, from, limits::kSignatureEffort)) return;
  if (!verify_head(signed_head, head->origin, consortium_.id())) {
    conduct_.blame(now, from, Conduct::kForgery);
    return accuse(now, from, "sent a head whose signature is wrong");
  }
  if (head->origin == self_) return events_.push_back(Outrun{head->position});
  if (contradicts) {
    const SnapshotId& other = log->second.at(head->position);
    return convict(now, head->origin, evidence_of(snapshots_.at(other).signed_head, signed_head));
  }

  insert(id, signed_head, *head);
  swarm_.add(id, *head, from);
  drop_superseded(head->origin);
  if (!snapshots_.contains(id)) return;
  peers_.at(from).knows.insert(id);
  tell_everyone(now, id);
  events_.push_back(Discovered{id, *head});
}

bool Gossip::is_news(const SnapshotId& id, const Head& head) const {
  if (snapshots_.contains(id)) return false;
  const auto dropped = dropped_.find(head.origin);
  return dropped == dropped_.end() || head.position > dropped->second;
}

void Gossip::insert(const SnapshotId& id, const SignedHead& signed_head, const Head& head) {
  snapshots_.emplace(id, Entry{signed_head, head});
  logs_[head.origin].emplace(head.position, id);
}

void Gossip::drop_superseded(const NodeId& origin) {
  auto& log = logs_.at(origin);
  while (log.size() > limits::kSnapshotsPerOrigin) drop(SnapshotId(log.begin()->second));
}

void Gossip::drop(const SnapshotId& id) {
  const auto found = snapshots_.find(id);
  assert(found != snapshots_.end());
  const Head head = found->second.head;
  logs_.at(head.origin).erase(head.position);
  auto& newest = dropped_[head.origin];
  newest = std::max(newest, head.position);
  snapshots_.erase(found);
  for (auto& [peer_id, peer] : peers_) peer.knows.erase(id);
  swarm_.drop(id);
}

void Gossip::tell_everyone(Instant now, const SnapshotId& id) {
  for (auto& [peer_id, peer] : peers_) {
    if (!peer.knows.contains(id)) peer.to_tell.insert(id);
  }
  flood_soon(now);
}

void Gossip::flood_soon(Instant now) {
  if (!flood_at_) flood_at_ = now + settings_.flood_delay;
}

void Gossip::flood() {
  flood_at_.reset();
  for (auto& [peer_id, peer] : peers_) {
    Heads message;
    for (const SnapshotId& id : std::exchange(peer.to_tell, {})) {
      const auto found = snapshots_.find(id);
      if (found == snapshots_.end() || !peer.knows.insert(id).second) continue;
      message.heads.push_back(found->second.signed_head);
      if (message.heads.size() == limits::kHeadsPerMessage) {
        transmit(peer_id, std::exchange(message, {}));
      }
    }
    if (!message.heads.empty()) transmit(peer_id, std::move(message));
  }
  swarm_.announce();
}

// --- Anti-entropy ------------------------------------------------------------------------------

Summary Gossip::summary(bool answer) const {
  Summary message;
  message.answer = answer;
  for (const auto& [id, entry] : snapshots_) message.entries.push_back({id, swarm_.complete(id)});
  return message;
}

void Gossip::handle(Instant now, const NodeId& from, const Summary& message) {
  if (!conduct_.afford(now, from, limits::kSummaryEffort)) return;
  Peer& peer = peers_.at(from);
  std::set<SnapshotId> theirs;
  std::vector<SnapshotId> held;
  for (const Summary::Entry& item : message.entries) {
    theirs.insert(item.snapshot);
    if (item.complete) held.push_back(item.snapshot);
  }
  // What we told them may have been lost: what counts is what they say they know.
  peer.knows.clear();
  for (const auto& [id, entry] : snapshots_) {
    if (theirs.contains(id)) {
      peer.knows.insert(id);
    } else {
      peer.to_tell.insert(id);
    }
  }
  flood_soon(now);
  swarm_.greet(from);
  if (!message.answer) transmit(from, summary(true));
  swarm_.handle_holds(now, from, held);
}

// --- Evidence ----------------------------------------------------------------------------------

void Gossip::handle(Instant now, const NodeId& from, const Evidence& message) {
  const auto accused = claim_of(message);
  if (!accused) return accuse(now, from, "sent evidence that is malformed");
  if (!consortium_.find(*accused)) return;
  if (!quarantined_.contains(*accused)) {
    if (!conduct_.afford(now, from, 2 * limits::kSignatureEffort)) return;
    if (!proves(message, *accused)) {
      conduct_.blame(now, from, Conduct::kForgery);
      return accuse(now, from, "sent evidence whose signatures are wrong");
    }
  }
  peers_.at(from).told_of.emplace(*accused, now);
  convict(now, *accused, message);
}

void Gossip::convict(Instant now, const NodeId& origin, const Evidence& evidence) {
  if (!quarantined_.emplace(origin, evidence).second) return;
  const auto log = logs_.find(origin);
  if (origin != self_ && log != logs_.end()) {
    for (const auto& [position, id] : std::map(log->second)) drop(id);
  }
  events_.push_back(Convicted{origin, evidence});
  for (const auto& [peer_id, peer] : peers_) tell_of(now, peer_id, origin);
}

bool Gossip::proves(const Evidence& evidence, const NodeId& origin) const {
  return verify_head(evidence.first, origin, consortium_.id()) &&
         verify_head(evidence.second, origin, consortium_.id());
}

// Once, unless its heads show much later that it did not hear.
void Gossip::tell_of(Instant now, const NodeId& peer, const NodeId& origin) {
  const auto [told, first] = peers_.at(peer).told_of.emplace(origin, now);
  if (!first && now < told->second + kHeardBy) return;
  told->second = now;
  transmit(peer, quarantined_.at(origin));
}

// --- Small things ------------------------------------------------------------------------------

std::vector<SnapshotId> Gossip::newest() const {
  std::vector<SnapshotId> ids;
  for (const auto& [origin, log] : logs_) {
    if (origin != self_ && !log.empty()) ids.push_back(log.rbegin()->second);
  }
  return ids;
}

std::optional<SnapshotId> Gossip::newest(const NodeId& origin) const {
  const auto log = logs_.find(origin);
  if (log == logs_.end() || log->second.empty()) return std::nullopt;
  return log->second.rbegin()->second;
}

std::optional<Head> Gossip::head(const SnapshotId& id) const {
  const auto found = snapshots_.find(id);
  if (found == snapshots_.end()) return std::nullopt;
  return found->second.head;
}

const SignedHead* Gossip::signed_head(const SnapshotId& id) const {
  const auto found = snapshots_.find(id);
  return found == snapshots_.end() ? nullptr : &found->second.signed_head;
}

void Gossip::transmit(const NodeId& to, Message message) {
  events_.push_back(Transmit{to, std::move(message)});
}

void Gossip::accuse(Instant now, const NodeId& peer, std::string what) {
  // If it cannot afford it, enough was said.
  if (!conduct_.afford(now, peer, limits::kAccusationEffort)) return;
  events_.push_back(Accused{peer, std::move(what)});
}

}  // namespace kith::net
