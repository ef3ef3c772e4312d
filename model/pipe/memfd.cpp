#include "model/pipe/memfd.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <system_error>

namespace kith::pipe {
namespace {

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;

}  // namespace

MemfdWriter::MemfdWriter(const char* name)
    : file_(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING)) {
  if (!file_) throw_errno("cannot make a file in memory");
}

void MemfdWriter::append(ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file_.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw_errno("cannot fill a file in memory");
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

Fd MemfdWriter::seal() {
  if (fcntl(file_.get(), F_ADD_SEALS, kSeals) != 0) throw_errno("cannot seal a file in memory");
  return std::move(file_);
}

Fd sealed_memfd(const char* name, ByteView content) {
  MemfdWriter file(name);
  file.append(content);
  return file.seal();
}

std::variant<SealedMap, std::string> SealedMap::open(const Fd& file, std::size_t max_size) {
  const int seals = fcntl(file.get(), F_GET_SEALS);
  if (seals < 0) return "the attached file is not a file in memory (memfd)";
  if ((seals & kSeals) != kSeals) return "the attached file is not sealed against change";
  struct stat status {};
  if (fstat(file.get(), &status) != 0) return "the attached file cannot be examined";
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size == 0) return "the attached file is empty";
  if (size > max_size) {
    return "the attached file has " + std::to_string(size) + " bytes, more than the " +
           std::to_string(max_size) + " allowed";
  }
  // Private, since older kernels refuse a shared mapping of a file sealed against writing.
  void* const start = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (start == MAP_FAILED) return "the attached file cannot be mapped";
  return SealedMap(ByteView(static_cast<const std::byte*>(start), size));
}

SealedMap::~SealedMap() {
  if (!bytes_.empty()) munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace kith::pipe
