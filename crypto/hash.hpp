#pragma once

#include "crypto/bytes.hpp"

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace kith::crypto {

/// BLAKE2b with 32 bytes of output (RFC 7693).
using Hash = std::array<std::byte, 32>;

[[nodiscard]] Hash hash(ByteView data);
/// The same function with a key (RFC 7693, 2.9): who lacks it cannot foresee the hash.
[[nodiscard]] Hash keyed_hash(const Hash& key, ByteView data);

/// Lower-case hexadecimal, two digits a byte.
[[nodiscard]] std::string to_hex(ByteView data);
/// The inverse; nullopt unless `text` is an even number of hexadecimal digits of either case.
[[nodiscard]] std::optional<Bytes> from_hex(std::string_view text);

/// The alphabet of RFC 4648 that is safe in addresses and file names, without padding.
[[nodiscard]] std::string to_base64(ByteView data);
/// The inverse; nullopt if `text` is nothing that to_base64() returns.
[[nodiscard]] std::optional<Bytes> from_base64(std::string_view text);

}  // namespace kith::crypto
