#include "net/dialler.hpp"

#include <algorithm>

namespace kith::net {

void Dialler::set_members(const std::map<NodeId, bool>& reachable) {
  std::erase_if(peers_, [&](const auto& item) { return !reachable.contains(item.first); });
  for (const auto& [id, has_address] : reachable) peers_[id].reachable = has_address;
}

void Dialler::deny(const NodeId& id) {
  if (Peer* const peer = find(id)) peer->denied = true;
}

void Dialler::allow(const NodeId& id) {
  if (Peer* const peer = find(id)) peer->denied = false;
}

Dialler::Peer* Dialler::find(const NodeId& id) {
  const auto found = peers_.find(id);
  return found == peers_.end() ? nullptr : &found->second;
}

std::optional<NodeId> Dialler::poll_dial(Instant now) {
  if (!wants_more()) return std::nullopt;
  std::vector<NodeId> due;
  for (const auto& [id, peer] : peers_) {
    if (is_choice(peer) && now >= peer.due) due.push_back(id);
  }
  if (due.empty()) return std::nullopt;
  const NodeId chosen = due[random_() % due.size()];
  peers_.at(chosen).state = State::dialling;
  return chosen;
}

std::optional<NodeId> Dialler::poll_leave(Instant now) {
  if (!rotate_at_ || now < *rotate_at_) return std::nullopt;
  rotate_at_ = now + jittered(limits::kRotation);
  const bool choice = std::ranges::any_of(
      peers_, [now](const auto& item) { return is_choice(item.second) && now >= item.second.due; });
  if (!choice || outbound() < limits::kOutbound) return std::nullopt;
  std::vector<NodeId> old;
  for (const auto& [id, peer] : peers_) {
    const bool lasted = now >= peer.connected_at + limits::kRotation / 2;
    if (peer.state == State::outbound && lasted) old.push_back(id);
  }
  if (old.empty()) return std::nullopt;
  return old[random_() % old.size()];
}

Instant Dialler::next_timeout() const {
  Instant next = rotate_at_.value_or(Instant::max());
  if (!wants_more()) return next;
  for (const auto& [id, peer] : peers_) {
    if (is_choice(peer)) next = std::min(next, peer.due);
  }
  return next;
}

Dialler::Company Dialler::company() const {
  return connections() < limits::kFewConnections ? Company::none : Company::some;
}

Dialler::Room Dialler::room_for(const NodeId& id, Company company) const {
  const auto found = peers_.find(id);
  const bool counted = found != peers_.end() && found->second.state >= State::inbound;
  if (counted || !sparse() || connections() < limits::kPeers) return {.granted = true};
  if (company == Company::some) return {};
  std::optional<NodeId> oldest;
  for (const auto& [other, peer] : peers_) {
    if (peer.state != State::inbound || peer.company == Company::none) continue;
    if (!oldest || peer.connected_at < peers_.at(*oldest).connected_at) oldest = other;
  }
  return {.granted = oldest.has_value(), .instead_of = oldest};
}

void Dialler::connected(Instant now, const NodeId& id, Direction direction, Company company) {
  Peer* const peer = find(id);
  if (peer == nullptr) return;
  peer->state = direction == Direction::outbound ? State::outbound : State::inbound;
  peer->company = company;
  peer->connected_at = now;
  if (sparse() && !rotate_at_) rotate_at_ = now + jittered(limits::kRotation);
}

void Dialler::disconnected(Instant now, const NodeId& id) {
  Peer* const peer = find(id);
  if (peer == nullptr || peer->state < State::inbound) return;
  peer->state = State::idle;
  // One that ends as soon as it has begun is as bad as none.
  if (now > peer->connected_at + limits::kLastRedial) peer->pause = {};
  rest(now, *peer);
}

void Dialler::failed(Instant now, const NodeId& id) {
  Peer* const peer = find(id);
  if (peer == nullptr || peer->state != State::dialling) return;
  peer->state = State::idle;
  rest(now, *peer);
}

void Dialler::renewed(Instant now, const NodeId& id, bool reachable) {
  Peer* const peer = find(id);
  if (peer == nullptr) return;
  peer->reachable = reachable;
  peer->pause = {};
  peer->due = now;
}

std::optional<Instant> Dialler::next_attempt(const NodeId& id) const {
  const auto found = peers_.find(id);
  if (found == peers_.end() || !is_choice(found->second)) return std::nullopt;
  return found->second.due;
}

bool Dialler::wants_more() const {
  if (!sparse()) return true;
  return count(State::dialling, State::dialling) + outbound() < limits::kOutbound &&
         count(State::dialling, State::outbound) < limits::kPeers;
}

std::size_t Dialler::count(State least, State most) const {
  return static_cast<std::size_t>(std::ranges::count_if(peers_, [&](const auto& item) {
    return item.second.state >= least && item.second.state <= most;
  }));
}

void Dialler::rest(Instant now, Peer& peer) {
  peer.pause = std::clamp(peer.pause * 2, limits::kFirstRedial, limits::kLastRedial);
  peer.due = now + jittered(peer.pause);
}

Duration Dialler::jittered(Duration pause) {
  const auto half = static_cast<std::uint64_t>(pause.count() / 2);
  return Duration(static_cast<Duration::rep>(half + random_() % (half + 1)));
}

}  // namespace kith::net
