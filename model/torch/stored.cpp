#include "model/torch/stored.hpp"

#include "model/pipe/fd.hpp"
#include "model/torch/error.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace kith::worker {
namespace {

[[noreturn]] void cannot_read(const std::filesystem::path& path, int error) {
  const std::string what = "cannot read " + path.string() + ": " + std::strerror(error) + "; ";
  if (error == EACCES || error == EPERM) {
    throw WorkerError(pipe::FailureKind::permission,
                      what + "change its permissions, or run as its owner");
  }
  throw WorkerError(pipe::FailureKind::disk, what + "check the disk, and do not remove the file");
}

}  // namespace

std::optional<Bytes> read_stored(const std::filesystem::path& path) {
  constexpr std::size_t kStep = 1 << 20;
  const pipe::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file && errno == ENOENT) return std::nullopt;
  if (!file) cannot_read(path, errno);
  Bytes bytes;
  struct stat status {};
  if (fstat(file.get(), &status) == 0)
    bytes.reserve(static_cast<std::size_t>(status.st_size) + kStep);
  for (;;) {
    const std::size_t had = bytes.size();
    bytes.resize(had + kStep);
    const ssize_t got = ::read(file.get(), bytes.data() + had, kStep);
    const int error = errno;
    bytes.resize(had + (got > 0 ? static_cast<std::size_t>(got) : 0));
    if (got == 0) return bytes;
    if (got < 0 && error != EINTR) cannot_read(path, error);
  }
}

}  // namespace kith::worker
