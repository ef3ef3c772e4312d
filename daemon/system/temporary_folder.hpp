#pragma once

#include "daemon/system/failure.hpp"

#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>

namespace kith::daemon {

/// A new folder beside other temporary files, for this user only; gone with this object unless it
/// is kept.  Throws Failure(EX_CANTCREAT).
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "kith-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) {
      throw Failure(EX_CANTCREAT, "cannot make a folder in " +
                                      std::filesystem::temp_directory_path().string() +
                                      "; make room there, or set TMPDIR to another folder");
    }
    path_ = pattern;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    if (!kept_) std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  void keep() { kept_ = true; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  bool kept_ = false;
};

}  // namespace kith::daemon
