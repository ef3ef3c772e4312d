#include "model/data/scratch.hpp"

#include "model/data/file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <map>
#include <mutex>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

namespace kith::data {
namespace {

struct Region {
  off_t at;
  std::size_t size;
};

/// The file, and what of it is in use.
struct ScratchFile {
  std::mutex mutex;
  int file = -1;
  std::size_t above = 0;
  off_t end = 0;
  std::map<void*, Region> regions;
};

ScratchFile& scratch() {
  static ScratchFile only;
  return only;
}

/// Writes zeros: the sandbox forbids fallocate(), which could fill a disk at a stroke.  An errno, or 0.
int take_space(int file, off_t at, std::size_t size) {
  const std::vector<char> zeros(std::size_t{1} << 20);
  while (size > 0) {
    const auto written = ::pwrite(file, zeros.data(), std::min(size, zeros.size()), at);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return written < 0 ? errno : ENOSPC;
    at += written;
    size -= static_cast<std::size_t>(written);
  }
  return 0;
}

}  // namespace

void use_scratch(int file, std::size_t above) {
  const std::lock_guard lock(scratch().mutex);
  scratch().file = file;
  scratch().above = above;
  scratch().end = 0;
}

int open_scratch(const std::filesystem::path& folder) {
  const int file = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (file >= 0) return file;
  // Some file systems give no file without a name, but allow it to be taken away.
  std::string name = (folder / "scratch-XXXXXX").string();
  const int named = ::mkostemp(name.data(), O_CLOEXEC);
  if (named >= 0) ::unlink(name.c_str());
  return named;
}

std::size_t memory_for_examples() {
  const long pages = ::sysconf(_SC_PHYS_PAGES), size = ::sysconf(_SC_PAGE_SIZE);
  return pages > 0 && size > 0 ? static_cast<std::size_t>(pages) / 4 * static_cast<std::size_t>(size)
                               : std::size_t{1} << 30;
}

void* allocate_scratch(std::size_t bytes) {
  ScratchFile& own = scratch();
  const std::lock_guard lock(own.mutex);
  if (own.file < 0 || bytes <= own.above) return nullptr;
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGE_SIZE));
  if (bytes > std::numeric_limits<std::size_t>::max() - page) throw std::bad_alloc();
  const std::size_t size = (bytes + page - 1) / page * page;
  // Space on the disk is taken now: without it, the first to write there would be killed.
  const int error = take_space(own.file, own.end, size);
  void* const memory = error != 0 ? MAP_FAILED
                                  : ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED,
                                           own.file, own.end);
  if (memory == MAP_FAILED) {
    throw DataError("the examples take " + std::to_string(size >> 20) +
                    " MiB, too much for memory, and the disk with the state folder has no room for "
                    "them (" +
                    std::strerror(error != 0 ? error : errno) + "); free some, or use fewer examples");
  }
  own.regions.emplace(memory, Region{own.end, size});
  own.end += static_cast<off_t>(size);
  return memory;
}

bool free_scratch(void* memory) {
  ScratchFile& own = scratch();
  const std::lock_guard lock(own.mutex);
  const auto found = own.regions.find(memory);
  if (found == own.regions.end()) return false;
  const auto [at, size] = found->second;
  ::munmap(memory, size);
  own.regions.erase(found);
  // Gives the space back; where that is not allowed, it is back when the file is closed.
  static_cast<void>(::fallocate(own.file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at,
                                static_cast<off_t>(size)));
  return true;
}

}  // namespace kith::data
