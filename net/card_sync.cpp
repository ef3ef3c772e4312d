#include "net/card_sync.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace kith::net {

void CardSync::set_own(const Card& card) {
  own_ = card;
  if (!directory_.put(card)) return;
  if (elsewhere_ && !supersedes(*elsewhere_, card)) elsewhere_.reset();
  spread(std::nullopt, {card});
}

bool CardSync::take(Instant now, std::uint64_t date, const Card& card) {
  const auto* const entry = directory_.find(card.node);
  if (entry != nullptr && entry->card == card) return true;
  if (!accept(now, date, std::nullopt, card)) return false;
  spread(std::nullopt, {card});
  return true;
}

void CardSync::handle_members_changed(const std::optional<NodeId>& from) {
  std::erase_if(indebted_until_,
                [this](const auto& item) { return directory_.find(item.first) == nullptr; });
  // Who was left out and is let in again has its card again.
  const auto* const self = directory_.find(self_);
  if (own_ && self != nullptr && !self->card) set_own(Card(*own_));
  const bool complete = std::ranges::all_of(
      directory_.members(), [](const auto& entry) { return entry.card.has_value(); });
  if (from && peers_.contains(*from) && !complete) transmit(*from, list());
}

// --- What peers say ----------------------------------------------------------------------------

void CardSync::handle_connected(Instant now, const NodeId& peer) {
  peers_.insert(peer);
  transmit(peer, list());
  if (!remind_at_) remind_at_ = now + limits::kCardList;
}

void CardSync::handle(Instant now, const NodeId& from, const CardList& message) {
  if (!peers_.contains(from) || !conduct_.afford(now, from, limits::kCardListEffort)) return;
  const std::set<Hash> has(message.cards.begin(), message.cards.end());
  Cards lacking;
  for (Card& card : all()) {
    if (has.contains(card.id())) continue;
    lacking.cards.push_back(std::move(card));
    if (lacking.cards.size() < limits::kCardsPerMessage) continue;
    transmit(from, std::exchange(lacking, {}));
  }
  if (!lacking.cards.empty()) transmit(from, std::move(lacking));
}

void CardSync::handle(Instant now, std::uint64_t date, const NodeId& from, const Cards& message) {
  if (!peers_.contains(from)) return;
  std::vector<Card> news;
  for (const Card& card : message.cards) {
    if (accept(now, date, from, card)) news.push_back(card);
  }
  spread(from, std::move(news));
}

void CardSync::handle_timeout(Instant now) {
  if (now < next_timeout()) return;
  remind_at_ = now + limits::kCardList;
  for (const NodeId& peer : peers_) transmit(peer, list());
}

// --- What counts -------------------------------------------------------------------------------

bool CardSync::accept(Instant now, std::uint64_t date, const std::optional<NodeId>& from,
                      const Card& card) {
  constexpr auto kAhead = std::chrono::duration_cast<std::chrono::seconds>(limits::kCardAhead);
  const auto* const entry = directory_.find(card.node);
  if (entry == nullptr || card.founded != directory_.founded()) return false;
  if (entry->card && !supersedes(card, *entry->card)) return false;
  // Who dates its card ahead could not be outbid for as long.
  if (card.issued > date + static_cast<std::uint64_t>(kAhead.count())) return false;
  Instant& indebted = indebted_until_[card.node];
  if (indebted > now + limits::kCardsAtOnce * limits::kCardPause) return false;
  if (from && !conduct_.afford(now, *from, 2 * limits::kSignatureEffort)) return false;
  if (!is_sound(card)) {
    if (!from) return false;
    conduct_.blame(now, *from, Conduct::kForgery);
    if (conduct_.afford(now, *from, limits::kAccusationEffort)) {
      events_.push_back(Accused{*from, "sent a forged card of a member"});
    }
    return false;
  }
  indebted = std::max(indebted, now) + limits::kCardPause;
  if (card.node == self_) {
    if (!elsewhere_ || supersedes(card, *elsewhere_)) {
      elsewhere_ = card;
      events_.push_back(RenewedElsewhere{card});
    }
    return false;
  }
  directory_.put(card);
  events_.push_back(Renewed{card.node});
  return true;
}

void CardSync::spread(const std::optional<NodeId>& from, std::vector<Card> news) {
  if (news.empty()) return;
  for (const NodeId& peer : peers_) {
    if (peer != from) transmit(peer, Cards{news});
  }
}

std::vector<Card> CardSync::all() const {
  std::vector<Card> all;
  for (const auto& entry : directory_.members()) {
    if (entry.card) all.push_back(*entry.card);
  }
  return all;
}

CardList CardSync::list() const {
  CardList list;
  for (const Card& card : all()) list.cards.push_back(card.id());
  return list;
}

std::optional<CardSync::Event> CardSync::poll_event() {
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

void CardSync::transmit(const NodeId& to, Message message) {
  events_.push_back(Transmit{to, std::move(message)});
}

}  // namespace kith::net
