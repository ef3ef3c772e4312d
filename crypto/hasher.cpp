#include "crypto/hasher.hpp"

#include "crypto/sodium.hpp"

namespace kith::crypto {
namespace {

crypto_generichash_state* state_of(std::array<std::byte, 384>& bytes) {
  static_assert(sizeof(crypto_generichash_state) <= sizeof bytes);
  static_assert(alignof(crypto_generichash_state) <= 64);
  return reinterpret_cast<crypto_generichash_state*>(bytes.data());
}

}  // namespace

Hasher::Hasher() {
  crypto_generichash_init(state_of(state_), nullptr, 0, crypto_generichash_BYTES);
}

void Hasher::append(ByteView data) {
  crypto_generichash_update(state_of(state_), raw(data), data.size());
}

Hash Hasher::finish() {
  Hash digest;
  crypto_generichash_final(state_of(state_), raw(digest), digest.size());
  return digest;
}

}  // namespace kith::crypto
