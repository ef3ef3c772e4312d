#pragma once

#include "crypto/bytes.hpp"

#include <algorithm>
#include <cassert>
#include <memory>

namespace kith::crypto {

namespace detail {
[[nodiscard]] std::byte* allocate_secret(std::size_t size);  ///< zeroed; throws std::bad_alloc
void fill_randomly(std::span<std::byte> bytes);
[[nodiscard]] bool equal_in_constant_time(ByteView a, ByteView b);  ///< requires equal sizes
struct FreeSecret {
  void operator()(std::byte* memory) const noexcept;  ///< wipes first
};
}  // namespace detail

/// N bytes that must not leak: kept out of swap and core dumps, between guard pages, and wiped when
/// the object is destroyed or assigned to.  Each one costs a few pages: make few, keep them short.
///
/// Ownership: move-only, so that every copy is visible: `Secret<32>(other.data())`.  A moved-from
/// Secret holds nothing; only empty(), assignment and destruction may follow.
/// It has no operator<<, and must not get one.
template <std::size_t N>
class Secret {
 public:
  /// N zero bytes.
  Secret() : memory_(detail::allocate_secret(N)) {}
  explicit Secret(std::span<const std::byte, N> bytes) : Secret() {
    std::ranges::copy(bytes, memory_.get());
  }
  [[nodiscard]] static Secret random() {
    Secret secret;
    detail::fill_randomly(secret.data());
    return secret;
  }

  [[nodiscard]] bool empty() const { return !memory_; }
  [[nodiscard]] std::span<std::byte, N> data() {
    assert(!empty());
    return std::span<std::byte, N>(memory_.get(), N);
  }
  [[nodiscard]] std::span<const std::byte, N> data() const {
    assert(!empty());
    return std::span<const std::byte, N>(memory_.get(), N);
  }

  /// In constant time.
  friend bool operator==(const Secret& a, const Secret& b) {
    return detail::equal_in_constant_time(a.data(), b.data());
  }

 private:
  std::unique_ptr<std::byte[], detail::FreeSecret> memory_;
};

}  // namespace kith::crypto
