#pragma once

#include "model/data/idx.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace kith::data {

/// Pictures of one size; pixels in the order image, channel, row, column.
struct Images {
  std::size_t count = 0;
  std::size_t channels = 1;
  std::size_t height = 0;
  std::size_t width = 0;
  std::vector<std::uint8_t> pixels;

  [[nodiscard]] std::size_t size_of_one() const { return channels * height * width; }
  bool operator==(const Images&) const = default;
};

/// What an IDX file of three dimensions (image, row, column) or four (image, channel, row, column) holds.
[[nodiscard]] Images images_of(Idx idx);

using Labels = std::vector<std::uint8_t>;

/// Pictures and what each one shows: labels.size() == images.count.
struct Examples {
  Images images;
  Labels labels;
  bool operator==(const Examples&) const = default;
};

/// Reads two IDX files: three dimensions (image, row, column) or four (image, channel, row,
/// column), and one label for each.  Throws DataError.
[[nodiscard]] Examples read_examples(const std::filesystem::path& images,
                                     const std::filesystem::path& labels);
void write_examples(const Examples& examples, const std::filesystem::path& images,
                    const std::filesystem::path& labels);

/// The examples at `indices`, in that order.
[[nodiscard]] Examples select(const Examples& all, std::span<const std::size_t> indices);

/// Turns every picture counter-clockwise about its centre, bilinear, with 0 for what comes from
/// outside.  Quarter turns of square pictures move pixels and change none.
[[nodiscard]] Images rotate(const Images& images, double degrees);

}  // namespace kith::data
