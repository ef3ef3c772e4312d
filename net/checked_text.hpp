#pragma once

#include "crypto/bytes.hpp"

#include <string>
#include <string_view>
#include <variant>

/// Bytes as one word of text that people copy from mails: a prefix that says what it is, base64,
/// and check digits.
namespace kith::net {

/// `word`, which ends in "-VERSION-", and `body` with four bytes of its hash.
[[nodiscard]] std::string checked_text(std::string_view word, ByteView body);

/// Why a text is none.
enum class TextFault {
  another_word,
  other_version,  ///< of the same word
  altered,        ///< a character is wrong, or some are missing
};
/// The inverse.  White space around and in it, as mail programs put there, does not matter.
[[nodiscard]] std::variant<Bytes, TextFault> parse_checked_text(std::string_view word,
                                                                std::string_view text);

}  // namespace kith::net
