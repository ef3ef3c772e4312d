#include "crypto/seal.hpp"

#include "crypto/aead.hpp"
#include "crypto/sodium.hpp"

namespace kith::crypto {

static_assert(kSealOverhead == crypto_box_SEALBYTES);
static_assert(kChunkOverhead == aead::kTagSize);

Bytes seal_to(const ChannelPublicKey& recipient, ByteView plaintext) {
  Bytes sealed(plaintext.size() + kSealOverhead);
  const int status = crypto_box_seal(raw(sealed), raw(plaintext), plaintext.size(), raw(recipient));
  // A key of small order shares no secret with anybody.  Its owner chose it; nobody else suffers.
  if (status != 0) randombytes_buf(sealed.data(), sealed.size());
  return sealed;
}

std::optional<Bytes> open_sealed(const ChannelKey& key, ByteView sealed) {
  if (sealed.size() < kSealOverhead) return std::nullopt;
  Bytes plaintext(sealed.size() - kSealOverhead);
  const int status = crypto_box_seal_open(raw(plaintext), raw(sealed), sealed.size(),
                                          raw(key.public_key()), raw(key.secret().data()));
  if (status != 0) return std::nullopt;
  return plaintext;
}

Bytes encrypt_chunk(const ContentKey& key, std::uint64_t index, ByteView plaintext) {
  Bytes ciphertext(plaintext.size() + kChunkOverhead);
  aead::encrypt(key.data(), index, {}, plaintext, ciphertext);
  return ciphertext;
}

std::optional<Bytes> decrypt_chunk(const ContentKey& key, std::uint64_t index,
                                   ByteView ciphertext) {
  if (ciphertext.size() < kChunkOverhead) return std::nullopt;
  Bytes plaintext(ciphertext.size() - kChunkOverhead);
  if (!aead::decrypt(key.data(), index, {}, ciphertext, plaintext)) return std::nullopt;
  return plaintext;
}

}  // namespace kith::crypto
