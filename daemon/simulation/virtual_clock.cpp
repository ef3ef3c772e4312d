#include "daemon/simulation/virtual_clock.hpp"

#include <algorithm>
#include <cassert>

namespace kith::daemon {

VirtualClock::VirtualClock(net::asio::io_context& io, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    participants_.push_back({.resumed = net::asio::steady_timer(io)});
  }
}

void VirtualClock::work_until(std::size_t participant, Time end) {
  assert(!participants_[participant].waiting && end >= participants_[participant].time);
  participants_[participant].time = end;
  advance();
}

net::awaitable<void> VirtualClock::until(std::size_t participant, Time time) {
  Participant& self = participants_[participant];
  self.time = std::max(self.time, time);
  self.waiting = true;
  self.resumed.expires_at(net::asio::steady_timer::time_point::max());
  advance();
  if (!self.waiting) co_return;
  net::error_code ec;
  co_await self.resumed.async_wait(net::asio::redirect_error(net::use_awaitable, ec));
}

net::awaitable<void> VirtualClock::until_woken(std::size_t participant, Time time) {
  participants_[participant].may_be_woken = true;
  co_await until(participant, time);
  participants_[participant].may_be_woken = false;
}

void VirtualClock::wake(std::size_t participant, Time time) {
  Participant& other = participants_[participant];
  if (other.waiting && other.may_be_woken) other.time = std::min(other.time, time);
}

void VirtualClock::leave(std::size_t participant) {
  participants_[participant].time = Time::max();
  advance();
}

// Wakes all who wait for the earliest moment, unless somebody at work may act before it.
void VirtualClock::advance() {
  const auto earliest = std::ranges::min_element(participants_, {}, &Participant::time)->time;
  for (Participant& participant : participants_) {
    if (!participant.waiting || participant.time != earliest) continue;
    participant.waiting = false;
    participant.resumed.cancel();
  }
}

}  // namespace kith::daemon
