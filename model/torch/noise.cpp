#include "model/torch/noise.hpp"

#include <cmath>
#include <numbers>

namespace kith::worker {
namespace {

/// Uniform in [0, 1).
double unit(crypto::RandomStream& random) { return static_cast<double>(random() >> 11) * 0x1p-53; }

}  // namespace

// Box and Muller.  std::normal_distribution may differ between standard libraries.
void add_noise(std::span<float> values, double deviation, crypto::RandomStream& random) {
  for (std::size_t i = 0; i < values.size(); i += 2) {
    const double radius = deviation * std::sqrt(-2 * std::log(1 - unit(random)));
    const double angle = 2 * std::numbers::pi * unit(random);
    const auto add = [](float& value, double noise) {
      value = static_cast<float>(static_cast<double>(value) + noise);
    };
    add(values[i], radius * std::cos(angle));
    if (i + 1 < values.size()) add(values[i + 1], radius * std::sin(angle));
  }
}

std::vector<std::int64_t> poisson_sample(std::size_t count, double chance,
                                         crypto::RandomStream& random) {
  std::vector<std::int64_t> drawn;
  for (std::size_t i = 0; i < count; ++i) {
    if (unit(random) < chance) drawn.push_back(static_cast<std::int64_t>(i));
  }
  return drawn;
}

}  // namespace kith::worker
