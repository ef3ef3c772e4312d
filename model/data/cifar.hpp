#pragma once

#include "model/data/images.hpp"

#include <filesystem>
#include <string>
#include <variant>

namespace kith::data {

/// What a record of CIFAR's binary files begins with, and which of it is the label.
enum class CifarLabel {
  only,    ///< CIFAR-10: one byte
  coarse,  ///< CIFAR-100: the first of two bytes, 0 to 19
  fine,    ///< CIFAR-100: the second, 0 to 99
};

/// Pictures of 3 x 32 x 32 from the bytes of a file, or in a few words why it is none.
[[nodiscard]] std::variant<Examples, std::string> parse_cifar(ByteView file, CifarLabel label);

/// Reads a plain or gzip-compressed file.  Throws DataError naming `path`.
[[nodiscard]] Examples read_cifar(const std::filesystem::path& path, CifarLabel label);

}  // namespace kith::data
