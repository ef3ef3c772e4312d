#include "model/torch/durable.hpp"

#include "model/pipe/fd.hpp"
#include "model/torch/error.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace kith::worker {
namespace {

[[noreturn]] void cannot_write(const std::filesystem::path& path) {
  throw WorkerError(pipe::FailureKind::software, "cannot write " + path.string() + ": " +
                                                     std::strerror(errno) +
                                                     "; make room or mend the permissions");
}

void write_durably(const std::filesystem::path& path, ByteView content) {
  const pipe::Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!file) cannot_write(path);
  while (!content.empty()) {
    const ssize_t written = ::write(file.get(), content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) cannot_write(path);
    content = content.subspan(static_cast<std::size_t>(written));
  }
  if (::fsync(file.get()) != 0) cannot_write(path);
}

}  // namespace

void replace_file(const std::filesystem::path& path, ByteView content) {
  const std::filesystem::path fresh = path.string() + ".new";
  write_durably(fresh, content);
  if (::rename(fresh.c_str(), path.c_str()) != 0) cannot_write(path);
  const pipe::Fd folder(::open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || ::fsync(folder.get()) != 0) cannot_write(path);
}

}  // namespace kith::worker
