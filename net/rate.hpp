#pragma once

#include "net/time.hpp"

#include <chrono>
#include <cmath>
#include <cstdint>

namespace kith::net {

/// Bytes a second over the last minute or so: what is older counts the less.
///
/// Ownership: a value.  Time is an argument.
class Rate {
 public:
  explicit Rate(Instant start) : start_(start), last_(start) {}

  void add(Instant now, std::uint64_t bytes) {
    weight_ = weight_ * fading(now - last_) + static_cast<double>(bytes);
    last_ = now;
  }
  [[nodiscard]] double per_second(Instant now) const {
    // The sum of all weights that a steady stream of one byte a second would have had until now.
    const double whole = kMemory.count() * (1 - fading(now - start_));
    return whole > 0 ? weight_ * fading(now - last_) / whole : 0;
  }

 private:
  using Seconds = std::chrono::duration<double>;
  static constexpr Seconds kMemory{30};
  static double fading(Duration time) { return std::exp(-Seconds(time) / kMemory); }

  Instant start_, last_;
  double weight_ = 0;  // bytes
};

}  // namespace kith::net
