#include "net/charter_sync.hpp"

#include <algorithm>
#include <utility>

namespace kith::net {
namespace {

constexpr Duration kReminder = std::chrono::seconds(30);
constexpr Duration kPursuit = std::chrono::minutes(3);  // then another peer has its turn
constexpr std::size_t kRefused = 64;                    // remembered

Duration effort_of(const SignedCharter& version) {
  return limits::kSignatureEffort * static_cast<int>(version.signatures.size());
}

}  // namespace

void CharterSync::follow(Instant now, CharterChain chain, std::vector<SignedCharter> rivals,
                         std::uint64_t settled) {
  const bool news = chain_.empty() || chain_.newest().id != chain.newest().id;
  founded_.reset();
  anchor_.reset();
  chain_ = std::move(chain);
  settled_ = settled;
  for (const SignedCharter& rival : rivals) {
    if (is_rival(rival.id())) continue;
    for (const auto& [peer, told] : peers_) tell_of(peer, rival);
  }
  rivals_ = std::move(rivals);
  drop_what_is_no_rival();
  refused_.clear();  // an operator may have changed what we make of them
  if (!news) return pursue(now);
  pursuit_.reset();  // it went on from another chain
  announce(now);
  pursue(now);
}

void CharterSync::await(const Hash& founded, const CharterPlace& known) {
  founded_ = founded;
  anchor_ = known;
}

const SignedCharter* CharterSync::version(std::uint64_t number) const {
  const auto& versions = chain_.versions();
  return number >= 1 && number <= versions.size() ? &versions[number - 1].signed_charter : nullptr;
}

std::optional<CharterPlace> CharterSync::followed_by(const NodeId& peer) const {
  const auto found = peers_.find(peer);
  return found == peers_.end() ? std::nullopt : found->second;
}

// --- What peers say ----------------------------------------------------------------------------

void CharterSync::handle_connected(Instant now, const NodeId& peer) {
  peers_[peer].reset();
  if (!chain_.empty()) transmit(peer, CharterHead{place()});
  for (const SignedCharter& rival : rivals_) tell_of(peer, rival);
  if (!remind_at_) remind_at_ = now + kReminder;
}

void CharterSync::handle_disconnected(Instant now, const NodeId& peer) {
  if (peers_.erase(peer) == 0) return;
  if (pursuit_ && pursuit_->from == peer) give_up(now);
}

void CharterSync::handle(Instant now, const NodeId& from, const CharterHead& message) {
  const auto peer = peers_.find(from);
  if (peer == peers_.end()) return;
  peer->second = message.place;
  pursue(now);
}

void CharterSync::handle(Instant now, const NodeId& from, const CharterWanted& message) {
  if (!peers_.contains(from) || !conduct_.afford(now, from, limits::kCharterEffort)) return;
  const SignedCharter* const known = version(message.number);
  if (known != nullptr) transmit(from, CharterVersion{*known});
}

void CharterSync::handle(Instant now, const NodeId& from, CharterVersion& message) {
  if (!peers_.contains(from)) return;
  const auto parsed = parse(message.charter);
  const auto* const charter = std::get_if<Charter>(&parsed);
  const bool asked = pursuit_ && pursuit_->from == from;
  if (asked && charter == nullptr) {
    return refuse(now, std::string(explain(std::get<CharterFault>(parsed))));
  }
  if (charter == nullptr) return;
  if (!asked || charter->number != pursuit_->wanted) {
    return hear_unasked(now, from, charter->number, message.charter);
  }
  pursuit_->bytes += message.charter.size();
  if (pursuit_->bytes > limits::kCharterFile) {
    return refuse(now, std::string(explain(CharterFault::too_many_versions)));
  }
  if (!awaiting() && !conduct_.afford(now, from, effort_of(message.charter))) return give_up(now);
  switch (pursuit_->step) {
    case Pursuit::Step::forward:
      return go_forward(now, std::move(message.charter));
    case Pursuit::Step::authority:
      return look_for_authority(now, std::move(message.charter));
    case Pursuit::Step::backward:
      return go_backward(now, std::move(message.charter));
    case Pursuit::Step::evidence:
      return look_for_evidence(now, std::move(message.charter));
  }
}

void CharterSync::handle_timeout(Instant now) {
  if (pursuit_ && now >= pursuit_->until) give_up(now);
  if (remind_at_ && now >= *remind_at_) announce(now);
}

Instant CharterSync::next_timeout() const {
  Instant next = remind_at_.value_or(Instant::max());
  if (pursuit_) next = std::min(next, pursuit_->until);
  return next;
}

// --- Going after versions ----------------------------------------------------------------------

bool CharterSync::is_news(const NodeId& from, const CharterPlace& place) const {
  return !chain_.contains(place.number, place.version) && !is_rival(place.version) &&
         !refused_.contains({from, place.version}) && place.number >= 1 &&
         place.number <= limits::kCharterVersions;
}

bool CharterSync::is_rival(const Hash& version) const {
  return std::ranges::find(rivals_, version, &SignedCharter::id) != rivals_.end();
}

void CharterSync::pursue(Instant now) {
  if (pursuit_ || (chain_.empty() && !awaiting())) return;
  const auto first = asked_last_ ? peers_.upper_bound(*asked_last_) : peers_.begin();
  std::vector<NodeId> turns;
  for (auto peer = first; peer != peers_.end(); ++peer) turns.push_back(peer->first);
  for (auto peer = peers_.begin(); peer != first; ++peer) turns.push_back(peer->first);
  const std::uint64_t ours = chain_.versions().size();
  for (const NodeId& peer : turns) {
    const auto& told = peers_.at(peer);
    if (!told || !is_news(peer, *told)) continue;
    if (!awaiting() && !conduct_.afford(now, peer, limits::kPursuitEffort)) continue;
    asked_last_ = peer;
    Pursuit pursuit;
    pursuit.from = peer;
    pursuit.goal = *told;
    pursuit.end = now + kPursuit;
    pursuit.found = chain_;
    pursuit_ = std::move(pursuit);  // clang 14 takes emplace() for impossible
    if (told->number > ours) return ask(now, Pursuit::Step::forward, ours + 1);
    return ask(now, Pursuit::Step::evidence, told->number);
  }
}

void CharterSync::ask(Instant now, Pursuit::Step step, std::uint64_t number) {
  pursuit_->step = step;
  pursuit_->wanted = number;
  pursuit_->until = std::min(now + limits::kFetch, pursuit_->end);
  transmit(pursuit_->from, CharterWanted{number});
}

void CharterSync::go_forward(Instant now, SignedCharter version) {
  CharterChain& found = pursuit_->found;
  const bool first = found.versions().size() == chain_.versions().size();
  if (awaiting() && first && version.id() != *founded_) {
    return refuse(now, "it has another beginning than ours");
  }
  const auto fault = found.append(version);
  const bool elsewhere = fault == CharterFault::wrong_previous && first;
  if (elsewhere) {
    // Up to a number that was settled, an operator has decided between the two.
    const std::uint64_t above = std::max<std::uint64_t>(found.versions().size(), settled_) + 1;
    if (above == pursuit_->wanted) return look_for_authority(now, std::move(version));
    if (above <= pursuit_->goal.number) return ask(now, Pursuit::Step::authority, above);
    return ask(now, Pursuit::Step::evidence, found.versions().size());
  }
  if (fault == CharterFault::wrong_previous) return give_up(now);  // it changed chains meanwhile
  if (fault) {
    conduct_.blame(now, pursuit_->from, Conduct::kForgery);
    return refuse(now, std::string(explain(*fault)));
  }
  const std::uint64_t next = found.versions().size() + 1;
  if (next <= pursuit_->goal.number) return ask(now, Pursuit::Step::forward, next);
  adopt(now, false);
}

void CharterSync::look_for_authority(Instant now, SignedCharter version) {
  if (!has_quorum(chain_, version)) {
    return ask(now, Pursuit::Step::evidence, chain_.versions().size());
  }
  go_backward(now, std::move(version));
}

void CharterSync::go_backward(Instant now, SignedCharter version) {
  const Charter charter = std::get<Charter>(parse(version));
  const bool follows = pursuit_->back.empty() ||
                       std::get<Charter>(parse(pursuit_->back.back())).previous == version.id();
  if (!follows) return give_up(now);  // it has gone over to another chain meanwhile
  pursuit_->back.push_back(std::move(version));
  if (charter.number == 1) return refuse(now, "it has another beginning than ours");
  if (!chain_.contains(charter.number - 1, charter.previous)) {
    return ask(now, Pursuit::Step::backward, charter.number - 1);
  }
  pursuit_->found = chain_.first(charter.number - 1);
  for (auto each = pursuit_->back.rbegin(); each != pursuit_->back.rend(); ++each) {
    const auto fault = pursuit_->found.append(std::move(*each));
    if (!fault) continue;
    conduct_.blame(now, pursuit_->from, Conduct::kForgery);
    return refuse(now, std::string(explain(*fault)));
  }
  adopt(now, true);
}

// Halves what lies between a version that both have and one that differs, until the two meet.
void CharterSync::look_for_evidence(Instant now, SignedCharter version) {
  std::uint64_t& alike = pursuit_->alike;
  const std::uint64_t number = pursuit_->wanted;
  if (number == 1) {
    const bool same = chain_.contains(1, version.id());
    return refuse(now, same ? "what follows its first version does not fit that"
                            : "it has another beginning than ours");
  }
  if (chain_.contains(number, version.id())) {
    alike = number;
  } else {
    pursuit_->parting = std::move(version);
  }
  if (!pursuit_->parting) return drop_pursuit(now);  // it has come over to ours meanwhile
  const std::uint64_t parting = std::get<Charter>(parse(*pursuit_->parting)).number;
  if (parting > alike + 1) return ask(now, Pursuit::Step::evidence, (alike + parting) / 2);
  keep_evidence(now, *pursuit_->parting);
}

void CharterSync::keep_evidence(Instant now, const SignedCharter& version) {
  const std::uint64_t number = std::get<Charter>(parse(version)).number;
  const NodeId from = pursuit_->from;
  if (is_rival(version.id()) || number <= settled_ || rivals_.size() >= limits::kRivals) {
    return drop_pursuit(now);  // what the peer follows still shows in followed_by()
  }
  if (const auto fault = chain_.first(number - 1).append(version)) {
    conduct_.blame(now, from, Conduct::kForgery);
    return refuse(now, std::string(explain(*fault)));
  }
  add_rival(from, number, version);
  drop_pursuit(now);
}

// The next version, for somebody whom it expels; evidence; or an answer that is late.
void CharterSync::hear_unasked(Instant now, const NodeId& from, std::uint64_t number,
                               const SignedCharter& version) {
  if (!chain_.empty() && number == chain_.versions().size() + 1) {
    if (!conduct_.afford(now, from, effort_of(version)) || chain_.append(version)) return;
    return grown(now, from, false);
  }
  const Hash id = version.id();
  const bool news = number > settled_ && number > 1 && number <= chain_.versions().size() &&
                    !chain_.contains(number, id) && !is_rival(id) &&
                    rivals_.size() < limits::kRivals;
  if (!news || !conduct_.afford(now, from, limits::kPursuitEffort + effort_of(version))) return;
  const auto fault = chain_.first(number - 1).append(version);
  if (!fault) return add_rival(from, number, version);
  // Who parted from ours earlier may know a rival of its own chain.
  if (fault != CharterFault::wrong_previous) conduct_.blame(now, from, Conduct::kForgery);
}

void CharterSync::add_rival(const NodeId& from, std::uint64_t number,
                            const SignedCharter& version) {
  rivals_.push_back(version);
  events_.push_back(Contradicted{from, number, signed_twice(*this->version(number), version)});
  for (const auto& [peer, told] : peers_) {
    if (peer != from) tell_of(peer, version);
  }
}

void CharterSync::drop_what_is_no_rival() {
  std::erase_if(rivals_, [this](const SignedCharter& rival) {
    return chain_.contains(std::get<Charter>(parse(rival)).number, rival.id());
  });
}

void CharterSync::tell_of(const NodeId& peer, const SignedCharter& rival) {
  if (std::get<Charter>(parse(rival)).number > settled_) transmit(peer, CharterVersion{rival});
}

void CharterSync::drop_pursuit(Instant now) {
  forget_goal();
  pursuit_.reset();
  pursue(now);
}

void CharterSync::adopt(Instant now, bool left_ours) {
  const NodeId from = pursuit_->from;
  CharterChain found = std::move(pursuit_->found);
  if (awaiting() && !found.contains(anchor_->number, anchor_->version)) {
    return refuse(now, "it lacks the version that the invitation names");
  }
  const CharterChain former = std::exchange(chain_, std::move(found));
  drop_what_is_no_rival();
  if (left_ours && rivals_.size() < limits::kRivals) {  // now it is that one that contradicts
    rivals_.push_back(former.versions()[common_versions(former, chain_)].signed_charter);
  }
  grown(now, from, left_ours);
}

void CharterSync::grown(Instant now, const NodeId& from, bool left_ours) {
  pursuit_.reset();  // it went on from another chain
  founded_.reset();
  anchor_.reset();
  events_.push_back(Grown{from, left_ours});
  announce(now);
  pursue(now);
}

void CharterSync::refuse(Instant now, const std::string& why) {
  forget_goal();
  // If it cannot afford it, enough was said.
  if (conduct_.afford(now, pursuit_->from, limits::kAccusationEffort)) {
    events_.push_back(Accused{pursuit_->from,
                              "follows version " + std::to_string(pursuit_->goal.number) +
                                  " of a charter that is refused: " + why});
  }
  pursuit_.reset();
  pursue(now);
}

void CharterSync::forget_goal() {
  if (refused_.size() >= kRefused) refused_.clear();
  refused_.insert({pursuit_->from, pursuit_->goal.version});
}

// What was verified until now counts; the peer may tell of the rest again.
void CharterSync::give_up(Instant now) {
  const bool some = pursuit_->step == Pursuit::Step::forward && !awaiting() &&
                    pursuit_->found.versions().size() > chain_.versions().size();
  const auto peer = peers_.find(pursuit_->from);
  if (peer != peers_.end()) peer->second.reset();
  if (some) return adopt(now, false);
  pursuit_.reset();
  pursue(now);
}

// --- Small things ------------------------------------------------------------------------------

CharterPlace CharterSync::place() const {
  return {chain_.newest().charter.number, chain_.newest().id};
}

void CharterSync::announce(Instant now) {
  remind_at_ = now + kReminder;
  if (chain_.empty()) return;
  for (const auto& [peer, told] : peers_) transmit(peer, CharterHead{place()});
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
