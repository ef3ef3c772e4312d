#include "daemon/sealed_snapshot.hpp"

#include "crypto/seal.hpp"
#include "daemon/failure.hpp"
#include "model/pipe/memfd.hpp"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <sys/stat.h>
#include <unistd.h>

namespace kith::daemon {
namespace {

static_assert(sizeof(net::Manifest::SealedKey::sealed) == 32 + crypto::kSealOverhead);
static_assert(net::Piece::kMaximum == net::limits::kChunk + crypto::kChunkOverhead);

std::uint64_t size_of(const pipe::Fd& file) {
  struct stat status {};
  if (fstat(file.get(), &status) != 0 || status.st_size <= 0) {
    throw Failure(EX_SOFTWARE, "the worker handed over an empty snapshot");
  }
  return static_cast<std::uint64_t>(status.st_size);
}

Bytes read_at(const pipe::Fd& file, std::uint64_t offset, std::size_t size) {
  Bytes bytes(size);
  for (std::size_t done = 0; done < size;) {
    const ssize_t got =
        pread(file.get(), bytes.data() + done, size - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0)
      throw Failure(EX_IOERR,
                    std::string("cannot read the worker's snapshot: ") + std::strerror(errno));
    done += static_cast<std::size_t>(got);
  }
  return bytes;
}

std::optional<crypto::ContentKey> content_key(const net::Manifest& manifest,
                                              const net::NodeId& self,
                                              const crypto::ChannelKey& key) {
  const auto mine = std::ranges::find(manifest.keys, self, &net::Manifest::SealedKey::member);
  if (mine == manifest.keys.end()) return std::nullopt;
  const auto opened = crypto::open_sealed(key, mine->sealed);
  if (!opened || opened->size() != 32) return std::nullopt;
  return crypto::ContentKey(std::span<const std::byte, 32>(*opened));
}

}  // namespace

SealedSnapshot seal_snapshot(const pipe::Fd& file, const net::Consortium& readers, Blobs& blobs) {
  SealedSnapshot sealed;
  sealed.size = size_of(file);
  if (net::chunk_count(sealed.size) > net::limits::kChunksPerSnapshot) {
    throw Failure(EX_CONFIG, "the model is larger than 4 GiB, the most a snapshot may have");
  }
  const auto key = crypto::ContentKey::random();
  for (std::uint64_t i = 0; i < net::chunk_count(sealed.size); ++i) {
    const Bytes plain = read_at(file, i * net::limits::kChunk, net::chunk_size(sealed.size, i));
    const Bytes chunk = crypto::encrypt_chunk(key, i, plain);
    sealed.manifest.chunks.push_back(crypto::hash(chunk));
    blobs.write(sealed.manifest.chunks.back(), chunk, Blobs::Durability::durable);
  }
  for (const net::Member& reader : readers.members()) {
    net::Manifest::SealedKey for_reader{reader.id, {}};
    const Bytes box = crypto::seal_to(reader.channel, key.data());
    assert(box.size() == for_reader.sealed.size());
    std::ranges::copy(box, for_reader.sealed.begin());
    sealed.manifest.keys.push_back(for_reader);
  }
  return sealed;
}

std::variant<pipe::Fd, Unopened> open_snapshot(const net::Manifest& manifest, std::uint64_t size,
                                               const net::NodeId& self,
                                               const crypto::ChannelKey& key, const Blobs& blobs) {
  const auto content = content_key(manifest, self, key);
  if (!content) return Unopened{"it is not sealed to this node"};
  if (manifest.chunks.size() != net::chunk_count(size)) {
    return Unopened{"it has the wrong number of chunks"};
  }
  pipe::MemfdWriter file("snapshot");
  for (std::uint64_t i = 0; i < manifest.chunks.size(); ++i) {
    const auto chunk = blobs.read(manifest.chunks[i]);
    if (!chunk || crypto::hash(*chunk) != manifest.chunks[i]) {
      return Unopened{"a chunk of it was lost on our disk", true};
    }
    const auto plain = crypto::decrypt_chunk(*content, i, *chunk);
    if (!plain || plain->size() != net::chunk_size(size, i)) return Unopened{"it does not decrypt"};
    file.append(*plain);
  }
  return file.seal();
}

}  // namespace kith::daemon
