#pragma once

#include "crypto/hash.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace kith {

inline Bytes bytes(ByteView view) { return {view.begin(), view.end()}; }
inline Bytes bytes(std::string_view text) { return bytes(as_byte_view(text)); }

/// `text` must be hexadecimal.
inline Bytes unhex(std::string_view text) { return crypto::from_hex(text).value(); }

template <std::size_t N>
std::array<std::byte, N> unhex_array(std::string_view text) {
  std::array<std::byte, N> array{};
  const Bytes data = unhex(text);
  std::copy_n(data.begin(), std::min(N, data.size()), array.begin());
  return array;
}

/// Bit 0 is the lowest of the first byte.
inline Bytes with_bit_flipped(ByteView original, std::size_t bit) {
  Bytes damaged = bytes(original);
  damaged.at(bit / 8) ^= std::byte{1} << static_cast<int>(bit % 8);
  return damaged;
}

}  // namespace kith
