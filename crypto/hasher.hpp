#pragma once

#include "crypto/bytes.hpp"
#include "crypto/hash.hpp"

#include <array>
#include <cstddef>

namespace kith::crypto {

/// hash() of what comes piece by piece, so that it need not be at hand as a whole.  Not copyable,
/// and of one use.
class Hasher {
 public:
  Hasher();
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;
  void append(ByteView data);
  [[nodiscard]] Hash finish();

 private:
  alignas(64) std::array<std::byte, 384> state_;  ///< libsodium's
};

}  // namespace kith::crypto
