#include "model/paired.hpp"

#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>

namespace kith::model {

double mean(std::span<const float> losses) {
  if (losses.empty()) return std::numeric_limits<double>::quiet_NaN();
  return std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(losses.size());
}

double standard_errors_above(std::span<const float> losses, std::span<const float> others) {
  constexpr double kEndless = std::numeric_limits<double>::infinity();
  if (!std::isfinite(mean(losses))) return kEndless;
  if (!std::isfinite(mean(others))) return -kEndless;
  assert(losses.size() == others.size());
  const double rise = mean(losses) - mean(others);
  if (rise == 0) return 0;
  double squares = 0;
  for (std::size_t i = 0; i < losses.size(); ++i) {
    const double deviation = static_cast<double>(losses[i]) - static_cast<double>(others[i]) - rise;
    squares += deviation * deviation;
  }
  const auto count = static_cast<double>(losses.size());
  return count < 2 ? std::copysign(kEndless, rise)
                   : rise / std::sqrt(squares / (count - 1) / count);
}

bool clearly_worse(std::span<const float> losses, std::span<const float> others, double slack) {
  const double errors = standard_errors_above(losses, others);
  return errors > 0 && errors > slack;
}

}  // namespace kith::model
