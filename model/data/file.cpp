#include "model/data/file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <memory>
#include <string>
#include <sys/mman.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <zlib.h>

namespace kith::data {

std::string with_advice(std::string sentence, std::string_view advice) {
  bool within = false;
  for (const char c : sentence) {
    if (c == '"') within = !within;
    if (c == ';' && !within) return sentence;
  }
  return sentence + "; " + std::string(advice);
}

// gzread() passes plain files through, so one reader serves both.
Bytes read_file(const std::filesystem::path& path, std::size_t max_bytes) {
  std::error_code unknown;
  if (std::filesystem::is_directory(path, unknown)) {
    throw FileError(EISDIR,
                    path.string() + " is a folder where a file is wanted; name the file in it");
  }
  const auto close = [](gzFile file) { gzclose_r(file); };
  errno = 0;
  const std::unique_ptr<gzFile_s, decltype(close)> file(gzopen(path.c_str(), "rb"), close);
  if (!file) {
    const int error = errno != 0 ? errno : ENOMEM;
    throw FileError(error, "cannot open " + path.string() + ": " + std::strerror(error) +
                               "; check the path and the permissions");
  }
  constexpr std::size_t kStep = 1 << 20;
  Bytes bytes;
  // A compressed file grows beyond its size, a plain one does not.
  const auto size = std::filesystem::file_size(path, unknown);
  if (!unknown) bytes.reserve(std::min<std::uintmax_t>(size, max_bytes) + kStep);
  for (;;) {
    const std::size_t had = bytes.size();
    bytes.resize(had + kStep);
    errno = 0;
    const int got = gzread(file.get(), bytes.data() + had, kStep);
    const int error = errno;
    int problem = Z_OK;
    const char* const what = gzerror(file.get(), &problem);
    // A compressed file that ends early is no error to gzread(), only to gzerror().
    if (got < 0 || problem == Z_BUF_ERROR) {
      if (problem == Z_ERRNO) {
        throw FileError(error, "cannot read " + path.string() + ": " + std::strerror(error) +
                                   "; check the disk");
      }
      throw DataError("cannot read " + path.string() + ": " + what +
                      "; the file is damaged or cut short, copy it again");
    }
    bytes.resize(had + static_cast<std::size_t>(got));
    if (bytes.size() > max_bytes) {
      throw DataError(path.string() + " holds more than " + std::to_string(max_bytes) +
                      " bytes; split it into smaller files, or unpack it if it is compressed");
    }
    if (got == 0) return bytes;
  }
}

FileContents::FileContents(const std::filesystem::path& path) {
  constexpr off_t kMapped = off_t{256} << 20;
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status {};
  unsigned char begin[2] = {};
  const bool large = file >= 0 && ::fstat(file, &status) == 0 && S_ISREG(status.st_mode) &&
                     status.st_size > kMapped && ::pread(file, begin, 2, 0) == 2;
  const bool gzip = begin[0] == 0x1f && begin[1] == 0x8b;
  if (large && !gzip) {
    size_ = static_cast<std::size_t>(status.st_size);
    void* const memory = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file, 0);
    if (memory != MAP_FAILED) {
      static_cast<void>(::madvise(memory, size_, MADV_SEQUENTIAL));
      mapped_ = {static_cast<const std::byte*>(memory),
                 [memory, size = size_](const std::byte*) { ::munmap(memory, size); }};
    }
  }
  if (file >= 0) ::close(file);
  if (!mapped_) read_ = read_file(path);  // which says what is wrong, if anything
}

void write_file(const std::filesystem::path& path, ByteView bytes) {
  std::ofstream out(path, std::ios::binary);
  out.write(as_text(bytes).data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) throw DataError("cannot write " + path.string() + "; check the disk and permissions");
}

}  // namespace kith::data
