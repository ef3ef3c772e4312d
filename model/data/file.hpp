#pragma once

#include "crypto/bytes.hpp"

#include <cstddef>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace kith::data {

/// The operator's files do not hold what a task needs; one sentence that says what to do.
struct DataError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The system refused to open or to read one.
struct FileError : DataError {
  FileError(int why, const std::string& what) : DataError(what), error(why) {}
  int error;  ///< an errno
};

/// A sentence with what to do behind it, unless it says so itself: behind a semicolon that stands
/// in no quotation marks.
[[nodiscard]] std::string with_advice(std::string sentence, std::string_view advice);

/// What to do about a class that a task does not know.
inline constexpr std::string_view kClassAdvice =
    "correct it, or let the task have it, for all members: kith task draft, then kith task merge";

inline constexpr std::size_t kMaxFileBytes = std::size_t{1} << 30;  ///< of one, uncompressed

/// A whole file, plain or gzip-compressed, of at most `max_bytes`.  Throws DataError naming it.
[[nodiscard]] Bytes read_file(const std::filesystem::path& path,
                              std::size_t max_bytes = kMaxFileBytes);

/// A whole file to look at.  A plain one of more than 256 MiB is mapped and takes no memory of its own,
/// however large it is; who shortens it meanwhile ends the process.  Others are read_file().
class FileContents {
 public:
  /// Throws DataError naming the file.
  explicit FileContents(const std::filesystem::path& path);
  explicit FileContents(Bytes bytes) : read_(std::move(bytes)) {}
  [[nodiscard]] ByteView bytes() const { return mapped_ ? ByteView(mapped_.get(), size_) : read_; }

 private:
  Bytes read_;
  std::shared_ptr<const std::byte> mapped_;  ///< in the place of read_
  std::size_t size_ = 0;
};

/// Writes a plain file.  Throws DataError if the disk refuses.
void write_file(const std::filesystem::path& path, ByteView bytes);

/// The same bytes as text.
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace kith::data
