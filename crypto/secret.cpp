#include "crypto/secret.hpp"

#include "crypto/sodium.hpp"

#include <new>

namespace kith::crypto::detail {

std::byte* allocate_secret(std::size_t size) {
  // sodium_init() draws the canary that guards secret memory; 1 means that it ran before.
  assert(sodium_init() == 1 && "call kith::crypto::init() first");
  void* const memory = sodium_malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  sodium_memzero(memory, size);
  return static_cast<std::byte*>(memory);
}

void FreeSecret::operator()(std::byte* memory) const noexcept { sodium_free(memory); }

void fill_randomly(std::span<std::byte> bytes) { randombytes_buf(bytes.data(), bytes.size()); }

bool equal_in_constant_time(ByteView a, ByteView b) {
  assert(a.size() == b.size());
  return sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace kith::crypto::detail
