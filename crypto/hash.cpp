#include "crypto/hash.hpp"

#include "crypto/sodium.hpp"

namespace kith::crypto {

static_assert(std::tuple_size_v<Hash> == crypto_generichash_BYTES);

Hash hash(ByteView data) {
  Hash digest;
  crypto_generichash(raw(digest), digest.size(), raw(data), data.size(), nullptr, 0);
  return digest;
}

Hash keyed_hash(const Hash& key, ByteView data) {
  Hash digest;
  crypto_generichash(raw(digest), digest.size(), raw(data), data.size(), raw(key), key.size());
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

std::string to_base64(ByteView data) {
  constexpr int kVariant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
  std::string text(sodium_base64_encoded_len(data.size(), kVariant), '\0');
  sodium_bin2base64(text.data(), text.size(), raw(data), data.size(), kVariant);
  text.pop_back();  // the final NUL
  return text;
}

std::optional<Bytes> from_base64(std::string_view text) {
  if (text.empty()) return Bytes{};
  Bytes data(text.size());
  std::size_t size = 0;
  const int status = sodium_base642bin(raw(data), data.size(), text.data(), text.size(), nullptr,
                                       &size, nullptr, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
  if (status != 0) return std::nullopt;
  data.resize(size);
  if (to_base64(data) != text) return std::nullopt;  // bits that count for nothing
  return data;
}

}  // namespace kith::crypto
