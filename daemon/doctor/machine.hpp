#pragma once

#include "daemon/doctor/doctor.hpp"

#include <cstdint>
#include <istream>
#include <optional>
#include <string>

/// What the checks of the machine go by.
namespace kith::daemon::doctor {

inline constexpr std::uint64_t kFilesNeeded = 1024;  ///< open files: connections, chunks, the API
inline constexpr std::uint64_t kLockedNeeded =
    64 << 10;  ///< bytes: a page and two guards for each key

/// The soft limit of that name in text as of /proc/PID/limits; the largest number if there is none.
[[nodiscard]] std::optional<std::uint64_t> limit_in(std::istream& limits, const std::string& field);

/// How much memory the worker will need, and what that is the sum of.
struct MemoryEstimate {
  std::uint64_t bytes = 0;
  std::string basis;
};
[[nodiscard]] MemoryEstimate estimate_memory(const Examined& node);

}  // namespace kith::daemon::doctor
