#pragma once

#include <chrono>
#include <filesystem>
#include <string>

namespace kith::daemon::doctor {

/// How a program answered.
struct Said {
  std::string output{};  ///< standard output, its first 64 KiB
  int status = 0;        ///< exit status; 128 and more: the signal that ended it
  std::string fault{};   ///< why it could not be started, or that it did not end in time
};

/// Runs `command` with one argument, without input, and waits at most so long; then it is ended.
[[nodiscard]] Said run_program(const std::filesystem::path& command, const std::string& argument,
                               std::chrono::milliseconds patience);

}  // namespace kith::daemon::doctor
