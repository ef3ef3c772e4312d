#include "crypto/identity.hpp"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace {

using namespace kith;
using namespace kith::crypto;

// Whatever is accepted has one canonical text, which means the same id.
void parse(std::string_view text) {
  const auto id = parse_node_id(text);
  if (id) assert(parse_node_id(to_string(*id)) == id);
}

// 32 bytes are an id, and each two after them put a character somewhere in its text.
void parse_altered(ByteView input) {
  NodeId id;
  std::ranges::copy(input.first(id.key.size()), id.key.begin());
  std::string text = to_string(id);
  assert(parse_node_id(text) == id);
  for (std::size_t i = id.key.size(); i + 1 < input.size(); i += 2) {
    text[std::to_integer<std::size_t>(input[i]) % text.size()] = static_cast<char>(input[i + 1]);
    const auto parsed = parse_node_id(text);
    if (i == id.key.size()) assert(!parsed || parsed == id);  // one character misleads nobody
  }
  parse(text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  parse({reinterpret_cast<const char*>(data), size});
  if (size >= 32) parse_altered(std::as_bytes(std::span(data, size)));
  return 0;
}
