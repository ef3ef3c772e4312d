#include "crypto/channel_key.hpp"

#include "crypto/sodium.hpp"

#include <utility>

namespace kith::crypto {
namespace {

DhKey dh_of(const Secret<32>& seed) {
  Scratch<32> ignored;
  Secret<64> signing_key;
  crypto_sign_seed_keypair(raw(ignored.data()), raw(signing_key.data()), raw(seed.data()));
  Secret<32> secret;
  crypto_sign_ed25519_sk_to_curve25519(raw(secret.data()), raw(signing_key.data()));
  return DhKey::from_secret(secret);
}

}  // namespace

std::optional<DhPublicKey> ChannelPublicKey::dh() const {
  DhPublicKey found{};
  if (crypto_sign_ed25519_pk_to_curve25519(raw(found), raw(key)) != 0) return std::nullopt;
  return found;
}

ChannelKey ChannelKey::generate() { return ChannelKey(Identity::generate()); }

ChannelKey ChannelKey::from_seed(const Secret<32>& seed) {
  return ChannelKey(Identity::from_seed(seed));
}

ChannelKey::ChannelKey(Identity signer)
    : signer_(std::move(signer)), dh_(dh_of(signer_.seed())), public_key_{signer_.id().key} {}

bool verify(const ChannelPublicKey& signer, ByteView message, const Signature& signature) {
  return verify(NodeId{signer.key}, message, signature);
}

}  // namespace kith::crypto
