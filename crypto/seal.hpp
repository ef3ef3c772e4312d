#pragma once

#include "crypto/bytes.hpp"
#include "crypto/channel_key.hpp"
#include "crypto/hash.hpp"
#include "crypto/secret.hpp"

#include <cstdint>
#include <optional>

// How snapshots stay readable to members only: every chunk is encrypted under the snapshot's
// content key, and the content key is sealed to each member.
namespace kith::crypto {

inline constexpr std::size_t kSealOverhead = 48;   ///< bytes added by seal_to()
inline constexpr std::size_t kChunkOverhead = 16;  ///< bytes added by encrypt_chunk()

/// Anonymous public-key encryption (crypto_box_seal): only `recipient` can read it, and nobody can
/// tell who sealed it.  To a key that is nobody's it seals nothing: random bytes come out.
[[nodiscard]] Bytes seal_to(const ChannelPublicKey& recipient, ByteView plaintext);
/// nullopt if it was not sealed to `key` or was altered.
[[nodiscard]] std::optional<Bytes> open_sealed(const ChannelKey& key, ByteView sealed);

/// The secret of one snapshot, fresh for each: ContentKey::random().  What is encrypted with it is
/// bound to a context, the snapshot's place: whoever passes it on under another place passes on
/// nothing that can be read.
using ContentKey = Secret<32>;

/// Encrypts the chunks of the snapshot with that context.
class ChunkKey {
 public:
  ChunkKey(const ContentKey& content, ByteView context);

  /// ChaCha20-Poly1305 (IETF) with `index` as nonce: one key encrypts each index once only.
  [[nodiscard]] Bytes encrypt_chunk(std::uint64_t index, ByteView plaintext) const;
  /// nullopt if it is not the chunk that was encrypted under this key and index.
  [[nodiscard]] std::optional<Bytes> decrypt_chunk(std::uint64_t index, ByteView ciphertext) const;

 private:
  Secret<32> key_;
};

/// Tells which content key belongs to a context, and nothing of the key: without it an origin could
/// hand each member another key, under which the same chunks read otherwise.
[[nodiscard]] Hash commitment(const ContentKey& content, ByteView context);

}  // namespace kith::crypto
