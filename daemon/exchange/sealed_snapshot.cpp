#include "daemon/exchange/sealed_snapshot.hpp"

#include "crypto/seal.hpp"
#include "daemon/system/failure.hpp"

#include <algorithm>
#include <cassert>

namespace kith::daemon {
namespace {

static_assert(sizeof(net::Manifest::SealedKey::sealed) == 32 + crypto::kSealOverhead);
static_assert(net::limits::kChunk == model::kEncodedChunk);
static_assert(net::Piece::kMaximum == net::limits::kChunk + crypto::kChunkOverhead);

std::optional<crypto::ContentKey> content_key(const net::Manifest& manifest,
                                              const NodeKeys& self) {
  const auto mine = std::ranges::find(manifest.keys, self.id, &net::Manifest::SealedKey::member);
  if (mine == manifest.keys.end()) return std::nullopt;
  auto opened = crypto::open_sealed(self.channel, mine->sealed);
  if (!opened && self.former) opened = crypto::open_sealed(*self.former, mine->sealed);
  if (!opened || opened->size() != 32) return std::nullopt;
  return crypto::ContentKey(std::span<const std::byte, 32>(*opened));
}

}  // namespace

net::Manifest seal_snapshot(const pipe::Fd& file, const SnapshotForm& form,
                            const std::vector<SnapshotReader>& readers, ByteView context,
                            Blobs& blobs) {
  if (form.chunks() > net::limits::kChunksPerSnapshot) {
    throw Failure(EX_CONFIG, "the model is larger than a snapshot may be, which is 4 GiB as " +
                                 std::string(model::name(form.encoding)) +
                                 "; choose a smaller one, or another task.encoding");
  }
  net::Manifest manifest;
  const auto content = crypto::ContentKey::random();
  const crypto::ChunkKey key(content, context);
  manifest.commitment = crypto::commitment(content, context);
  encode_snapshot(file, form, [&](ByteView chunk) {
    const Bytes sealed = key.encrypt_chunk(manifest.chunks.size(), chunk);
    manifest.chunks.push_back(crypto::hash(sealed));
    blobs.write(manifest.chunks.back(), sealed, Blobs::Durability::durable);
  });
  for (const SnapshotReader& reader : readers) {
    net::Manifest::SealedKey for_reader{reader.id, {}};
    const Bytes box = crypto::seal_to(reader.channel, content.data());
    assert(box.size() == for_reader.sealed.size());
    std::ranges::copy(box, for_reader.sealed.begin());
    manifest.keys.push_back(for_reader);
  }
  return manifest;
}

std::variant<pipe::Fd, Unopened> open_snapshot(const net::Manifest& manifest,
                                               const SnapshotForm& form, ByteView context,
                                               const NodeKeys& self, const Blobs& blobs) {
  const auto content = content_key(manifest, self);
  if (!content) return Unopened{"it is not sealed to this node"};
  if (crypto::commitment(*content, context) != manifest.commitment) {
    return Unopened{"this node was given another key than the one that its origin vouches for"};
  }
  const crypto::ChunkKey key(*content, context);
  if (manifest.chunks.size() != form.chunks()) {
    return Unopened{"it has the wrong number of chunks"};
  }
  SnapshotDecoder decoder(form);
  for (std::uint64_t i = 0; i < manifest.chunks.size(); ++i) {
    const auto sealed = blobs.read(manifest.chunks[i]);
    const auto chunk = sealed ? key.decrypt_chunk(i, *sealed) : std::nullopt;
    if (!chunk) {  // the hash, which was right when it came, says whose fault that is
      const bool lost = !sealed || crypto::hash(*sealed) != manifest.chunks[i];
      if (lost) return Unopened{"a chunk of it was lost on our disk", true};
      return Unopened{"it does not decrypt"};
    }
    if (!decoder.append(*chunk)) return Unopened{"it is not encoded as the task says"};
  }
  return decoder.seal();
}

}  // namespace kith::daemon
