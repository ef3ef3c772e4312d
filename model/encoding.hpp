#pragma once

#include "crypto/bytes.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

/// How the values of a snapshot travel between nodes; docs/protocol.md has the bytes.
///
/// The values are cut into chunks that stand alone.  Each is made smaller, its bytes are sorted by
/// significance (those that look alike lie together), and compressed with zstd.
namespace kith::model {

enum class Encoding : std::uint8_t {
  bf16,  ///< rounded to 8 significant bits, ties to even
  fp32,  ///< bit for bit
  int8,  ///< in steps of a 127th of the largest of each kValuesPerScale
};

[[nodiscard]] std::string_view name(Encoding encoding);  ///< "bf16"

inline constexpr std::size_t kEncodedChunk = 512 << 10;  ///< bytes, before compression, at most
inline constexpr std::size_t kValuesPerScale = 252;      ///< with int8: 256 bytes with the scale

/// In every chunk but the last.
[[nodiscard]] std::size_t values_per_chunk(Encoding encoding);
/// Bytes of `values` values before compression: all chunks but the last are full.
[[nodiscard]] std::uint64_t encoded_size(Encoding encoding, std::uint64_t values);

/// Makes chunks.  Threads: one at a time.  Throws std::bad_alloc.
class ChunkEncoder {
 public:
  explicit ChunkEncoder(Encoding encoding);
  ~ChunkEncoder();
  ChunkEncoder(const ChunkEncoder&) = delete;
  ChunkEncoder& operator=(const ChunkEncoder&) = delete;

  /// At least one value and at most values_per_chunk().  The result is borrowed until the next
  /// call; it is never longer than encoded_size().
  [[nodiscard]] ByteView encode(std::span<const float> values);

 private:
  struct Free {
    void operator()(ZSTD_CCtx_s* context) const;
  };
  Encoding encoding_;
  std::unique_ptr<ZSTD_CCtx_s, Free> context_;
  Bytes plain_, packed_;
};

/// Reads chunks, whoever made them, in memory that does not depend on what they say.
/// Threads: one at a time.  Throws std::bad_alloc.
class ChunkDecoder {
 public:
  explicit ChunkDecoder(Encoding encoding);
  ~ChunkDecoder();
  ChunkDecoder(const ChunkDecoder&) = delete;
  ChunkDecoder& operator=(const ChunkDecoder&) = delete;

  /// Fills `values`, of which there is at least one and at most values_per_chunk(); false if
  /// `chunk` is not the encoding of just so many.  A value may be infinite or not a number.
  [[nodiscard]] bool decode(ByteView chunk, std::span<float> values);

 private:
  struct Free {
    void operator()(ZSTD_DCtx_s* context) const;
  };
  /// The chunk before compression; nullopt if it is not `size` bytes.
  [[nodiscard]] std::optional<ByteView> unpack(ByteView chunk, std::size_t size);

  Encoding encoding_;
  std::unique_ptr<ZSTD_DCtx_s, Free> context_;
  Bytes plain_;
};

}  // namespace kith::model
