#include "daemon/system/dates.hpp"

#include <algorithm>
#include <ctime>

namespace kith::daemon {

std::uint64_t seconds_of(std::chrono::system_clock::time_point time) {
  const auto since = std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch());
  return static_cast<std::uint64_t>(std::max<std::int64_t>(since.count(), 0));
}

std::string date(std::uint64_t seconds) {
  constexpr std::uint64_t kLast = 253'402'300'799;  // of the year 9999
  const auto time = static_cast<std::time_t>(std::min(seconds, kLast));
  std::tm parts{};
  gmtime_r(&time, &parts);
  char text[16];
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%d", &parts);
  return {text, size};
}

}  // namespace kith::daemon
