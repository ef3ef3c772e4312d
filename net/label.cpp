#include "net/label.hpp"

#include "net/limits.hpp"

#include <utf8proc.h>

#include <cstdlib>
#include <memory>
#include <optional>

namespace kith::net {
namespace {

using CodePoint = utf8proc_int32_t;

std::optional<std::string> mapped(std::string_view text, int options) {
  utf8proc_uint8_t* made = nullptr;
  const auto size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                 static_cast<utf8proc_ssize_t>(text.size()), &made,
                                 static_cast<utf8proc_option_t>(options));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(made, &std::free);
  if (size < 0) return std::nullopt;
  return std::string(reinterpret_cast<const char*>(made), static_cast<std::size_t>(size));
}

bool is_visible(CodePoint point) {
  constexpr CodePoint kBlankBraille = 0x2800;
  if (point == kBlankBraille || utf8proc_get_property(point)->ignorable) return false;
  switch (utf8proc_category(point)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
      return false;
    default:
      return true;
  }
}

bool is_mark(CodePoint point) {
  const auto category = utf8proc_category(point);
  return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC ||
         category == UTF8PROC_CATEGORY_ME;
}

bool is_latin(CodePoint point) {
  return (point >= 'A' && point <= 'Z') || (point >= 'a' && point <= 'z') ||
         (point >= 0x00C0 && point <= 0x024F) || (point >= 0x1E00 && point <= 0x1EFF);
}

/// A letter of a script that has letters which look like Latin ones.
bool looks_latin(CodePoint point) {
  return (point >= 0x0370 && point <= 0x03FF) || (point >= 0x1F00 && point <= 0x1FFF) ||  // Greek
         (point >= 0x0400 && point <= 0x052F) || (point >= 0x1C80 && point <= 0x1C8F) ||
         (point >= 0x2DE0 && point <= 0x2DFF) || (point >= 0xA640 && point <= 0xA69F) ||  // Cyrillic
         (point >= 0x0530 && point <= 0x058F) ||                                          // Armenian
         (point >= 0x13A0 && point <= 0x13FF) || (point >= 0xAB70 && point <= 0xABBF);    // Cherokee
}

}  // namespace

bool is_label(std::string_view text) {
  if (text.empty() || text.size() > limits::kLabel) return false;
  bool latin = false, like_latin = false, gap = true;
  const auto* rest = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  const auto* const end = rest + text.size();
  while (rest != end) {
    CodePoint point = -1;
    const auto size = utf8proc_iterate(rest, end - rest, &point);
    if (size <= 0) return false;
    rest += size;
    const bool space = point == ' ';
    if (gap && (space || is_mark(point))) return false;
    if (!space && !is_visible(point)) return false;
    gap = space;
    latin = latin || is_latin(point);
    like_latin = like_latin || looks_latin(point);
  }
  return !gap && !(latin && like_latin) &&
         mapped(text, UTF8PROC_STABLE | UTF8PROC_COMPOSE) == std::string(text);
}

std::string label_key(std::string_view label) {
  return mapped(label, UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD |
                           UTF8PROC_IGNORE)
      .value_or(std::string(label));
}

}  // namespace kith::net
