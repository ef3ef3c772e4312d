#pragma once

#include <chrono>

namespace kith::daemon {

/// What day it is, for a process that lives long: a wall clock that jumps is not believed at once.
///
/// Since the last look the time goes on as the steady clock says; if the wall clock then shows
/// another time, by more than kJump, that counts after kDoubt only.  Threads: one at a time.
class TrustedClock {
 public:
  using Wall = std::chrono::system_clock::time_point;
  using Steady = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::minutes kJump{2};
  static constexpr std::chrono::hours kDoubt{24};

  TrustedClock(Wall wall, Steady steady) : believed_(wall), shown_(wall), steady_(steady) {}

  struct Look {
    Wall now;             ///< to be believed
    bool jumped = false;  ///< the wall clock has, since the last look
  };
  [[nodiscard]] Look look(Wall wall, Steady steady);

 private:
  Wall believed_, shown_;  // at the last look; the latter by the wall clock
  Steady steady_;          // of the last look
  std::chrono::steady_clock::duration doubted_{};  // for how long they have been apart
};

}  // namespace kith::daemon
