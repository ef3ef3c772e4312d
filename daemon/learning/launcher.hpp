#pragma once

#include "model/pipe/pipe.hpp"

#include <filesystem>
#include <sys/types.h>
#include <vector>

namespace kith::daemon {

/// A worker that was started.
struct Started {
  pid_t pid = -1;
  pipe::Fd handle;  ///< the process itself (pidfd): to signal it, and nobody who has its number later
};

/// The program that learns.
struct Program {
  std::filesystem::path command;
  bool gpu = false;
  /// Files and folders to which it closes itself before it listens, whoever asks it for others.
  std::vector<std::filesystem::path> files{};
};

/// Starts it, with `socket` as what it speaks to and `words` as its standard output and error.
/// Throws Failure(EX_UNAVAILABLE) if there is no such program.
[[nodiscard]] Started start(const Program& program, int socket, int words);

/// A process that does nothing but this, for one that must not: one that hears the network, and
/// that was closed to programs and files.  Whoever took that one over can have this very program
/// started again, and no other.
///
/// Ownership: ends with this object, at the latest.
/// Threads: the one that made it, and it must have been the only one then.
class Launcher {
 public:
  /// What is in memory by now, the launcher has too: make it before keys are loaded.
  explicit Launcher(Program program);

  /// As start() does; the worker is this process's own child.  Waits 5 s at most.
  [[nodiscard]] Started start(int socket, int words);

 private:
  Program program_;
  pipe::Pipe pipe_;
};

}  // namespace kith::daemon
