#pragma once

#include "crypto/bytes.hpp"
#include "crypto/dh_key.hpp"
#include "crypto/identity.hpp"
#include "crypto/secret.hpp"

#include <array>
#include <compare>
#include <optional>

namespace kith::crypto {

/// The public half of a channel key, Ed25519.
struct ChannelPublicKey {
  std::array<std::byte, 32> key{};
  auto operator<=>(const ChannelPublicKey&) const = default;

  /// Its X25519 form, for handshakes and sealing; nullopt if it is no point of the main subgroup,
  /// and so nobody's key.
  [[nodiscard]] std::optional<DhPublicKey> dh() const;
};

/// The key that a running node works with: it authenticates connections, opens what is sealed to
/// the node, and signs what the node publishes.  The node key, which may be kept elsewhere,
/// vouches for it (net/card.hpp) and can put another in its place.
///
/// One seed serves Ed25519 and, by the birational map, X25519.  Using one key pair for both is
/// sound: E. Thormarker, "On using the same key pair for Ed25519 and an X25519 based KEM", 2021.
/// Move-only; the secret half is wiped.
class ChannelKey {
 public:
  [[nodiscard]] static ChannelKey generate();
  [[nodiscard]] static ChannelKey from_seed(const Secret<32>& seed);

  [[nodiscard]] const ChannelPublicKey& public_key() const { return public_key_; }
  [[nodiscard]] const DhKey& dh() const { return dh_; }
  [[nodiscard]] Signature sign(ByteView message) const { return signer_.sign(message); }
  [[nodiscard]] const Secret<32>& seed() const { return signer_.seed(); }

 private:
  explicit ChannelKey(Identity signer);

  Identity signer_;
  DhKey dh_;
  ChannelPublicKey public_key_;
};

/// True if `signature` is by `signer` over exactly `message`.
[[nodiscard]] bool verify(const ChannelPublicKey& signer, ByteView message,
                          const Signature& signature);

}  // namespace kith::crypto
