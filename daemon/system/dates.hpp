#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace kith::daemon {

/// Since 1970.
[[nodiscard]] std::uint64_t seconds_of(std::chrono::system_clock::time_point time);
/// "2026-01-31", in UTC, of seconds since 1970.
[[nodiscard]] std::string date(std::uint64_t seconds);

}  // namespace kith::daemon
