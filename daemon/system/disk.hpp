#pragma once

#include "crypto/bytes.hpp"

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>

/// Files that are there whole or not at all.  Whatever the disk refuses is a Failure: EX_NOPERM if
/// it is a matter of permissions, else EX_IOERR.
namespace kith::daemon {

/// Throws the Failure for `error`, an errno.
[[noreturn]] void disk_failed(const std::string& doing, const std::filesystem::path& path,
                              int error);

/// What `body` does with std::filesystem fails as the rest does.
template <class Body>
auto on_disk(const std::string& doing, Body body) {
  try {
    return body();
  } catch (const std::filesystem::filesystem_error& error) {
    disk_failed(doing, error.path1(), error.code().value());
  }
}

/// An open file descriptor.
class File {
 public:
  /// Opens it as open(2) does; what it creates has mode 0600.
  File(const std::filesystem::path& path, int flags);
  ~File();
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  void write(ByteView bytes);
  /// Writes all that `from` holds.
  void copy(int from);
  /// Appends what is left of the file to `bytes`.
  void read(Bytes& bytes);
  void sync();
  [[nodiscard]] int descriptor() const { return descriptor_; }

 private:
  std::filesystem::path path_;
  int descriptor_;
};

enum class Sync { no, yes };

/// What an interrupted write_whole() leaves behind has this extension.
inline constexpr std::string_view kUnfinished = ".tmp";

/// `path` holds what it held, or all of `bytes`; with Sync::yes that is on the disk on return.
void write_whole(const std::filesystem::path& path, ByteView bytes, Sync sync = Sync::yes);

/// `path` holds what it held, or all that the file `from` holds, as write_whole() does it, however
/// large: it does not come into our memory.
void copy_whole(const std::filesystem::path& path, int from, Sync sync = Sync::yes);

/// All of the file; nullopt if there is none.  Failure(EX_DATAERR) if it is larger than `most`.
[[nodiscard]] std::optional<Bytes> read_whole(const std::filesystem::path& path, std::size_t most);
/// All of a file of text, as read_whole() gives it.  Failure(EX_NOINPUT), with `help` on what to do, if there is none.
[[nodiscard]] std::string read_text(const std::filesystem::path& path, std::size_t most,
                                    const std::string& help = {});

}  // namespace kith::daemon
