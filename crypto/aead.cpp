#include "crypto/aead.hpp"

#include "crypto/sodium.hpp"

#include <array>
#include <cassert>

namespace kith::crypto::aead {
namespace {

using Nonce = std::array<unsigned char, crypto_aead_chacha20poly1305_ietf_NPUBBYTES>;

static_assert(kTagSize == crypto_aead_chacha20poly1305_ietf_ABYTES);
static_assert(Key::extent == crypto_aead_chacha20poly1305_ietf_KEYBYTES);

// "32 bits of zeros followed by little-endian encoding of n"
Nonce nonce_for(std::uint64_t counter) {
  Nonce nonce{};
  for (std::size_t i = 0; i < 8; ++i) nonce[4 + i] = static_cast<unsigned char>(counter >> (8 * i));
  return nonce;
}

}  // namespace

void encrypt(Key key, std::uint64_t counter, ByteView associated, ByteView plaintext,
             std::span<std::byte> ciphertext) {
  assert(ciphertext.size() == plaintext.size() + kTagSize);
  crypto_aead_chacha20poly1305_ietf_encrypt(raw(ciphertext), nullptr, raw(plaintext),
                                            plaintext.size(), raw(associated), associated.size(),
                                            nullptr, nonce_for(counter).data(), raw(key));
}

bool decrypt(Key key, std::uint64_t counter, ByteView associated, ByteView ciphertext,
             std::span<std::byte> plaintext) {
  assert(ciphertext.size() == plaintext.size() + kTagSize);
  return crypto_aead_chacha20poly1305_ietf_decrypt(
             raw(plaintext), nullptr, nullptr, raw(ciphertext), ciphertext.size(), raw(associated),
             associated.size(), nonce_for(counter).data(), raw(key)) == 0;
}

}  // namespace kith::crypto::aead
