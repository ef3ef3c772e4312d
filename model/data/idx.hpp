#pragma once

#include "model/data/file.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <variant>
#include <vector>

namespace kith::data {

/// An array of bytes as the MNIST family of data sets stores images and labels.
struct Idx {
  std::vector<std::uint32_t> shape;  ///< one to four dimensions, the last varies fastest
  std::vector<std::uint8_t> values;  ///< as many as the product of `shape`
  bool operator==(const Idx&) const = default;
};

/// Reads a whole uncompressed file, or says in a few words why it is not IDX of unsigned bytes.
[[nodiscard]] std::variant<Idx, std::string> parse_idx(ByteView file);

/// Reads a plain or gzip-compressed file of at most `max_bytes`.  Throws DataError naming `path`.
[[nodiscard]] Idx read_idx(const std::filesystem::path& path,
                           std::size_t max_bytes = kMaxFileBytes);

/// Writes a plain file.  Throws DataError if the disk refuses.
void write_idx(const std::filesystem::path& path, const Idx& idx);

}  // namespace kith::data
