#include "model/data/cifar.hpp"

#include <cstdlib>

// The first byte chooses the kind of label; what is read holds every byte of the file once.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kith::data;
  if (size == 0) return 0;
  const auto label = static_cast<CifarLabel>(data[0] % 3);
  const kith::ByteView file(reinterpret_cast<const std::byte*>(data) + 1, size - 1);
  const auto parsed = parse_cifar(file, label);
  const auto* const examples = std::get_if<Examples>(&parsed);
  if (examples == nullptr) return 0;
  const std::size_t labels = label == CifarLabel::only ? 1 : 2;
  const Images& images = examples->images;
  if (examples->labels.size() != images.count ||
      images.pixels.size() != images.count * images.size_of_one() ||
      file.size() != images.count * (labels + images.size_of_one())) {
    std::abort();
  }
  return 0;
}
