#include "net/doorkeeper.hpp"

#include "net/limits.hpp"

#include <algorithm>
#include <tuple>

namespace kith::net {

Subnet::Subnet(const std::array<std::uint8_t, 4>& ipv4) {
  bytes_[0] = 4;
  std::copy_n(ipv4.begin(), 3, bytes_.begin() + 1);
}

Subnet::Subnet(const std::array<std::uint8_t, 16>& ipv6) {
  constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (std::equal(kMapped.begin(), kMapped.end(), ipv6.begin())) {
    *this = Subnet(std::array{ipv6[12], ipv6[13], ipv6[14], ipv6[15]});
    return;
  }
  bytes_[0] = 6;
  std::copy_n(ipv6.begin(), 6, bytes_.begin() + 1);
}

Doorkeeper::Decision Doorkeeper::arrived(Instant now, const Subnet& from) {
  if (shut_out(now, from)) return {};
  Decision decision{next_++, make_room(from)};
  waiting_.emplace(*decision.admitted, Waiting{from});
  return decision;
}

void Doorkeeper::update(Ticket ticket, Session::Shown shown) {
  const auto found = waiting_.find(ticket);
  if (found != waiting_.end()) found->second.shown = shown;
}

void Doorkeeper::left(Instant now, Ticket ticket) {
  const auto found = waiting_.extract(ticket);
  if (found.empty()) return;
  const Subnet& from = found.mapped().from;
  const Session::Shown shown = found.mapped().shown;
  const bool wasted =
      shown == Session::Shown::wrong || shown == Session::Shown::plausible;
  if (!wasted) return;
  indebted_until_ = std::max(indebted_until_, now) + limits::kStrangerEffort;
  std::erase_if(offenders_, [now](const auto& item) { return now >= item.second; });
  if (offenders_.size() >= limits::kOffenders) {
    const auto until = [](const auto& item) { return item.second; };
    offenders_.erase(std::ranges::min_element(offenders_, {}, until));
  }
  offenders_[from] = now + limits::kOffence;
}

bool Doorkeeper::shut_out(Instant now, const Subnet& from) const {
  if (indebted_until_ <= now + limits::kStrangerEffortAtOnce) return false;
  const auto offender = offenders_.find(from);
  return offender != offenders_.end() && now < offender->second;
}

std::optional<Doorkeeper::Ticket> Doorkeeper::make_room(const Subnet& newcomer) {
  // Those that were told to go are on their way, and count no more.
  std::size_t all = 0;
  std::map<std::pair<Session::Shown, Subnet>, std::size_t> alike;
  std::size_t neighbours = 0;
  for (const auto& [ticket, waiting] : waiting_) {
    if (waiting.evicted) continue;
    ++all;
    ++alike[{waiting.shown, waiting.from}];
    if (waiting.from == newcomer) ++neighbours;
  }
  const bool subnet_is_full = neighbours >= limits::kUnauthenticatedOfSubnet;
  if (!subnet_is_full && all < limits::kUnauthenticated) return std::nullopt;

  Waiting* last = nullptr;
  Ticket last_ticket = 0;
  std::pair<Session::Shown, std::size_t> last_rank;
  for (auto& [ticket, waiting] : waiting_) {  // the oldest first
    if (waiting.evicted || (subnet_is_full && waiting.from != newcomer)) continue;
    const std::size_t company = alike.at({waiting.shown, waiting.from});
    const bool worse = waiting.shown != last_rank.first ? waiting.shown < last_rank.first
                                                           : company > last_rank.second;
    if (last != nullptr && !worse) continue;
    last = &waiting;
    last_ticket = ticket;
    last_rank = {waiting.shown, company};
  }
  last->evicted = true;
  return last_ticket;
}

}  // namespace kith::net
