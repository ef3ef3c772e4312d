#pragma once

#include "crypto/hash.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace kith::crypto {

/// Numbers that nobody can foresee who does not know the seed: ChaCha20 in counter mode.  A
/// std::uniform_random_bit_generator, for what must be random to an adversary and is too much to
/// ask the system for.  Its key is in ordinary memory.
class RandomStream {
 public:
  using result_type = std::uint64_t;

  /// Seeded by the system: never the same twice.
  [[nodiscard]] static RandomStream fresh();
  /// Equal seeds, equal numbers, on every machine.
  explicit RandomStream(const Hash& seed) : key_(seed) {}

  [[nodiscard]] static constexpr result_type min() { return 0; }
  [[nodiscard]] static constexpr result_type max() { return ~result_type{0}; }
  result_type operator()();

 private:
  void refill();

  Hash key_;
  std::uint64_t refills_ = 0;
  std::array<std::byte, 4096> buffer_{};
  std::size_t used_ = 4096;  ///< bytes
};

}  // namespace kith::crypto
