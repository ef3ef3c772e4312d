#include "crypto/dh_key.hpp"

#include "crypto/sodium.hpp"

#include <utility>

namespace kith::crypto {

static_assert(std::tuple_size_v<DhPublicKey> == crypto_scalarmult_BYTES);

DhKey DhKey::generate() { return DhKey(Secret<32>::random()); }

DhKey DhKey::from_secret(const Secret<32>& secret) { return DhKey(Secret<32>(secret.data())); }

DhKey::DhKey(Secret<32> secret) : secret_(std::move(secret)) {
  crypto_scalarmult_base(raw(public_key_), raw(secret_.data()));
}

}  // namespace kith::crypto
