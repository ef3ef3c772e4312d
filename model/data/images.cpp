#include "model/data/images.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <numbers>
#include <utility>

namespace kith::data {
namespace {

/// Where one output pixel comes from: up to four input pixels and their weights.
struct Source {
  std::array<std::size_t, 4> offsets{};
  std::array<double, 4> weights{};
};

/// Cosine and sine, exact at quarter turns: then every source is one pixel of weight 1.
std::pair<double, double> direction(double degrees) {
  const double turn = std::remainder(degrees, 360.0);
  const double quarters = turn / 90.0;
  if (quarters == std::trunc(quarters)) {
    switch (static_cast<int>(quarters)) {
      case 0:
        return {1, 0};
      case 1:
        return {0, 1};
      case -1:
        return {0, -1};
      default:
        return {-1, 0};
    }
  }
  const double radians = turn * std::numbers::pi / 180.0;
  return {std::cos(radians), std::sin(radians)};
}

std::vector<Source> sources(std::size_t height, std::size_t width, double degrees) {
  const auto [cosine, sine] = direction(degrees);
  const double middle_x = (static_cast<double>(width) - 1) / 2;
  const double middle_y = (static_cast<double>(height) - 1) / 2;
  std::vector<Source> result(height * width);
  for (std::size_t i = 0; i < result.size(); ++i) {
    const double dx = static_cast<double>(i % width) - middle_x;
    const double dy = static_cast<double>(i / width) - middle_y;
    const double x = middle_x + dx * cosine - dy * sine;  // rows grow downwards
    const double y = middle_y + dx * sine + dy * cosine;
    const double left = std::floor(x);
    const double top = std::floor(y);
    for (std::size_t corner = 0; corner < 4; ++corner) {
      const double column = left + static_cast<double>(corner % 2);
      const double row = top + static_cast<double>(corner / 2);
      if (column < 0 || row < 0 || column >= static_cast<double>(width) ||
          row >= static_cast<double>(height)) {
        continue;  // outside: weight 0
      }
      result[i].offsets[corner] =
          static_cast<std::size_t>(row) * width + static_cast<std::size_t>(column);
      result[i].weights[corner] = (1 - std::abs(x - column)) * (1 - std::abs(y - row));
    }
  }
  return result;
}

}  // namespace

Images images_of(Idx idx) {
  const auto& shape = idx.shape;
  assert(shape.size() == 3 || shape.size() == 4);
  return {.count = shape[0],
          .channels = shape.size() == 4 ? shape[1] : 1,
          .height = shape[shape.size() - 2],
          .width = shape[shape.size() - 1],
          .pixels = std::move(idx.values)};
}

Examples read_examples(const std::filesystem::path& images, const std::filesystem::path& labels) {
  Idx pictures = read_idx(images);
  Idx answers = read_idx(labels);
  const auto& shape = pictures.shape;
  if (shape.size() < 3) {
    throw DataError(images.string() + " has " + std::to_string(shape.size()) +
                    " dimensions, so it holds no images; are images and labels interchanged?");
  }
  if (answers.shape.size() != 1) {
    throw DataError(labels.string() + " has " + std::to_string(answers.shape.size()) +
                    " dimensions instead of 1, so it holds no labels; name the file of labels");
  }
  if (answers.shape[0] != shape[0]) {
    throw DataError(images.string() + " holds " + std::to_string(shape[0]) + " images but " +
                    labels.string() + " holds " + std::to_string(answers.shape[0]) +
                    " labels; name two files of the same set");
  }
  return {images_of(std::move(pictures)), std::move(answers.values)};
}

void write_examples(const Examples& examples, const std::filesystem::path& images,
                    const std::filesystem::path& labels) {
  const auto size = [](std::size_t n) { return static_cast<std::uint32_t>(n); };
  const Images& of = examples.images;
  Idx pictures{{size(of.count), size(of.channels), size(of.height), size(of.width)}, of.pixels};
  if (of.channels == 1) pictures.shape.erase(pictures.shape.begin() + 1);
  write_idx(images, pictures);
  write_idx(labels, {{size(examples.labels.size())}, examples.labels});
}

Examples select(const Examples& all, std::span<const std::size_t> indices) {
  Examples chosen;
  chosen.images = {.count = indices.size(),
                   .channels = all.images.channels,
                   .height = all.images.height,
                   .width = all.images.width,
                   .pixels = {}};
  const std::size_t size = all.images.size_of_one();
  chosen.images.pixels.reserve(indices.size() * size);
  for (const std::size_t i : indices) {
    assert(i < all.images.count);
    const auto pixels = std::span(all.images.pixels).subspan(i * size, size);
    chosen.images.pixels.insert(chosen.images.pixels.end(), pixels.begin(), pixels.end());
    chosen.labels.push_back(all.labels[i]);
  }
  return chosen;
}

Images rotate(const Images& images, double degrees) {
  const auto from = sources(images.height, images.width, degrees);
  Images turned = images;
  for (std::size_t plane = 0; plane < images.count * images.channels; ++plane) {
    const std::uint8_t* const in = images.pixels.data() + plane * from.size();
    std::uint8_t* const out = turned.pixels.data() + plane * from.size();
    for (std::size_t i = 0; i < from.size(); ++i) {
      double value = 0;
      for (std::size_t c = 0; c < 4; ++c) value += from[i].weights[c] * in[from[i].offsets[c]];
      out[i] = static_cast<std::uint8_t>(std::lround(std::clamp(value, 0.0, 255.0)));
    }
  }
  return turned;
}

}  // namespace kith::data
