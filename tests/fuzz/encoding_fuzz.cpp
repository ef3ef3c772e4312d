// Whatever the bytes: decoding never crashes or makes large buffers, and what it reads encodes and
// decodes again, to the same values.  (Not int8: others may choose other scales than we.)
#include "model/encoding.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

using namespace kith::model;

bool same(Encoding encoding, float a, float b) {
  const bool quieted = encoding == Encoding::bf16 && std::isnan(a) && std::isnan(b);
  return quieted || std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kHeader = 4;  // which encoding, and how many values
  if (size < kHeader) return 0;
  const auto encoding = static_cast<Encoding>(data[0] % 3);
  std::uint32_t count = 0;
  std::memcpy(&count, data + 1, kHeader - 1);
  std::vector<float> values(1 + count % values_per_chunk(encoding));

  ChunkDecoder decoder(encoding);
  if (!decoder.decode(std::as_bytes(std::span(data, size)).subspan(kHeader), values)) return 0;
  ChunkEncoder encoder(encoding);
  std::vector<float> again(values.size());
  const kith::ByteView chunk = encoder.encode(values);
  if (chunk.size() > encoded_size(encoding, values.size())) std::abort();
  if (!decoder.decode(chunk, again)) std::abort();
  for (std::size_t i = 0; i < values.size() && encoding != Encoding::int8; ++i) {
    if (!same(encoding, values[i], again[i])) std::abort();
  }
  return 0;
}
