#pragma once

#include <cstdint>
#include <initializer_list>
#include <random>
#include <span>
#include <vector>

// std::shuffle and std::uniform_int_distribution may differ between standard libraries; a seed
// must mean the same sample on every machine, so the few lines they take are written out here.
// std::mt19937_64 and std::seed_seq are fixed by the standard.
namespace kith::data {

using Random = std::mt19937_64;

/// A generator of its own for each tuple of numbers, e.g. (seed, round, epoch).
[[nodiscard]] Random random_for(std::initializer_list<std::uint64_t> numbers);

/// Uniform in [0, bound), without bias.  Requires bound > 0.
[[nodiscard]] std::uint64_t below(std::uint64_t bound, Random& random);

/// Fisher and Yates.
void shuffle(std::span<std::size_t> items, Random& random);

/// `wanted` different numbers below `count`, in random order.  Requires wanted <= count.
[[nodiscard]] std::vector<std::size_t> sample(std::size_t count, std::size_t wanted,
                                              Random& random);

}  // namespace kith::data
