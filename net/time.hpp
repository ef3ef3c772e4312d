#pragma once

#include <chrono>
#include <cstdint>

namespace kith::net {

// Protocol code never asks what time it is; it is told.  See net/README.md, "No clock inside".
using Clock = std::chrono::steady_clock;
using Instant = Clock::time_point;
using Duration = Clock::duration;

/// The date, told now and then, and carried on in between by the steady clock.
///
/// Ownership: a value.
class Calendar {
 public:
  Calendar(Instant now, std::uint64_t date) : told_at_(now), told_(date) {}

  /// `date` in seconds since 1970.
  void set(Instant now, std::uint64_t date) { *this = Calendar(now, date); }
  [[nodiscard]] std::uint64_t date(Instant now) const {
    const auto since = std::chrono::duration_cast<std::chrono::seconds>(now - told_at_).count();
    return told_ + static_cast<std::uint64_t>(since > 0 ? since : 0);
  }

 private:
  Instant told_at_;
  std::uint64_t told_;
};

}  // namespace kith::net
