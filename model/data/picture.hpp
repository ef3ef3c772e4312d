#pragma once

#include "model/data/file.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <variant>
#include <vector>

namespace kith::data {

/// A picture as a file holds it, in red, green and blue, pixel by pixel and row by row.
struct Picture {
  std::size_t height = 0, width = 0;
  bool gray = false;  ///< the file has no colours
  std::vector<std::uint8_t> rgb{};
};

inline constexpr std::size_t kMaxPixels = std::size_t{1} << 26;  ///< of one picture

/// Decodes PNG (every kind: 1 to 16 bits, gray, colour, palette; transparency does not count) and
/// JPEG, turned upright as its EXIF data say; or says in a few words why it is none, or cut short.
[[nodiscard]] std::variant<Picture, std::string> decode_picture(
    ByteView file, std::size_t max_pixels = kMaxPixels);

/// The picture in 1 channel (its brightness) or 3, each row by row, from -1 to 1: of another size
/// by the mean over the area that a pixel covers, so that a picture of the same size stays as it
/// is.
[[nodiscard]] std::vector<float> fitted(const Picture& picture, std::size_t channels,
                                        std::size_t height, std::size_t width);

/// A file and which class it shows.
struct LabelledFile {
  std::filesystem::path file;
  std::string label;
};

/// The pictures of a folder, which has a folder for each class; sorted.  Hidden files and those that
/// systems put there (Thumbs.db) do not count; their names are added to `ignored`.  Throws DataError.
[[nodiscard]] std::vector<LabelledFile> pictures_in(const std::filesystem::path& folder,
                                                    std::set<std::string>* ignored = nullptr);

/// Whether a file's name is that of a picture: .png, .jpg or .jpeg.
[[nodiscard]] bool is_picture(const std::filesystem::path& file);

/// The pictures of a folder whose classes do not matter: in it or in folders in it, sorted; else as
/// pictures_in().
[[nodiscard]] std::vector<std::filesystem::path> all_pictures_in(
    const std::filesystem::path& folder, std::set<std::string>* ignored = nullptr);

/// The pictures that a table names, with their labels: its columns are called file and label, or
/// are just these two.  Names are relative to `folder`.  Throws DataError.
[[nodiscard]] std::vector<LabelledFile> pictures_of(const std::filesystem::path& table,
                                                    const std::filesystem::path& folder);

}  // namespace kith::data
