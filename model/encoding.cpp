#include "model/encoding.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cmath>
#include <cstring>
#include <limits>
#include <new>
#include <zstd.h>

namespace kith::model {
namespace {

constexpr int kLevel = 1;
constexpr float kSteps = 127;  // above zero, and as many below

// The loops below are plain and over separate arrays, so that compilers turn them into vector
// instructions; see CMakeLists.txt.

using Plane = std::byte*;
using ConstPlane = const std::byte*;

constexpr std::byte byte_of(std::uint32_t bits, unsigned index) {
  return static_cast<std::byte>(bits >> (8 * index));
}

// --- fp32: four planes, the least significant bytes first ---

void split(std::span<const float> values, Plane __restrict to) {
  const std::size_t count = values.size();
  for (unsigned plane = 0; plane < 4; ++plane) {
    for (std::size_t i = 0; i < count; ++i) {
      to[plane * count + i] = byte_of(std::bit_cast<std::uint32_t>(values[i]), plane);
    }
  }
}

void join(ConstPlane __restrict from, std::span<float> values) {
  const std::size_t count = values.size();
  const std::array<ConstPlane, 4> plane{from, from + count, from + 2 * count, from + 3 * count};
  for (std::size_t i = 0; i < count; ++i) {
    const auto bits = static_cast<std::uint32_t>(plane[0][i]) |
                      static_cast<std::uint32_t>(plane[1][i]) << 8 |
                      static_cast<std::uint32_t>(plane[2][i]) << 16 |
                      static_cast<std::uint32_t>(plane[3][i]) << 24;
    values[i] = std::bit_cast<float>(bits);
  }
}

// --- bf16: the upper half of a float, rounded; two planes, the lower bytes first ---

constexpr std::uint32_t rounded(std::uint32_t bits) {
  // What is no number must not become infinity when its lower bits go.
  const bool is_nan = (bits & 0x7fffffff) > 0x7f800000;
  const std::uint32_t nearest = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;  // ties to even
  return is_nan ? bits >> 16 | 0x40 : nearest;
}

void halve(std::span<const float> values, Plane __restrict to) {
  const std::size_t count = values.size();
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t half = rounded(std::bit_cast<std::uint32_t>(values[i]));
    to[i] = byte_of(half, 0);
    to[count + i] = byte_of(half, 1);
  }
}

void double_up(ConstPlane __restrict from, std::span<float> values) {
  const std::size_t count = values.size();
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = std::bit_cast<float>(static_cast<std::uint32_t>(from[i]) << 16 |
                                     static_cast<std::uint32_t>(from[count + i]) << 24);
  }
}

// --- int8: whole multiples of a scale; all of them, then the scales of the blocks in planes ---

constexpr std::size_t kMostScales = kEncodedChunk / 256;

std::size_t scales_for(std::size_t values) {
  return (values + kValuesPerScale - 1) / kValuesPerScale;
}

/// The step of a block; zero if all of it rounds to zero, not a number if any of it is not finite.
float scale_of(std::span<const float> block) {
  // As whole numbers, sizes of floats compare as they do as floats, and infinity and NaN above all.
  std::uint32_t largest = 0;
  for (const float value : block) {
    largest = std::max(largest, std::bit_cast<std::uint32_t>(value) & 0x7fffffff);
  }
  if (largest >= 0x7f800000) return std::numeric_limits<float>::quiet_NaN();
  const float scale = std::bit_cast<float>(largest) / kSteps;
  // Below that it has not the precision to be a step.
  return scale < std::numeric_limits<float>::min() ? 0 : scale;
}

void quantise_block(std::span<const float> block, float scale, Plane __restrict to) {
  // Adding this to a small float leaves the nearest whole number in its lowest bits, ties to even.
  constexpr float kRounder = 0x1.8p23F;
  const float steps = scale > 0 ? 1 / scale : 0;  // of what is not a number: whatever
  for (std::size_t i = 0; i < block.size(); ++i) {
    to[i] = byte_of(std::bit_cast<std::uint32_t>(block[i] * steps + kRounder), 0);
  }
}

void quantise(std::span<const float> values, Plane to) {
  std::array<float, kMostScales> scales;
  std::size_t blocks = 0;
  for (std::size_t at = 0; at < values.size(); at += kValuesPerScale) {
    const auto block = values.subspan(at, std::min(kValuesPerScale, values.size() - at));
    scales[blocks] = scale_of(block);
    quantise_block(block, scales[blocks], to + at);
    ++blocks;
  }
  split(std::span(scales).first(blocks), to + values.size());
}

void scale_block(ConstPlane __restrict from, float scale, std::span<float> block) {
  for (std::size_t i = 0; i < block.size(); ++i) {
    block[i] = scale * static_cast<float>(static_cast<std::int8_t>(from[i]));
  }
}

void restore(ConstPlane from, std::span<float> values) {
  std::array<float, kMostScales> scales;
  join(from + values.size(), std::span(scales).first(scales_for(values.size())));
  for (std::size_t block = 0, at = 0; at < values.size(); ++block, at += kValuesPerScale) {
    scale_block(from + at, scales[block],
                values.subspan(at, std::min(kValuesPerScale, values.size() - at)));
  }
}

bool is_one_frame(ByteView bytes, std::size_t size) {
  std::uint32_t magic = 0;
  if (bytes.size() < sizeof magic) return false;
  std::memcpy(&magic, bytes.data(), sizeof magic);
  return magic == ZSTD_MAGICNUMBER &&  // and not that of an old format, which the library may know
         ZSTD_getDictID_fromFrame(bytes.data(), bytes.size()) == 0 &&
         ZSTD_getFrameContentSize(bytes.data(), bytes.size()) == size &&
         ZSTD_findFrameCompressedSize(bytes.data(), bytes.size()) == bytes.size();
}

}  // namespace

std::string_view name(Encoding encoding) {
  switch (encoding) {
    case Encoding::bf16:
      return "bf16";
    case Encoding::fp32:
      return "fp32";
    case Encoding::int8:
      return "int8";
  }
  return "bf16";
}

std::size_t values_per_chunk(Encoding encoding) {
  switch (encoding) {
    case Encoding::bf16:
      return kEncodedChunk / 2;
    case Encoding::fp32:
      return kEncodedChunk / 4;
    case Encoding::int8:
      return kMostScales * kValuesPerScale;
  }
  return 0;
}

std::uint64_t encoded_size(Encoding encoding, std::uint64_t values) {
  switch (encoding) {
    case Encoding::bf16:
      return 2 * values;
    case Encoding::fp32:
      return 4 * values;
    case Encoding::int8:
      return values + (values + kValuesPerScale - 1) / kValuesPerScale * sizeof(float);
  }
  return 0;
}

// --- Encoding ----------------------------------------------------------------------------------

void ChunkEncoder::Free::operator()(ZSTD_CCtx_s* context) const { ZSTD_freeCCtx(context); }

ChunkEncoder::ChunkEncoder(Encoding encoding)
    : encoding_(encoding),
      context_(ZSTD_createCCtx()),
      plain_(kEncodedChunk),
      packed_(kEncodedChunk) {
  if (!context_) throw std::bad_alloc();
}

ChunkEncoder::~ChunkEncoder() = default;

ByteView ChunkEncoder::encode(std::span<const float> values) {
  assert(!values.empty() && values.size() <= values_per_chunk(encoding_));
  switch (encoding_) {
    case Encoding::bf16:
      halve(values, plain_.data());
      break;
    case Encoding::fp32:
      split(values, plain_.data());
      break;
    case Encoding::int8:
      quantise(values, plain_.data());
      break;
  }
  const auto size = static_cast<std::size_t>(encoded_size(encoding_, values.size()));
  // Room for less than that: what does not become smaller stays as it is, and its length tells.
  const std::size_t packed =
      ZSTD_compressCCtx(context_.get(), packed_.data(), size - 1, plain_.data(), size, kLevel);
  if (ZSTD_isError(packed)) return ByteView(plain_).first(size);
  return ByteView(packed_).first(packed);
}

// --- Decoding ----------------------------------------------------------------------------------

void ChunkDecoder::Free::operator()(ZSTD_DCtx_s* context) const { ZSTD_freeDCtx(context); }

ChunkDecoder::ChunkDecoder(Encoding encoding)
    : encoding_(encoding), context_(ZSTD_createDCtx()), plain_(kEncodedChunk) {
  if (!context_) throw std::bad_alloc();
}

ChunkDecoder::~ChunkDecoder() = default;

bool ChunkDecoder::decode(ByteView chunk, std::span<float> values) {
  assert(!values.empty() && values.size() <= values_per_chunk(encoding_));
  const auto size = static_cast<std::size_t>(encoded_size(encoding_, values.size()));
  const auto plain = unpack(chunk, size);
  if (!plain) return false;
  switch (encoding_) {
    case Encoding::bf16:
      double_up(plain->data(), values);
      break;
    case Encoding::fp32:
      join(plain->data(), values);
      break;
    case Encoding::int8:
      restore(plain->data(), values);
      break;
  }
  return true;
}

std::optional<ByteView> ChunkDecoder::unpack(ByteView chunk, std::size_t size) {
  if (chunk.size() == size) return chunk;
  if (chunk.size() > size || !is_one_frame(chunk, size)) return std::nullopt;
  // Straight into a buffer that is there: whatever window the frame asks for, none is made.
  const std::size_t got =
      ZSTD_decompressDCtx(context_.get(), plain_.data(), size, chunk.data(), chunk.size());
  if (ZSTD_isError(got) || got != size) return std::nullopt;
  return ByteView(plain_).first(size);
}

}  // namespace kith::model
