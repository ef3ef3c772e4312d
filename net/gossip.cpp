#include "net/gossip.hpp"

#include <algorithm>
#include <cassert>
#include <iterator>

namespace kith::net {
namespace {

constexpr auto kHeardBy = std::chrono::seconds(10);  // what we say has arrived after this
constexpr auto kSoon = std::chrono::milliseconds(100);

/// The first of the two heads: its origin lied, if both are signed.  nullopt if the form is wrong.
std::optional<Head> claim_of(const Evidence& evidence) {
  const auto first = parse_head(evidence.first), second = parse_head(evidence.second);
  if (!first || !second || first->origin != second->origin) return std::nullopt;
  if (first->position != second->position || first->key != second->key) return std::nullopt;
  if (first->founded != second->founded) return std::nullopt;
  if (!(evidence.first.bytes < evidence.second.bytes)) return std::nullopt;
  return first;
}

bool proves(const Evidence& evidence, const Head& claim) {
  return verify_head(evidence.first, claim) && verify_head(evidence.second, claim);
}

template <class Body>
constexpr bool kOfSessions =
    std::is_same_v<Body, Hello> || std::is_same_v<Body, Goodbye> || std::is_same_v<Body, Ping> ||
    std::is_same_v<Body, Pong> || std::is_same_v<Body, Apply> || std::is_same_v<Body, Admission> ||
    std::is_same_v<Body, TaskManifest>;

Evidence evidence_of(const SignedHead& one, const SignedHead& other) {
  return one.bytes < other.bytes ? Evidence{one, other} : Evidence{other, one};
}

}  // namespace

Gossip::Gossip(Instant now, std::uint64_t date, MembershipRecord record, NodeId self, Hash task,
               std::uint64_t seed, Settings settings)
    : directory_(record.chain.newest().charter.consortium, record.chain.founded()),
      calendar_(now, date),
      self_(self),
      task_(task),
      settings_(settings),
      random_(seed),
      swarm_(self, conduct_, seed ^ 0x9e3779b97f4a7c15, settings.swarm),
      cards_(self, directory_, conduct_) {
  directory_.set_members(record.chain.newest().charter.members);
  for (Card& card : record.cards) directory_.put(std::move(card));
  charters_.follow(now, std::move(record.chain), std::move(record.rivals), record.settled);
}

// --- Who belongs -------------------------------------------------------------------------------

MembershipRecord Gossip::record() const {
  return {charters_.chain(), cards_.all(), charters_.rivals(), charters_.settled()};
}

void Gossip::follow(Instant now, MembershipRecord record) {
  const bool news = record.chain.newest().id != charters_.chain().newest().id;
  charters_.follow(now, std::move(record.chain), std::move(record.rivals), record.settled);
  if (news) apply_charter(now, std::nullopt, false);
  for (const Card& card : record.cards) cards_.take(now, calendar_.date(now), card);
  settle(now);
}

bool Gossip::take_card(Instant now, const Card& card) {
  const bool in_force = cards_.take(now, calendar_.date(now), card);
  settle(now);
  return in_force;
}

void Gossip::settle(Instant now) {
  while (auto event = charters_.poll_event()) {
    if (const auto* grown = std::get_if<CharterSync::Grown>(&*event)) {
      apply_charter(now, grown->from, grown->left_ours);
      continue;
    }
    const auto as_ours = [this](auto& body) {
      using Body = std::decay_t<decltype(body)>;
      if constexpr (!std::is_same_v<Body, CharterSync::Grown>) events_.push_back(std::move(body));
    };
    std::visit(as_ours, *event);
  }
  while (auto event = cards_.poll_event()) {
    if (const auto* renewed = std::get_if<Renewed>(&*event)) {
      if (!quarantined(renewed->member)) convicted_.erase(renewed->member);
      // Its heads meant nothing to us before: somebody has them.
      if (anti_entropy_at_) anti_entropy_at_ = std::min(*anti_entropy_at_, now + kSoon);
    }
    std::visit([this](auto& body) { events_.push_back(std::move(body)); }, *event);
  }
}

void Gossip::apply_charter(Instant now, const std::optional<NodeId>& from, bool left_ours) {
  const auto& members = charters_.chain().newest().charter.members;
  CharterChanged changed{.from = from, .left_ours = left_ours};
  for (const Member& member : members) {
    if (directory_.find(member.id) == nullptr) changed.added.push_back(member);
  }
  for (const auto& entry : directory_.members()) {
    const bool stays = std::ranges::find(members, entry.id, &Member::id) != members.end();
    if (!stays) changed.removed.push_back({entry.id, entry.name});
  }
  directory_.set_members(members);
  const SignedCharter& newest = charters_.chain().newest().signed_charter;
  for (const Member& member : changed.removed) {
    if (peers_.contains(member.id)) transmit(member.id, CharterVersion{newest});  // it is to know
    forget(now, member.id);
  }
  cards_.handle_members_changed(from);  // now, for nothing of it is for who was removed
  events_.push_back(std::move(changed));
}

void Gossip::forget(Instant now, const NodeId& origin) {
  handle_disconnected(now, origin);
  const auto log = logs_.find(origin);
  if (log != logs_.end()) {
    for (const auto& [position, id] : std::map(log->second)) drop(id);
  }
  logs_.erase(origin);
  dropped_.erase(origin);
  indebted_until_.erase(origin);
  convicted_.erase(origin);
}

// --- What the owner starts ---------------------------------------------------------------------

bool Gossip::restore(const SignedHead& signed_head, const Manifest& manifest,
                     Swarm::Stored stored) {
  const auto head = parse_head(signed_head);
  if (!head || head->task != task_ || !is_current(*head)) return false;
  if (head->origin != self_ && quarantined(head->origin)) return false;
  if (!verify_head(signed_head, *head)) return false;
  const SnapshotId id = signed_head.id();
  if (!is_news(id, *head) || crypto::hash(encode(manifest)) != head->manifest) return false;
  insert(id, signed_head, *head);
  swarm_.add_stored(id, *head, manifest, stored);
  return true;
}

bool Gossip::publish(Instant now, const SignedHead& signed_head, const Manifest& manifest) {
  if (!restore(signed_head, manifest, Swarm::Stored::whole)) return false;
  drop_superseded(self_);
  tell_everyone(now, signed_head.id());
  return true;
}

bool Gossip::restore(const Evidence& evidence) {
  const auto claim = claim_of(evidence);
  if (!claim || !is_current(*claim) || !proves(evidence, *claim)) return false;
  convicted_.emplace(claim->origin, evidence);
  return true;
}

bool Gossip::is_current(const Head& head) const {
  return head.founded == directory_.founded() && directory_.channel_of(head.origin) == head.key;
}

bool Gossip::quarantined(const NodeId& origin) const {
  const auto found = convicted_.find(origin);
  return found != convicted_.end() && is_current(*parse_head(found->second.first));
}

std::vector<NodeId> Gossip::quarantined() const {
  std::vector<NodeId> found;
  for (const auto& [origin, evidence] : convicted_) {
    if (quarantined(origin)) found.push_back(origin);
  }
  return found;
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

void Gossip::handle_connected(Instant now, const NodeId& id) {
  if (directory_.find(id) == nullptr) return;
  peers_[id] = Peer{};
  // Both sides greet with what they know, so neither has to answer.
  transmit(id, summary(true));
  for (const NodeId& origin : quarantined()) tell_of(now, id, origin);
  if (!anti_entropy_at_) anti_entropy_at_ = now + settings_.anti_entropy;
  swarm_.handle_connected(now, id);
  charters_.handle_connected(now, id);
  cards_.handle_connected(now, id);
  settle(now);
}

void Gossip::handle_disconnected(Instant now, const NodeId& id) {
  if (peers_.erase(id) == 0) return;
  swarm_.handle_disconnected(now, id);
  charters_.handle_disconnected(now, id);
  cards_.handle_disconnected(id);
  settle(now);
}

void Gossip::handle_message(Instant now, const NodeId& from, Message message) {
  if (!peers_.contains(from)) return;
  const auto dispatch = [&](auto& body) {
    using Body = std::decay_t<decltype(body)>;
    if constexpr (requires { handle(now, from, body); }) {
      handle(now, from, body);
    } else if constexpr (requires { charters_.handle(now, from, body); }) {
      charters_.handle(now, from, body);
    } else if constexpr (requires { cards_.handle(now, from, body); }) {
      cards_.handle(now, from, body);
    } else if constexpr (requires { cards_.handle(now, 0U, from, body); }) {
      cards_.handle(now, calendar_.date(now), from, body);
    } else if constexpr (requires { swarm_.handle(now, from, body); }) {
      swarm_.handle(now, from, body);
    } else {
      static_assert(kOfSessions<Body>, "nobody handles this message");
    }
  };
  std::visit(dispatch, message);
  settle(now);
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
  cards_.handle_timeout(now);
  settle(now);
}

Instant Gossip::next_timeout() const {
  Instant next =
      std::min({swarm_.next_timeout(), charters_.next_timeout(), cards_.next_timeout()});
  if (flood_at_) next = std::min(next, *flood_at_);
  if (anti_entropy_at_) next = std::min(next, *anti_entropy_at_);
  return next;
}

std::optional<Gossip::Event> Gossip::poll_event() {
  if (events_.empty()) {
    const auto as_ours = [](auto& body) -> Event { return std::move(body); };
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
  // An unknown origin may be a member, and an unknown key its newest: no blame.
  if (!is_current(*head) || head->task != task_) return;
  if (quarantined(head->origin)) return tell_of(now, from, head->origin);

  // Two heads for one place in a log convict the origin, whoever brings them.
  const auto log = logs_.find(head->origin);
  const bool contradicts = log != logs_.end() && log->second.contains(head->position);
  if (!contradicts && !is_news(id, *head)) return;
  Instant& indebted = indebted_until_[head->origin];
  const bool too_soon = indebted > now + limits::kHeadsAtOnce * limits::kHeadPause;
  if (too_soon && !contradicts && head->origin != self_) return;  // anti-entropy brings its newest
  if (!conduct_.afford(now, from, limits::kSignatureEffort)) return;
  if (!verify_head(signed_head, *head)) {
    conduct_.blame(now, from, Conduct::kForgery);
    return accuse(now, from, "sent a head whose signature is wrong");
  }
  if (head->origin == self_) return events_.push_back(Outrun{head->position});
  if (contradicts) {
    const SnapshotId& other = log->second.at(head->position);
    return convict(now, head->origin, evidence_of(snapshots_.at(other).signed_head, signed_head));
  }

  indebted = std::max(indebted, now) + limits::kHeadPause;
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
  const auto claim = claim_of(message);
  if (!claim) return accuse(now, from, "sent evidence that is malformed");
  if (!is_current(*claim)) return;
  if (!quarantined(claim->origin)) {
    if (!conduct_.afford(now, from, 2 * limits::kSignatureEffort)) return;
    if (!proves(message, *claim)) {
      conduct_.blame(now, from, Conduct::kForgery);
      return accuse(now, from, "sent evidence whose signatures are wrong");
    }
  }
  peers_.at(from).told_of.emplace(claim->origin, now);
  convict(now, claim->origin, message);
}

void Gossip::convict(Instant now, const NodeId& origin, const Evidence& evidence) {
  if (quarantined(origin)) return;
  convicted_.insert_or_assign(origin, evidence);
  const auto log = logs_.find(origin);
  if (origin != self_ && log != logs_.end()) {
    for (const auto& [position, id] : std::map(log->second)) drop(id);
  }
  events_.push_back(Convicted{origin, evidence});
  for (const auto& [peer_id, peer] : peers_) tell_of(now, peer_id, origin);
}

// Once, unless its heads show much later that it did not hear.
void Gossip::tell_of(Instant now, const NodeId& peer, const NodeId& origin) {
  const auto [told, first] = peers_.at(peer).told_of.emplace(origin, now);
  if (!first && now < told->second + kHeardBy) return;
  told->second = now;
  transmit(peer, convicted_.at(origin));
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
