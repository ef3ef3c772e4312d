#include "crypto/hash.hpp"

#include "crypto/sodium.hpp"

namespace kith::crypto {

static_assert(std::tuple_size_v<Hash> == crypto_generichash_BYTES);

Hash hash(ByteView data) {
  Hash digest;
  crypto_generichash(raw(digest), digest.size(), raw(data), data.size(), nullptr, 0);
  return digest;
}

std::string to_hex(ByteView data) {
  std::string text(2 * data.size(), '\0');
  sodium_bin2hex(text.data(), text.size() + 1, raw(data), data.size());  // rewrites the final NUL
  return text;
}

std::optional<Bytes> from_hex(std::string_view text) {
  if (text.empty()) return Bytes{};
  Bytes data((text.size() + 1) / 2);  // libsodium takes no null pointer, even to refuse
  const int status =
      sodium_hex2bin(raw(data), data.size(), text.data(), text.size(), nullptr, nullptr, nullptr);
  if (status != 0) return std::nullopt;
  return data;
}

}  // namespace kith::crypto
