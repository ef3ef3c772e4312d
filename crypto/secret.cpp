#include "crypto/secret.hpp"

#include "crypto/init.hpp"
#include "crypto/sodium.hpp"

#include <atomic>
#include <new>

namespace kith::crypto {
namespace {

std::atomic<void (*)()> not_locked = nullptr;

void tell_once() {
  if (auto* const tell = not_locked.exchange(nullptr)) tell();
}

}  // namespace

void on_unlocked_memory(void (*tell)()) { not_locked = tell; }

}  // namespace kith::crypto

namespace kith::crypto::detail {

std::byte* allocate_secret(std::size_t size) {
  // sodium_init() draws the canary that guards secret memory; 1 means that it ran before.
  assert(sodium_init() == 1 && "call kith::crypto::init() first");
  void* const memory = sodium_malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  // It has tried this already, and not told.
  if (sodium_mlock(memory, size) != 0) tell_once();
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
