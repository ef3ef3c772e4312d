// A PNG or JPEG file is refused with a reason or is a picture that can be brought to any size.
#include "model/data/picture.hpp"

#include <cmath>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kith::data;
  const auto decoded = decode_picture(std::as_bytes(std::span(data, size)), 1 << 16);
  const auto* const picture = std::get_if<Picture>(&decoded);
  if (picture == nullptr) return 0;
  if (picture->rgb.size() != picture->height * picture->width * 3) std::abort();
  for (const float value : fitted(*picture, 3, 5, 7)) {
    if (!(std::abs(value) <= 1)) std::abort();
  }
  return 0;
}
