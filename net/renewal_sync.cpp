#include "net/renewal_sync.hpp"

#include <algorithm>
#include <utility>

namespace kith::net {

void RenewalSync::follow(const Charter& charter) {
  const std::map<NodeId, Entry> before = std::exchange(entries_, {});
  for (const Member& member : charter.members) {
    Entry entry{member, entry_of(member)};
    const auto known = before.find(member.id);
    if (known != before.end() && known->second.hash == entry.hash) entry = known->second;
    entries_.emplace(member.id, std::move(entry));
  }
}

void RenewalSync::restore(const std::vector<Renewal>& renewals) {
  for (const Renewal& renewal : renewals) {
    const auto entry = entries_.find(renewal.member);
    if (entry != entries_.end()) entry->second.renewal = renewal;
  }
}

std::vector<Renewal> RenewalSync::all() const {
  std::vector<Renewal> all;
  for (const auto& [member, entry] : entries_) {
    if (entry.renewal) all.push_back(*entry.renewal);
  }
  return all;
}

bool RenewalSync::take_shown(Instant now, const Renewal& renewal) {
  const auto entry = entries_.find(renewal.member);
  if (entry != entries_.end() && entry->second.renewal == renewal) return true;
  if (!take(now, std::nullopt, renewal)) return false;
  spread(std::nullopt, {renewal});
  return true;
}

void RenewalSync::offer(Instant now, const std::vector<Renewal>& renewals) {
  std::vector<Renewal> news;
  for (const Renewal& renewal : renewals) {
    if (take(now, std::nullopt, renewal)) news.push_back(renewal);
  }
  spread(std::nullopt, std::move(news));
}

// --- What peers say ----------------------------------------------------------------------------

void RenewalSync::handle_connected(Instant now, const NodeId& peer) {
  peers_[peer] = now;
  transmit(peer, list());
  if (!remind_at_) remind_at_ = now + limits::kRenewalList;
}

void RenewalSync::handle_disconnected(Instant /*now*/, const NodeId& peer) { peers_.erase(peer); }

void RenewalSync::handle(Instant now, const NodeId& from, const RenewalList& message) {
  const auto peer = peers_.find(from);
  if (peer == peers_.end() || now < peer->second) return;
  peer->second = now + limits::kRenewalList / 2;
  const std::set<Hash> has(message.renewals.begin(), message.renewals.end());
  Renewals lacking;
  for (Renewal& renewal : all()) {
    if (has.contains(renewal.id())) continue;
    lacking.renewals.push_back(std::move(renewal));
    if (lacking.renewals.size() < limits::kRenewalsPerMessage) continue;
    transmit(from, std::exchange(lacking, {}));
  }
  if (!lacking.renewals.empty()) transmit(from, std::move(lacking));
}

void RenewalSync::handle(Instant now, const NodeId& from, const Renewals& message) {
  if (!peers_.contains(from)) return;
  std::vector<Renewal> news;
  for (const Renewal& renewal : message.renewals) {
    if (take(now, from, renewal)) news.push_back(renewal);
  }
  spread(from, std::move(news));
}

void RenewalSync::handle_timeout(Instant now) {
  if (now < next_timeout()) return;
  remind_at_ = now + limits::kRenewalList;
  for (const auto& [peer, answered] : peers_) transmit(peer, list());
}

Instant RenewalSync::next_timeout() const { return remind_at_.value_or(Instant::max()); }

// --- What counts -------------------------------------------------------------------------------

bool RenewalSync::take(Instant now, const std::optional<NodeId>& from, const Renewal& renewal) {
  const auto found = entries_.find(renewal.member);
  if (found == entries_.end() || found->second.hash != renewal.entry) return false;
  Entry& entry = found->second;
  if (entry.renewal && !supersedes(renewal, *entry.renewal)) return false;
  const auto holder = std::ranges::find_if(entries_, [&](const auto& item) {
    return item.second.in_charter.channel == renewal.channel;
  });
  if (holder != entries_.end() && holder->first != renewal.member) return false;
  if (entry.indebted_until > now + limits::kRenewalsAtOnce * limits::kRenewalPause) return false;
  if (from && !conduct_.afford(now, *from, limits::kSignatureEffort)) return false;
  if (!is_sound(renewal)) {
    if (!from) return false;
    conduct_.blame(now, *from, Conduct::kForgery);
    if (conduct_.afford(now, *from, limits::kAccusationEffort)) {
      events_.push_back(Accused{*from, "sent a forged renewal of a member's keys"});
    }
    return false;
  }
  entry.indebted_until = std::max(entry.indebted_until, now) + limits::kRenewalPause;
  if (renewal.member == self_) {
    events_.push_back(RenewedElsewhere{});
    return false;
  }
  entry.renewal = renewal;
  events_.push_back(Renewed{renewal.member, renewal.channel, renewal.addresses});
  return true;
}

void RenewalSync::spread(const std::optional<NodeId>& from, std::vector<Renewal> news) {
  if (news.empty()) return;
  for (const auto& [peer, answered] : peers_) {
    if (peer != from) transmit(peer, Renewals{news});
  }
}

RenewalList RenewalSync::list() const {
  RenewalList list;
  for (const Renewal& renewal : all()) list.renewals.push_back(renewal.id());
  return list;
}

std::optional<RenewalSync::Event> RenewalSync::poll_event() {
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

void RenewalSync::transmit(const NodeId& to, Message message) {
  events_.push_back(Transmit{to, std::move(message)});
}

}  // namespace kith::net
