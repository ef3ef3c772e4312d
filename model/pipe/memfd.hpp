#pragma once

#include "crypto/bytes.hpp"
#include "model/pipe/fd.hpp"

#include <optional>
#include <string>
#include <variant>

namespace kith::pipe {

/// Fills a file in memory piece by piece, so that its whole content need not be at hand at once.
/// Throws std::system_error.
class MemfdWriter {
 public:
  explicit MemfdWriter(const char* name);  ///< `name` shows in /proc only
  void append(ByteView bytes);
  /// The file, which nobody can change any more.  Once only.
  [[nodiscard]] Fd seal();

 private:
  Fd file_;
};

/// A file in memory that holds `content` and that nobody can change any more.  `name` shows in
/// /proc only.  Throws std::system_error.
[[nodiscard]] Fd sealed_memfd(const char* name, ByteView content);

/// A file from the other process, mapped for reading.
///
/// Only a file that is sealed against every change is mapped: one that shrank under the mapping
/// would end this process with SIGBUS, and one that changed after its check would be unchecked.
class SealedMap {
 public:
  /// Maps the file, or says in one sentence why it may not.
  [[nodiscard]] static std::variant<SealedMap, std::string> open(const Fd& file,
                                                                 std::size_t max_size);
  SealedMap(SealedMap&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  SealedMap& operator=(SealedMap&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~SealedMap();

  [[nodiscard]] ByteView bytes() const { return bytes_; }  ///< borrowed from the mapping

 private:
  explicit SealedMap(ByteView bytes) : bytes_(bytes) {}
  ByteView bytes_;
};

}  // namespace kith::pipe
