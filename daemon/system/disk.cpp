#include "daemon/system/disk.hpp"

#include "daemon/system/failure.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <system_error>
#include <unistd.h>

namespace kith::daemon {

namespace fs = std::filesystem;

void disk_failed(const std::string& doing, const fs::path& path, int error) {
  const bool denied = error == EACCES || error == EPERM || error == EROFS;
  throw Failure(denied ? EX_NOPERM : EX_IOERR,
                "cannot " + doing + " " + path.string() + ": " +
                    std::generic_category().message(error) + "; " +
                    (denied ? "change its permissions, or run as its owner"
                            : "check the disk and its free space"));
}

File::File(const fs::path& path, int flags) : path_(path) {
  descriptor_ = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  if (descriptor_ < 0) disk_failed("open", path, errno);
}

File::~File() { ::close(descriptor_); }

void File::write(ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(descriptor_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) disk_failed("write", path_, errno);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

void File::copy(int from) {
  constexpr std::size_t kStep = 1 << 30;
  for (off_t at = 0;;) {
    const ssize_t n = ::sendfile(descriptor_, from, &at, kStep);
    if (n == 0) return;
    if (n < 0 && errno != EINTR) disk_failed("write", path_, errno);
  }
}

void File::read(Bytes& bytes) {
  constexpr std::size_t kStep = 64 << 10;
  for (;;) {
    const std::size_t before = bytes.size();
    bytes.resize(before + kStep);
    const ssize_t n = ::read(descriptor_, bytes.data() + before, kStep);
    const int error = errno;
    bytes.resize(before + (n > 0 ? static_cast<std::size_t>(n) : 0));
    if (n == 0) return;
    if (n < 0 && error != EINTR) disk_failed("read", path_, error);
  }
}

void File::sync() {
  if (::fsync(descriptor_) != 0) disk_failed("write", path_, errno);
}

std::string read_text(const fs::path& path, std::size_t most, const std::string& help) {
  const auto bytes = read_whole(path, most);
  if (!bytes) {
    throw Failure(EX_NOINPUT, "there is no " + path.string() + (help.empty() ? "" : "; ") + help);
  }
  return {reinterpret_cast<const char*>(bytes->data()), bytes->size()};
}

namespace {

template <class Fill>
void replace_whole(const fs::path& path, Sync sync, const Fill& fill) {
  fs::path unfinished = path;  // a verb and the running node may write the same file
  unfinished += "." + std::to_string(::getpid()) + std::string(kUnfinished);
  try {
    ::unlink(unfinished.c_str());  // of an earlier life, or what somebody put in the way
    File file(unfinished, O_WRONLY | O_CREAT | O_EXCL);
    fill(file);
    if (sync == Sync::yes) file.sync();
    on_disk("rename", [&] { fs::rename(unfinished, path); });
    const fs::path folder = path.has_parent_path() ? path.parent_path() : ".";
    if (sync == Sync::yes) File(folder, O_RDONLY | O_DIRECTORY).sync();
  } catch (...) {
    std::error_code ignored;
    fs::remove(unfinished, ignored);  // a full disk needs the space
    throw;
  }
}

}  // namespace

void write_whole(const fs::path& path, ByteView bytes, Sync sync) {
  replace_whole(path, sync, [bytes](File& file) { file.write(bytes); });
}

void copy_whole(const fs::path& path, int from, Sync sync) {
  replace_whole(path, sync, [from](File& file) { file.copy(from); });
}

std::optional<Bytes> read_whole(const fs::path& path, std::size_t most) {
  std::error_code ec;
  const auto status = fs::status(path, ec);
  if (status.type() == fs::file_type::not_found) return std::nullopt;
  if (ec) disk_failed("read", path, ec.value());
  if (!fs::is_regular_file(status)) {  // a pipe would make us wait for ever
    throw Failure(EX_DATAERR, path.string() + " is not a regular file: name the file itself");
  }
  if (fs::file_size(path, ec) > most || ec) {
    throw Failure(EX_DATAERR, path.string() + " is too large to be what it should be");
  }
  Bytes bytes;
  File(path, O_RDONLY).read(bytes);
  return bytes;
}

}  // namespace kith::daemon
