#include "crypto/channel_key.hpp"

#include "crypto/sodium.hpp"

#include <utility>

namespace kith::crypto {

static_assert(std::tuple_size_v<ChannelPublicKey> == crypto_scalarmult_BYTES);

ChannelKey ChannelKey::generate() { return ChannelKey(Secret<32>::random()); }

ChannelKey ChannelKey::from_secret(const Secret<32>& secret) {
  return ChannelKey(Secret<32>(secret.data()));
}

ChannelKey::ChannelKey(Secret<32> secret) : secret_(std::move(secret)) {
  crypto_scalarmult_base(raw(public_key_), raw(secret_.data()));
}

}  // namespace kith::crypto
