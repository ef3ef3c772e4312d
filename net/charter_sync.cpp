#include "net/charter_sync.hpp"

#include <algorithm>
#include <utility>

namespace kith::net {
namespace {

constexpr Duration kReminder = std::chrono::seconds(30);
constexpr Duration kPursuit = std::chrono::minutes(3);  // then another peer has its turn
constexpr std::size_t kRefused = 64;                    // remembered

const SignedCharter* find(const std::optional<CharterChain>& chain, const Hash& id) {
  if (!chain) return nullptr;
  const auto& versions = chain->versions();
  const auto found = std::ranges::find(versions, id, &CharterChain::Version::id);
  return found == versions.end() ? nullptr : &found->signed_charter;
}

CharterPlace newest_of(const CharterChain& chain) {
  return {chain.newest().charter.number, chain.newest().id};
}

bool contains(const std::optional<CharterChain>& chain, std::uint64_t number, const Hash& id) {
  return chain && chain->contains(number, id);
}

}  // namespace

void CharterSync::follow(Instant now, CharterChain chain, std::optional<CharterChain> rival,
                         Verdicts verdicts) {
  const CharterHeads before = heads();
  founded_.reset();
  chain_ = std::move(chain);
  rival_ = std::move(rival);
  verdicts_ = std::move(verdicts);
  refused_.clear();  // an operator may have changed what we make of them
  // What was asked for is on its way: asked again, it would come twice.
  if (pursuit_ && !is_news(pursuit_->from, pursuit_->goal)) pursuit_.reset();
  if (heads() != before) announce(now);
  pursue(now);
}

const SignedCharter* CharterSync::version(const Hash& id) const {
  const SignedCharter* const ours = find(chain_, id);
  return ours != nullptr ? ours : find(rival_, id);
}

std::optional<CharterPlace> CharterSync::followed_by(const NodeId& peer) const {
  const auto found = peers_.find(peer);
  if (found == peers_.end() || found->second.empty()) return std::nullopt;
  return found->second.front();
}

// --- What peers say ----------------------------------------------------------------------------

void CharterSync::handle_connected(Instant now, const NodeId& peer) {
  if (!chain_ && !founded_) return;
  peers_[peer].clear();
  if (chain_) transmit(peer, heads());
  if (!remind_at_) remind_at_ = now + kReminder;
}

void CharterSync::handle_disconnected(Instant now, const NodeId& peer) {
  if (peers_.erase(peer) == 0) return;
  if (pursuit_ && pursuit_->from == peer) pursuit_.reset();
  pursue(now);
}

void CharterSync::handle(Instant now, const NodeId& from, const CharterHeads& message) {
  const auto peer = peers_.find(from);
  if (peer == peers_.end()) return;
  peer->second = message.places;
  pursue(now);
}

void CharterSync::handle(Instant now, const NodeId& from, const CharterWanted& message) {
  if (!peers_.contains(from) || !conduct_.afford(now, from, limits::kCharterEffort)) return;
  const SignedCharter* const known = version(message.version);
  if (known != nullptr) transmit(from, CharterVersion{*known});
}

void CharterSync::handle(Instant now, const NodeId& from, CharterVersion& message) {
  if (!pursuit_ || pursuit_->from != from) return;  // late, or never asked for
  Pursuit& pursuit = *pursuit_;
  if (message.charter.id() != pursuit.wanted) return refuse(now, "it is not the one asked for");
  const auto parsed = parse(message.charter);
  if (const auto* fault = std::get_if<CharterFault>(&parsed)) {
    return refuse(now, std::string(explain(*fault)));
  }
  const Charter& charter = std::get<Charter>(parsed);
  if (charter.number != pursuit.goal.number - pursuit.found.size()) {
    return refuse(now, "its number is not what was said of it");
  }
  pursuit.bytes += message.charter.body.size() +
                   message.charter.signatures.size() * sizeof(SignedCharter::Signature);
  if (pursuit.bytes > limits::kCharterFile) {
    return refuse(now, std::string(explain(CharterFault::too_many_versions)));
  }
  pursuit.found.push_back(std::move(message.charter));
  if (charter.number == 1) {
    if (founded_ == pursuit.wanted) return join(now, CharterChain(), 0);
    return refuse(now, "it has another beginning than ours");
  }
  const std::uint64_t before = charter.number - 1;
  if (contains(chain_, before, charter.previous)) return join(now, *chain_, before);
  if (contains(rival_, before, charter.previous)) return join(now, *rival_, before);
  if (version(charter.previous) != nullptr) {
    return refuse(now, std::string(explain(CharterFault::skipped_number)));
  }
  ask(now, charter.previous);
}

void CharterSync::handle_timeout(Instant now) {
  if (pursuit_ && now >= pursuit_->until) abandon(now);
  if (remind_at_ && now >= *remind_at_) {
    remind_at_ = now + kReminder;
    announce(now);
  }
}

Instant CharterSync::next_timeout() const {
  Instant next = Instant::max();
  if (pursuit_) next = std::min(next, pursuit_->until);
  if (remind_at_) next = std::min(next, *remind_at_);
  return next;
}

// --- Going after a version ---------------------------------------------------------------------

bool CharterSync::is_news(const NodeId& from, const CharterPlace& place) const {
  return !contains(chain_, place.number, place.version) &&
         !contains(rival_, place.number, place.version) &&
         !refused_.contains({from, place.version}) && place.number >= 1 &&
         place.number <= limits::kCharterVersions;
}

void CharterSync::pursue(Instant now) {
  if ((!chain_ && !founded_) || pursuit_) return;
  const auto first = asked_last_ ? peers_.upper_bound(*asked_last_) : peers_.begin();
  std::vector<NodeId> turns;
  for (auto peer = first; peer != peers_.end(); ++peer) turns.push_back(peer->first);
  for (auto peer = peers_.begin(); peer != first; ++peer) turns.push_back(peer->first);
  for (const NodeId& peer : turns) {
    const auto& places = peers_.at(peer);
    const auto news =
        std::ranges::find_if(places, [&](const auto& place) { return is_news(peer, place); });
    if (news == places.end()) continue;
    asked_last_ = peer;
    pursuit_ = Pursuit{.from = peer, .goal = *news, .until = now, .end = now + kPursuit};
    return ask(now, news->version);
  }
}

void CharterSync::ask(Instant now, const Hash& version) {
  pursuit_->wanted = version;
  pursuit_->until = std::min(now + limits::kFetch, pursuit_->end);
  transmit(pursuit_->from, CharterWanted{version});
}

void CharterSync::join(Instant now, const CharterChain& base, std::uint64_t number) {
  const NodeId from = pursuit_->from;
  CharterChain chain = base.first(number);
  for (auto version = pursuit_->found.rbegin(); version != pursuit_->found.rend(); ++version) {
    const auto effort = limits::kSignatureEffort * static_cast<int>(version->signatures.size());
    if (chain_ && !conduct_.afford(now, from, effort)) break;  // the rest another time
    const auto fault = chain.append(std::move(*version));
    if (!fault) continue;
    conduct_.blame(now, from, Conduct::kForgery);
    return refuse(now, std::string(explain(*fault)));
  }
  if (chain.versions().size() == number) return abandon(now);
  const auto fork = chain_ ? find_fork(*chain_, chain) : std::nullopt;
  const bool another_rival = rival_ && find_fork(*rival_, chain);
  if (fork && (another_rival || decided_against(*fork, chain))) {  // the alarm was raised
    remember_refused(pursuit_->goal);
    return abandon(now);
  }
  pursuit_.reset();
  if (fork) {
    rival_ = chain;
    events_.push_back(Forked{from, std::move(chain)});
  } else {
    founded_.reset();
    chain_ = chain;
    events_.push_back(Grown{from, std::move(chain)});
  }
  announce(now);
  pursue(now);
}

void CharterSync::refuse(Instant now, const std::string& why) {
  const CharterPlace goal = pursuit_->goal;
  remember_refused(goal);
  // If it cannot afford it, enough was said.
  if (conduct_.afford(now, pursuit_->from, limits::kAccusationEffort)) {
    events_.push_back(Accused{pursuit_->from, "follows version " + std::to_string(goal.number) +
                                                  " of a charter that is refused: " + why});
  }
  pursuit_.reset();
  pursue(now);
}

void CharterSync::remember_refused(const CharterPlace& place) {
  if (refused_.size() >= kRefused) refused_.clear();
  refused_.insert({pursuit_->from, place.version});
}

bool CharterSync::decided_against(const CharterFork& fork, const CharterChain& rival) const {
  const auto verdict = verdicts_.find(fork.other);
  if (verdict == verdicts_.end()) return false;
  return verdict->second == Verdict::refused || settle(*chain_, rival) == &*chain_;
}

// It may tell of it again.
void CharterSync::abandon(Instant now) {
  peers_.at(pursuit_->from).clear();
  pursuit_.reset();
  pursue(now);
}

// --- Small things ------------------------------------------------------------------------------

CharterHeads CharterSync::heads() const {
  CharterHeads message;
  if (chain_) message.places.push_back(newest_of(*chain_));
  if (rival_) message.places.push_back(newest_of(*rival_));
  return message;
}

void CharterSync::announce(Instant now) {
  for (const auto& [peer, places] : peers_) transmit(peer, heads());
  if (!peers_.empty()) remind_at_ = now + kReminder;
}

std::optional<CharterSync::Event> CharterSync::poll_event() {
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

void CharterSync::transmit(const NodeId& to, Message message) {
  events_.push_back(Transmit{to, std::move(message)});
}

}  // namespace kith::net
