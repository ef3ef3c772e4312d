#pragma once

#include <sodium.h>

#include <array>
#include <cstddef>
#include <ranges>
#include <span>
#include <type_traits>

// For the .cpp files of this folder only: libsodium speaks unsigned char, Kith speaks std::byte.
namespace kith::crypto {

/// Where `bytes` begin; const if they are.
template <std::ranges::contiguous_range Range>
[[nodiscard]] auto* raw(Range&& bytes) {
  using Byte = std::remove_reference_t<std::ranges::range_reference_t<Range>>;
  static_assert(std::is_same_v<std::remove_const_t<Byte>, std::byte>);
  using Raw = std::conditional_t<std::is_const_v<Byte>, const unsigned char, unsigned char>;
  return reinterpret_cast<Raw*>(std::ranges::data(bytes));
}

/// Secret bytes that do not outlive a function: on the stack, zero at first, wiped at the end.
template <std::size_t N>
class Scratch {
 public:
  Scratch() = default;
  ~Scratch() { sodium_memzero(bytes_.data(), N); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  [[nodiscard]] std::span<std::byte, N> data() { return bytes_; }

 private:
  std::array<std::byte, N> bytes_{};
};

}  // namespace kith::crypto
