#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace kith::daemon::doctor {

/// A file in an archive.
struct Packed {
  std::string name;  ///< at most 99 ASCII characters, folders included
  std::string text;
};

/// These files in the format of tar (POSIX ustar), all of that time, in seconds since 1970.
[[nodiscard]] std::string tar(const std::vector<Packed>& files, std::uint64_t time);
/// The same, compressed as gzip does it.
[[nodiscard]] std::string gzip(const std::string& text);

}  // namespace kith::daemon::doctor
