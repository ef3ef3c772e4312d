#pragma once

#include "crypto/bytes.hpp"
#include "model/encoding.hpp"
#include "model/pipe/fd.hpp"
#include "model/pipe/memfd.hpp"
#include "net/limits.hpp"

#include <cstdint>
#include <functional>
#include <vector>

namespace kith::daemon {

/// Of a file with all values of a model, in bytes: more than these do not travel.
inline constexpr std::size_t kLargestSnapshot = std::size_t{4} << 30;
static_assert(kLargestSnapshot == net::limits::kChunksPerSnapshot * net::limits::kChunk);

/// What all snapshot files of a task have in common, and how their values travel.  So only values
/// travel: who learns the task knows the rest.
struct SnapshotForm {
  Bytes header;              ///< all that is before the values in a file
  std::uint64_t values = 0;  ///< floats that follow it
  model::Encoding encoding = model::Encoding::bf16;

  [[nodiscard]] std::uint64_t file_size() const;     ///< bytes
  [[nodiscard]] std::uint64_t encoded_size() const;  ///< bytes, before compression
  [[nodiscard]] std::uint64_t chunks() const;
  [[nodiscard]] std::size_t values_in(std::uint64_t chunk) const;
};

/// Of the task whose M0 is `initial`, a snapshot file.  Throws WorkerLost if it is none.
[[nodiscard]] SnapshotForm form_of(ByteView initial, model::Encoding encoding);

/// Hands every chunk of `file` to `take`, in order, borrowed for the call.  Never holds more than
/// one.  Throws WorkerLost if the file has not this form or cannot be read.
void encode_snapshot(const pipe::Fd& file, const SnapshotForm& form,
                     const std::function<void(ByteView chunk)>& take);

/// The other way, into a file in memory.  `form` is borrowed.  Throws std::system_error.
class SnapshotDecoder {
 public:
  explicit SnapshotDecoder(const SnapshotForm& form);
  /// The next chunk, whoever made it; false if it is not an encoding of as many values as it should
  /// have, or there should be no more.
  [[nodiscard]] bool append(ByteView chunk);
  /// The file, after the last chunk.
  [[nodiscard]] pipe::Fd seal();

 private:
  const SnapshotForm& form_;
  model::ChunkDecoder decoder_;
  pipe::MemfdWriter file_;
  std::vector<float> values_;  // of one chunk
  std::uint64_t next_ = 0;     // chunk
};

}  // namespace kith::daemon
