#include "crypto/seal.hpp"

#include "crypto/aead.hpp"
#include "crypto/sodium.hpp"

#include <string_view>

namespace kith::crypto {
namespace {

static_assert(kSealOverhead == crypto_box_SEALBYTES);
static_assert(kChunkOverhead == aead::kTagSize);

/// BLAKE2b of label and context under `key`.
void derive(const Secret<32>& key, std::string_view label, ByteView context,
            std::span<std::byte, 32> out) {
  crypto_generichash_state state;
  crypto_generichash_init(&state, raw(key.data()), key.data().size(), out.size());
  crypto_generichash_update(&state, raw(as_byte_view(label)), label.size());
  crypto_generichash_update(&state, raw(context), context.size());
  crypto_generichash_final(&state, raw(out), out.size());
  sodium_memzero(&state, sizeof state);
}

}  // namespace

Bytes seal_to(const ChannelPublicKey& recipient, ByteView plaintext) {
  Bytes sealed(plaintext.size() + kSealOverhead);
  const auto dh = recipient.dh();
  // A key of small order shares no secret with anybody.  Its owner chose it; nobody else suffers.
  if (!dh || crypto_box_seal(raw(sealed), raw(plaintext), plaintext.size(), raw(*dh)) != 0) {
    randombytes_buf(sealed.data(), sealed.size());
  }
  return sealed;
}

std::optional<Bytes> open_sealed(const ChannelKey& key, ByteView sealed) {
  if (sealed.size() < kSealOverhead) return std::nullopt;
  Bytes plaintext(sealed.size() - kSealOverhead);
  const int status =
      crypto_box_seal_open(raw(plaintext), raw(sealed), sealed.size(), raw(key.dh().public_key()),
                           raw(key.dh().secret().data()));
  if (status != 0) return std::nullopt;
  return plaintext;
}

ChunkKey::ChunkKey(const ContentKey& content, ByteView context) {
  derive(content, "kith chunk key 2\n", context, key_.data());
}

Bytes ChunkKey::encrypt_chunk(std::uint64_t index, ByteView plaintext) const {
  Bytes ciphertext(plaintext.size() + kChunkOverhead);
  aead::encrypt(key_.data(), index, {}, plaintext, ciphertext);
  return ciphertext;
}

std::optional<Bytes> ChunkKey::decrypt_chunk(std::uint64_t index, ByteView ciphertext) const {
  if (ciphertext.size() < kChunkOverhead) return std::nullopt;
  Bytes plaintext(ciphertext.size() - kChunkOverhead);
  if (!aead::decrypt(key_.data(), index, {}, ciphertext, plaintext)) return std::nullopt;
  return plaintext;
}

Hash commitment(const ContentKey& content, ByteView context) {
  Hash made;
  derive(content, "kith key commitment 2\n", context, made);
  return made;
}

}  // namespace kith::crypto
