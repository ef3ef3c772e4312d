#pragma once

#include "crypto/random_stream.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace kith::worker {

/// Adds to each value a draw of its own from the normal distribution with mean zero and this
/// standard deviation.
void add_noise(std::span<float> values, double deviation, crypto::RandomStream& random);

/// Of the numbers below `count` each with probability `chance`, independently of the others, in
/// ascending order; perhaps none (Poisson sampling).
[[nodiscard]] std::vector<std::int64_t> poisson_sample(std::size_t count, double chance,
                                                       crypto::RandomStream& random);

}  // namespace kith::worker
