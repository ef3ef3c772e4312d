// An NPY, a safetensors or an NPZ file is refused with a reason or gives as many numbers as it
// announces.
#include "model/data/array.hpp"

#include <cstdlib>

namespace {

using namespace kith;
using namespace kith::data;

void require(bool holds) {
  if (!holds) std::abort();
}

void check(const Array& array) {
  if (array.count() > 1 << 18) return;
  require(floats(array).size() == array.count());
  const auto whole = integers(array);
  require(!whole || whole->size() == array.count());
}

void check_npy(ByteView file) {
  const auto parsed = parse_npy(file);
  if (const auto* const array = std::get_if<Array>(&parsed)) check(*array);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView file = std::as_bytes(std::span(data, size));
  check_npy(file);
  const auto tensors = parse_safetensors(file);
  if (const auto* const arrays = std::get_if<NamedArrays>(&tensors)) {
    for (const auto& [name, array] : *arrays) check(array);
  }
  const auto archive = parse_npz(file, 1 << 20);
  if (const auto* const members = std::get_if<Members>(&archive)) {
    for (const auto& [name, bytes] : *members) check_npy(bytes);
  }
  return 0;
}
