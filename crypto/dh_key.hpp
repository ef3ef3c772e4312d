#pragma once

#include "crypto/bytes.hpp"
#include "crypto/secret.hpp"

#include <array>

namespace kith::crypto {

/// X25519.  Any 32 bytes are one.  Some (the points of small order) are nobody's: a peer that
/// publishes such a key cuts off only itself, since nobody can then answer its handshakes or open
/// what is sealed to it.
using DhPublicKey = std::array<std::byte, 32>;

/// The X25519 key pair of a Noise handshake, static or ephemeral.  Move-only; the secret half is
/// wiped.
class DhKey {
 public:
  [[nodiscard]] static DhKey generate();
  [[nodiscard]] static DhKey from_secret(const Secret<32>& secret);

  [[nodiscard]] const DhPublicKey& public_key() const { return public_key_; }
  [[nodiscard]] const Secret<32>& secret() const { return secret_; }

 private:
  explicit DhKey(Secret<32> secret);

  Secret<32> secret_;
  DhPublicKey public_key_{};
};

}  // namespace kith::crypto
