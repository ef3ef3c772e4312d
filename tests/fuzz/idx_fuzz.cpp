#include "model/data/idx.hpp"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const kith::ByteView file(reinterpret_cast<const std::byte*>(data), size);
  const auto parsed = kith::data::parse_idx(file);
  const auto* const idx = std::get_if<kith::data::Idx>(&parsed);
  if (idx == nullptr) return 0;
  std::size_t count = 1;
  for (const auto dimension : idx->shape) count *= dimension;
  if (count != idx->values.size() || 4 + 4 * idx->shape.size() + count != size) std::abort();
  return 0;
}
