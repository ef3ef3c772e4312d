#include "daemon/doctor/archive.hpp"

#include <cassert>
#include <cstdio>
#include <limits>
#include <new>
#include <zlib.h>

namespace kith::daemon::doctor {
namespace {

constexpr std::size_t kBlock = 512;

void pad(std::string& text) { text.append((kBlock - text.size() % kBlock) % kBlock, '\0'); }

}  // namespace

std::string tar(const std::vector<Packed>& files, std::uint64_t time) {
  std::string archive;
  for (const Packed& file : files) {
    assert(!file.name.empty() && file.name.size() < 100);
    assert(file.text.size() < std::size_t{1} << 33);  // eleven octal digits
    std::string header(kBlock, '\0');
    const auto put = [&](std::size_t at, const std::string& field) {
      header.replace(at, field.size(), field);
    };
    const auto octal = [](std::uint64_t number, int digits) {
      char text[32];
      std::snprintf(text, sizeof text, "%0*llo", digits, static_cast<unsigned long long>(number));
      return std::string(text);
    };
    put(0, file.name);
    put(100, octal(0600, 7));
    put(108, octal(0, 7));  // root: whoever unpacks it owns it
    put(116, octal(0, 7));
    put(124, octal(file.text.size(), 11));
    put(136, octal(time, 11));
    put(148, std::string(8, ' '));  // while the checksum is counted
    put(156, "0");                  // a file
    put(257, std::string("ustar\0", 6) + "00");
    unsigned sum = 0;
    for (const char c : header) sum += static_cast<unsigned char>(c);
    put(148, octal(sum, 6) + std::string("\0 ", 2));
    archive += header + file.text;
    pad(archive);
  }
  return archive.append(2 * kBlock, '\0');
}

std::string gzip(const std::string& text) {
  assert(text.size() < std::numeric_limits<uInt>::max() / 2);
  z_stream stream{};
  constexpr int kGzip = 15 + 16, kMemory = 8;
  if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, kGzip, kMemory, Z_DEFAULT_STRATEGY) !=
      Z_OK)
    throw std::bad_alloc();
  std::string packed(deflateBound(&stream, text.size()), '\0');
  stream.next_in =
      reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));  // zlib does not change it
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const int done = deflate(&stream, Z_FINISH);
  assert(done == Z_STREAM_END);
  static_cast<void>(done);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

}  // namespace kith::daemon::doctor
