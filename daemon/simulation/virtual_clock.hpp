#pragma once

#include "net/asio/asio.hpp"

#include <chrono>
#include <cstddef>
#include <limits>
#include <vector>

namespace kith::daemon {

/// The time of a simulation, shared by its participants: coroutines that really work, and say how
/// long their work takes in virtual time.  It passes no moment that one at work may still act in.
/// So those whose work overlaps in virtual time run at once in real time, and yet, as long as
/// nobody learns in a moment what another does in that same moment, the outcome does not depend on
/// who is faster.
///
/// Threads: the io thread.
class VirtualClock {
 public:
  using Time = std::chrono::microseconds;  ///< since the start

  /// `count` participants, all at work at time 0.
  VirtualClock(net::asio::io_context& io, std::size_t count);

  /// Of a participant that is at work, or of the moment that it waits for.
  [[nodiscard]] Time now(std::size_t participant) const { return participants_[participant].time; }
  /// `participant` works and will not act before `end`.
  void work_until(std::size_t participant, Time end);
  /// Waits for `time`.
  net::awaitable<void> until(std::size_t participant, Time time);
  /// Waits for `time`, or for what wake() lowers it to.
  net::awaitable<void> until_woken(std::size_t participant, Time time);
  /// If `participant` is in until_woken() for a later moment, it waits for `time`.
  void wake(std::size_t participant, Time time);
  /// `participant` has ended: nobody waits for it any more.
  void leave(std::size_t participant);

 private:
  struct Participant {
    Time time{0};  ///< at work: does not act before; waiting: wakes then
    bool waiting = false;
    bool may_be_woken = false;
    net::asio::steady_timer resumed;
  };
  void advance();

  std::vector<Participant> participants_;
};

}  // namespace kith::daemon
