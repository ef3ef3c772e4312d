#pragma once

#include "crypto/bytes.hpp"
#include "crypto/secret.hpp"

#include <array>
#include <compare>
#include <optional>
#include <string>
#include <string_view>

namespace kith::crypto {

/// Who a node is: its Ed25519 public key.
struct NodeId {
  std::array<std::byte, 32> key{};
  auto operator<=>(const NodeId&) const = default;
};

/// Eight groups of seven, short enough to read on the telephone:
/// `txd9g0c-2p45bfn-…`.  Lower-case Crockford base32: digits and letters without i, l, o and u.
/// 52 digits are the key; the last four catch one or two wrong digits and any two swapped.
[[nodiscard]] std::string to_string(const NodeId& id);

/// The first group of to_string(): for tables and logs where the whole id is elsewhere.  It proves
/// nothing, since anybody can search for a key whose id begins with a given group.
[[nodiscard]] std::string short_name(const NodeId& id);

/// Forgives case, grouping (any '-' and ' '), and o for 0, i and l for 1.
/// nullopt if a digit is not base32, the length is wrong or the check digits do not fit.
[[nodiscard]] std::optional<NodeId> parse_node_id(std::string_view text);

using Signature = std::array<std::byte, 64>;  ///< Ed25519

/// The long-term Ed25519 key pair that a node signs with.  Move-only; the secret half is wiped.
class Identity {
 public:
  [[nodiscard]] static Identity generate();
  [[nodiscard]] static Identity from_seed(const Secret<32>& seed);

  [[nodiscard]] const NodeId& id() const { return id_; }
  [[nodiscard]] Signature sign(ByteView message) const;
  [[nodiscard]] const Secret<32>& seed() const { return seed_; }

 private:
  explicit Identity(Secret<32> seed);

  Secret<32> seed_;
  Secret<64> signing_key_;  // seed and public key, the form that libsodium signs with
  NodeId id_;
};

/// True if `signature` is `signer`'s over exactly `message`.  Rejects small-order keys.
[[nodiscard]] bool verify(const NodeId& signer, ByteView message, const Signature& signature);

}  // namespace kith::crypto
