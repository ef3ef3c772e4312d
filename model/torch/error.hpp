#pragma once

#include "model/pipe/messages.hpp"

#include <stdexcept>
#include <string>

namespace kith::worker {

inline constexpr const char* kNoMemory =
    "there is not enough memory for this task's model and data; give this machine more, or lower "
    "task.batch or task.sizes";

/// This request cannot be done; kith is told and the worker goes on.
struct WorkerError : std::runtime_error {
  WorkerError(pipe::FailureKind why, const std::string& what)
      : std::runtime_error(what), kind(why) {}
  pipe::FailureKind kind;
};

}  // namespace kith::worker
