#include "model/data/idx.hpp"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <zlib.h>

namespace kith::data {
namespace {

constexpr std::byte kUnsignedBytes{0x08};  // the only element type the MNIST family uses
constexpr std::size_t kMaxDimensions = 4;

std::uint32_t big_endian(ByteView four) {
  std::uint32_t value = 0;
  for (const std::byte b : four.first(4)) value = value << 8 | std::to_integer<std::uint32_t>(b);
  return value;
}

/// gzread() passes plain files through, so one reader serves both.
Bytes read_whole(const std::filesystem::path& path, std::size_t max_bytes) {
  const auto close = [](gzFile file) { gzclose_r(file); };
  errno = 0;
  const std::unique_ptr<gzFile_s, decltype(close)> file(gzopen(path.c_str(), "rb"), close);
  if (!file) {
    throw DataError("cannot open " + path.string() + ": " +
                    std::strerror(errno != 0 ? errno : ENOMEM) +
                    "; check the path and the permissions");
  }
  constexpr std::size_t kStep = 1 << 20;
  Bytes bytes;
  for (;;) {
    const std::size_t had = bytes.size();
    bytes.resize(had + kStep);
    const int got = gzread(file.get(), bytes.data() + had, kStep);
    int problem = Z_OK;
    const char* const what = gzerror(file.get(), &problem);
    // A compressed file that ends early is no error to gzread(), only to gzerror().
    if (got < 0 || problem == Z_BUF_ERROR) {
      throw DataError("cannot read " + path.string() + ": " +
                      (problem == Z_ERRNO ? std::strerror(errno) : what) +
                      "; the file is damaged or cut short, copy it again");
    }
    bytes.resize(had + static_cast<std::size_t>(got));
    if (bytes.size() > max_bytes) {
      throw DataError(path.string() + " holds more than " + std::to_string(max_bytes) +
                      " bytes; split it into smaller files");
    }
    if (got == 0) return bytes;
  }
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
  auto parsed = parse_idx(read_whole(path, max_bytes));
  if (const auto* const why = std::get_if<std::string>(&parsed)) {
    throw DataError(path.string() + " is " + *why + "; name an IDX file, plain or .gz");
  }
  return std::get<Idx>(std::move(parsed));
}

void write_idx(const std::filesystem::path& path, const Idx& idx) {
  assert(!idx.shape.empty() && idx.shape.size() <= kMaxDimensions);
  std::string header = {'\0', '\0', std::to_integer<char>(kUnsignedBytes),
                        static_cast<char>(idx.shape.size())};
  for (const std::uint32_t size : idx.shape) {
    for (const int shift : {24, 16, 8, 0}) header += static_cast<char>(size >> shift & 0xff);
  }
  std::ofstream out(path, std::ios::binary);
  out.write(header.data(), static_cast<std::streamsize>(header.size()));
  out.write(reinterpret_cast<const char*>(idx.values.data()),
            static_cast<std::streamsize>(idx.values.size()));
  out.close();
  if (!out) throw DataError("cannot write " + path.string() + "; check the disk and permissions");
}

}  // namespace kith::data
