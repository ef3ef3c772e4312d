#include "model/data/idx.hpp"

#include <algorithm>
#include <cassert>
#include <span>

namespace kith::data {
namespace {

constexpr std::byte kUnsignedBytes{0x08};  // the only element type the MNIST family uses
constexpr std::size_t kMaxDimensions = 4;

std::uint32_t big_endian(ByteView four) {
  std::uint32_t value = 0;
  for (const std::byte b : four.first(4)) value = value << 8 | std::to_integer<std::uint32_t>(b);
  return value;
}

}  // namespace

std::variant<Idx, std::string> parse_idx(ByteView file) {
  if (file.size() < 4) return "shorter than an IDX header";
  if (file[0] != std::byte{0} || file[1] != std::byte{0}) return "not an IDX file";
  if (file[2] != kUnsignedBytes) return "an IDX file, but not of unsigned bytes";
  const auto dimensions = std::to_integer<std::size_t>(file[3]);
  if (dimensions == 0 || dimensions > kMaxDimensions) {
    return "an IDX file of " + std::to_string(dimensions) + " dimensions instead of 1 to 4";
  }
  file = file.subspan(4);
  if (file.size() < 4 * dimensions) return "cut short inside its IDX header";
  Idx idx;
  std::uint64_t count = 1;
  for (std::size_t i = 0; i < dimensions; ++i) {
    const std::uint32_t size = big_endian(file.subspan(4 * i));
    idx.shape.push_back(size);
    if (__builtin_mul_overflow(count, std::uint64_t{size}, &count)) return "too large to be true";
  }
  file = file.subspan(4 * dimensions);
  if (file.size() != count) {
    return "an IDX file that announces " + std::to_string(count) + " values and holds " +
           std::to_string(file.size());
  }
  idx.values.resize(file.size());
  std::ranges::transform(file, idx.values.begin(), std::to_integer<std::uint8_t>);
  return idx;
}

Idx read_idx(const std::filesystem::path& path, std::size_t max_bytes) {
  auto parsed = parse_idx(read_file(path, max_bytes));
  if (const auto* const why = std::get_if<std::string>(&parsed)) {
    throw DataError(path.string() + " is " + *why + "; name an IDX file, plain or .gz");
  }
  return std::get<Idx>(std::move(parsed));
}

void write_idx(const std::filesystem::path& path, const Idx& idx) {
  assert(!idx.shape.empty() && idx.shape.size() <= kMaxDimensions);
  Bytes file = {std::byte{0}, std::byte{0}, kUnsignedBytes, std::byte(idx.shape.size())};
  for (const std::uint32_t size : idx.shape) {
    for (const int shift : {24, 16, 8, 0}) file.push_back(std::byte(size >> shift & 0xff));
  }
  const ByteView values = std::as_bytes(std::span(idx.values));
  file.insert(file.end(), values.begin(), values.end());
  write_file(path, file);
}

}  // namespace kith::data
