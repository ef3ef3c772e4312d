#pragma once

#include "model/pipe/messages.hpp"

#include <stdexcept>
#include <string>

namespace kith::worker {

/// This request cannot be done; kith is told and the worker goes on.
struct WorkerError : std::runtime_error {
  WorkerError(pipe::FailureKind why, const std::string& what)
      : std::runtime_error(what), kind(why) {}
  pipe::FailureKind kind;
};

}  // namespace kith::worker
