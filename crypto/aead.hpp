#pragma once

#include "crypto/bytes.hpp"

#include <cstdint>

// ChaCha20-Poly1305 (RFC 8439) as the Noise specification uses it: ENCRYPT() and DECRYPT() of its
// section 12.3, with the nonce a counter.  One key encrypts under each counter once only.
namespace kith::crypto::aead {

inline constexpr std::size_t kTagSize = 16;  ///< bytes

using Key = std::span<const std::byte, 32>;

/// Requires ciphertext.size() == plaintext.size() + kTagSize.  The two may share their beginning.
void encrypt(Key key, std::uint64_t counter, ByteView associated, ByteView plaintext,
             std::span<std::byte> ciphertext);

/// False if the ciphertext is not authentic.  Requires ciphertext.size() >= kTagSize and
/// plaintext.size() == ciphertext.size() - kTagSize.
[[nodiscard]] bool decrypt(Key key, std::uint64_t counter, ByteView associated, ByteView ciphertext,
                           std::span<std::byte> plaintext);

}  // namespace kith::crypto::aead
