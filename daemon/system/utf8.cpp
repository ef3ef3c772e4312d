#include "daemon/system/utf8.hpp"

#include "daemon/system/failure.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>

namespace kith::daemon {

bool is_utf8(std::string_view text) {
  // The smallest number that takes so many bytes after the first.
  constexpr std::array<std::uint32_t, 4> kLeast{0, 0x80, 0x800, 0x10000};
  for (std::size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i++]);
    if (first < 0x80) continue;
    const std::size_t more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
    if (first < 0xc2 || first > 0xf4 || text.size() - i < more) return false;
    std::uint32_t point = first & (0x3fU >> more);
    for (std::size_t n = 0; n < more; ++n) {
      const auto next = static_cast<unsigned char>(text[i++]);
      if ((next & 0xc0U) != 0x80) return false;
      point = point << 6 | (next & 0x3fU);
    }
    const bool surrogate = point >= 0xd800 && point < 0xe000;
    if (point < kLeast.at(more) || surrogate || point > 0x10ffff) return false;
  }
  return true;
}

std::string escaped(std::string_view text) {
  std::string shown;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    std::array<char, 5> code{c};
    if (byte < 0x20 || byte >= 0x7f) std::snprintf(code.data(), code.size(), "\\x%02X", byte);
    shown += code.data();
  }
  return shown;
}

void check_names(int count, const char* const* arguments) {
  const auto check = [](const std::string& what, std::string_view text) {
    if (is_utf8(text)) return;
    throw Failure(EX_USAGE, what + " \"" + escaped(text) +
                                "\" is not UTF-8, and a name in other bytes cannot be kept in kith's "
                                "files; use another name");
  };
  for (int i = 1; i < count; ++i) check("the argument", arguments[i]);
  std::error_code none;
  check("the folder", std::filesystem::current_path(none).string());
}

}  // namespace kith::daemon
