#include "net/checked_text.hpp"

#include "crypto/hash.hpp"

#include <algorithm>
#include <cctype>

namespace kith::net {
namespace {

constexpr std::size_t kCheck = 4;  // bytes: one mistake in four thousand millions is not seen

crypto::Hash check_of(std::string_view word, ByteView body) {
  Bytes text(as_byte_view(word).begin(), as_byte_view(word).end());
  text.insert(text.end(), body.begin(), body.end());
  return crypto::hash(text);
}

}  // namespace

std::string checked_text(std::string_view word, ByteView body) {
  const crypto::Hash check = check_of(word, body);
  Bytes bytes(body.begin(), body.end());
  bytes.insert(bytes.end(), check.begin(), check.begin() + kCheck);
  return std::string(word) + crypto::to_base64(bytes);
}

std::variant<Bytes, TextFault> parse_checked_text(std::string_view word, std::string_view given) {
  std::string text(given);
  std::erase_if(text, [](unsigned char c) { return std::isspace(c) != 0; });
  if (!text.starts_with(word)) {
    const std::string_view any = word.substr(0, word.rfind('-', word.size() - 2) + 1);
    return text.starts_with(any) && text.size() > word.size() ? TextFault::other_version
                                                              : TextFault::another_word;
  }
  const auto bytes = crypto::from_base64(std::string_view(text).substr(word.size()));
  if (!bytes || bytes->size() <= kCheck) return TextFault::altered;
  const ByteView body = ByteView(*bytes).first(bytes->size() - kCheck);
  const crypto::Hash check = check_of(word, body);
  if (!std::ranges::equal(ByteView(*bytes).last(kCheck), ByteView(check).first(kCheck))) {
    return TextFault::altered;
  }
  return Bytes(body.begin(), body.end());
}

}  // namespace kith::net
