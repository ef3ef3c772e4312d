#include "model/data/cifar.hpp"

#include <algorithm>
#include <utility>

namespace kith::data {

std::variant<Examples, std::string> parse_cifar(ByteView file, CifarLabel label) {
  constexpr std::size_t kChannels = 3;
  constexpr std::size_t kSide = 32;
  constexpr std::size_t kPixels = kChannels * kSide * kSide;
  const std::size_t labels = label == CifarLabel::only ? 1 : 2;
  const std::size_t record = labels + kPixels;
  if (file.size() % record != 0) {
    return "not made of records of " + std::to_string(record) + " bytes, as CIFAR-" +
           (label == CifarLabel::only ? "10" : "100") + " is";
  }
  Examples examples;
  examples.images = {.count = file.size() / record,
                     .channels = kChannels,
                     .height = kSide,
                     .width = kSide,
                     .pixels = {}};
  examples.images.pixels.resize(examples.images.count * kPixels);
  auto pixels = examples.images.pixels.begin();
  for (; !file.empty(); file = file.subspan(record)) {
    examples.labels.push_back(
        std::to_integer<std::uint8_t>(file[label == CifarLabel::fine ? 1 : 0]));
    pixels =
        std::ranges::transform(file.subspan(labels, kPixels), pixels, std::to_integer<std::uint8_t>)
            .out;
  }
  return examples;
}

Examples read_cifar(const std::filesystem::path& path, CifarLabel label) {
  auto parsed = parse_cifar(read_file(path), label);
  if (const auto* const why = std::get_if<std::string>(&parsed)) {
    throw DataError(path.string() + " is " + *why +
                    "; name a file of CIFAR's binary version, and check task.classes");
  }
  return std::get<Examples>(std::move(parsed));
}

}  // namespace kith::data
