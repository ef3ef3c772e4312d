#include "crypto/hash.hpp"
#include "crypto/init.hpp"
#include "crypto/key_file.hpp"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace {

using namespace kith;

constexpr std::string_view kLabel = "checksum ";
constexpr std::string_view kGenuine =
    "kith-channel-key 2\n"
    "# The secret channel key that this node runs with; kith key renew puts another in its place.\n"
    "node d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a\n"
    "seed 77076d0a7318a57d3c16c17251b26645db8a4f0b6b9f0b3c2f5b9c0d1e2f3a4b\n"
    "checksum 0000000000000000000000000000000000000000000000000000000000000000\n";

std::string with_right_checksum(std::string_view text) {
  const std::string checked(text.substr(0, std::min(text.rfind(kLabel), text.size())));
  return checked + std::string(kLabel) + crypto::to_hex(crypto::hash(as_byte_view(checked))) + '\n';
}

void parse(std::string_view text) {
  const auto sealed = crypto::parse_sealed_key_file(as_byte_view(text));
  assert(!std::holds_alternative<crypto::SealedKey>(sealed) ||
         crypto::is_sealed_key_file(as_byte_view(text)));
  const auto parsed = crypto::parse_key_file(as_byte_view(text));
  const auto* const keys = std::get_if<crypto::StoredKey>(&parsed);
  if (keys == nullptr || keys->kind != crypto::KeyKind::channel) return;
  // One key has one text.
  std::string expected(kGenuine);
  const auto put = [&](std::string_view label, ByteView value) {
    const std::string digits = crypto::to_hex(value);
    expected.replace(expected.find(label) + label.size(), digits.size(), digits);
  };
  put("\nnode ", keys->node.key);
  put("\nseed ", keys->seed.data());
  assert(with_right_checksum(expected) == text);
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* /*count*/, char*** /*arguments*/) {
  crypto::init();
  parse(with_right_checksum(kGenuine));
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::string altered(kGenuine);
  for (std::size_t i = 0; i < std::min(size, altered.size()); ++i) {
    altered[i] = static_cast<char>(altered[i] ^ text[i]);
  }
  parse(text);
  parse(with_right_checksum(text));
  parse(altered);
  parse(with_right_checksum(altered));
  return 0;
}
