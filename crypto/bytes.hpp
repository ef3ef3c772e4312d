#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace kith {

using Bytes = std::vector<std::byte>;         ///< Owned bytes.
using ByteView = std::span<const std::byte>;  ///< Borrowed; valid for the duration of the call.

/// The bytes of `text`, borrowed.
inline ByteView as_byte_view(std::string_view text) { return std::as_bytes(std::span(text)); }

}  // namespace kith
