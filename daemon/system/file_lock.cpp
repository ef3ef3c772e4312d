#include "daemon/system/file_lock.hpp"

#include "daemon/system/failure.hpp"

#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <sys/file.h>
#include <thread>
#include <unistd.h>

namespace kith::daemon {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 1s;  // with a verb that is at work on the files of a node that starts
constexpr auto kPause = 20ms;

bool taken(int descriptor) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(kPause);
  }
  return true;
}

}  // namespace

FileLock::FileLock(const std::filesystem::path& file, const std::filesystem::path& what)
    : file_(file, O_RDWR | O_CREAT) {
  if (!taken(file_.descriptor())) {
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
