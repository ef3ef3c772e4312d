#include "daemon/system/file_lock.hpp"

#include "daemon/system/failure.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace kith::daemon {

FileLock::FileLock(const std::filesystem::path& file, const std::filesystem::path& what)
    : file_(file, O_RDWR | O_CREAT) {
  if (::flock(file_.descriptor(), LOCK_EX | LOCK_NB) != 0) {
    Bytes owner;
    file_.read(owner);
    const std::string pid(reinterpret_cast<const char*>(owner.data()), owner.size());
    throw Failure(EX_TEMPFAIL, "another kith (pid " + pid + ") is using " + what.string() +
                                   "; stop it first, or use another directory");
  }
  if (::ftruncate(file_.descriptor(), 0) != 0) disk_failed("write", file, errno);
  file_.write(as_byte_view(std::to_string(::getpid())));
}

}  // namespace kith::daemon
