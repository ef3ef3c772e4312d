#pragma once

#include "crypto/channel_key.hpp"
#include "crypto/hash.hpp"
#include "crypto/identity.hpp"
#include "net/archive.hpp"
#include "net/limits.hpp"

#include <compare>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace kith::net {

using crypto::Hash;
using crypto::NodeId;

/// Names a snapshot: the BLAKE2b of its head's bytes.
using SnapshotId = Hash;

/// Where a snapshot stands in its origin's log.  (origin, position) is unique, or the origin lies.
struct LogPosition {
  std::uint64_t log =
      0;  ///< microseconds since 1970 when the origin opened this log: later logs are greater
  std::uint64_t sequence = 0;  ///< from 1, without a repeat
  auto operator<=>(const LogPosition&) const = default;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(log, sequence);
  }
};

/// What an origin says of one snapshot: 233 bytes, fixed layout, signed.
struct Head {
  std::uint8_t format = 3;
  Hash founded{};  ///< of the consortium: id of the first version of its charter
  NodeId origin;
  crypto::ChannelPublicKey key{};  ///< of the origin, by its card; signs this
  LogPosition position;
  SnapshotId previous{};            ///< the origin's snapshot before this one; zeros for the first
  Hash task{};                      ///< what is being learnt
  std::uint32_t round = 0;          ///< of the origin's learning loop
  std::uint64_t examples = 0;       ///< the origin trained on
  std::uint64_t size = 0;           ///< bytes of all chunks before compression and encryption
  std::uint32_t manifest_size = 0;  ///< bytes
  Hash manifest{};                  ///< of the encoded Manifest

  template <class Archive>
  void serialize(Archive& archive) {
    archive(format, founded, origin.key, key.key, position, previous, task, round, examples, size,
            manifest_size, manifest);
  }
};
inline constexpr std::size_t kHeadSize = 1 + 32 + 32 + 32 + 16 + 32 + 32 + 4 + 8 + 8 + 4 + 32;

/// A head as it travels and is stored: the exact bytes that were signed.
struct SignedHead {
  std::array<std::byte, kHeadSize> bytes{};
  crypto::Signature signature{};

  [[nodiscard]] SnapshotId id() const { return crypto::hash(bytes); }
  template <class Archive>
  void serialize(Archive& archive) {
    archive(bytes, signature);
  }
};

/// Requires that head.key is that of `channel`.
[[nodiscard]] SignedHead sign_head(const Head& head, const crypto::ChannelKey& channel);
/// The head inside, if its fields are sane; says nothing of the signature.
[[nodiscard]] std::optional<Head> parse_head(const SignedHead& head);
/// Whether it is signed by the key that `parsed`, the head inside, names.  Whether that is its
/// origin's, the origin's card says.
[[nodiscard]] bool verify_head(const SignedHead& head, const Head& parsed);

/// What the content key of a snapshot is bound to, so that nobody can pass it on as its own: the
/// consortium, origin and position.
[[nodiscard]] Bytes seal_context(const Head& head);

/// The pieces of a snapshot, who may read them, and what the origin says with it.  Its hash stands
/// in the head, so it is as trustworthy as the signature.
struct Manifest {
  /// The content key, sealed to one member (crypto_box_seal).
  struct SealedKey {
    NodeId member;
    std::array<std::byte, 80> sealed{};
    template <class Archive>
    void serialize(Archive& archive) {
      archive(member.key, sealed);
    }
  };
  std::vector<Hash> chunks;  ///< BLAKE2b of each chunk's ciphertext, in order
  Hash commitment{};         ///< crypto::commitment() of the content key and seal_context()
  std::vector<SealedKey> keys;
  bool note_sealed = false;  ///< only one member can read the note; it is not said which
  Bytes note{};              ///< for the strategy of whoever can read it; empty: none

  template <class Archive>
  void serialize(Archive& archive) {
    archive(at_most<limits::kChunksPerSnapshot>(chunks), commitment,
            at_most<limits::kMembers>(keys), note_sealed, at_most<limits::kNote>(note));
  }
};
inline constexpr std::size_t kManifestMaximum =
    8 + limits::kChunksPerSnapshot * 32 + 32 + limits::kMembers * (32 + 80) + 1 + 4 + limits::kNote;

/// How many chunks a snapshot of `size` bytes has.
[[nodiscard]] constexpr std::uint64_t chunk_count(std::uint64_t size) {
  return size / limits::kChunk + (size % limits::kChunk != 0 ? 1 : 0);
}
/// Bytes of chunk `index` of a snapshot of `size` bytes, before compression and encryption.
[[nodiscard]] constexpr std::size_t chunk_size(std::uint64_t size, std::uint64_t index) {
  const std::uint64_t rest = size - index * limits::kChunk;
  return static_cast<std::size_t>(rest < limits::kChunk ? rest : limits::kChunk);
}

}  // namespace kith::net
