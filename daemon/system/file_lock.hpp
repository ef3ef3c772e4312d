#pragma once

#include "daemon/system/disk.hpp"

#include <filesystem>

namespace kith::daemon {

/// Keeps other processes out of what `file`, which is created for it, stands for.  The kernel lets
/// go of it when the process ends, however that happens.
class FileLock {
 public:
  /// Throws Failure(EX_TEMPFAIL), which names `what` and who has it, if another process does, and goes
  /// on doing so for a second.
  FileLock(const std::filesystem::path& file, const std::filesystem::path& what);

 private:
  File file_;
};

}  // namespace kith::daemon
