#include "model/data/unicode.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <utf8proc.h>

namespace kith::data {
namespace {

constexpr std::string_view kMark8 = "\xef\xbb\xbf";
constexpr std::string_view kMark16Little = "\xff\xfe";
constexpr std::string_view kMark16Big = "\xfe\xff";

/// Of 0x80 to 0x9f; 0 is none.
constexpr std::array<char16_t, 32> kWindows1252{
    0x20ac, 0,      0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
    0x2039, 0x0152, 0,      0x017d, 0,      0,      0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
    0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0,      0x017e, 0x0178};

void append_utf8(std::string& text, std::int32_t code) {
  std::array<utf8proc_uint8_t, 4> bytes{};
  const auto size = utf8proc_encode_char(code, bytes.data());
  text.append(reinterpret_cast<const char*>(bytes.data()), static_cast<std::size_t>(size));
}

std::optional<std::string> from_utf16(std::string_view file, std::size_t high) {
  if (file.size() % 2 != 0) return std::nullopt;
  std::string text;
  text.reserve(file.size() / 2);
  const auto unit = [&](std::size_t i) {
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(file[at]); };
    return byte(i + high) << 8 | byte(i + 1 - high);
  };
  for (std::size_t i = 0; i < file.size(); i += 2) {
    int code = unit(i);
    if (code >= 0xd800 && code < 0xdc00) {
      if (i + 2 >= file.size()) return std::nullopt;
      const int low = unit(i += 2);
      if (low < 0xdc00 || low > 0xdfff) return std::nullopt;
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code >= 0xdc00 && code < 0xe000) {
      return std::nullopt;
    }
    append_utf8(text, code);
  }
  return text;
}

std::optional<std::string> from_windows_1252(std::string_view file) {
  std::string text;
  text.reserve(file.size() + file.size() / 16);
  for (const char c : file) {
    const auto byte = static_cast<unsigned char>(c);
    const int code = byte >= 0x80 && byte < 0xa0 ? kWindows1252[byte - 0x80U] : byte;
    if (code == 0) return std::nullopt;
    append_utf8(text, code);
  }
  return text;
}

/// Which byte of a pair is the high one in text of mostly ASCII without a mark; nullopt if this is
/// not what it is.
std::optional<std::size_t> high_byte(std::string_view file) {
  const std::string_view begin = file.substr(0, std::min<std::size_t>(file.size(), 1024) / 2 * 2);
  std::array<std::size_t, 2> zeros{};
  for (std::size_t i = 0; i < begin.size(); ++i) zeros[i % 2] += begin[i] == '\0';
  if (begin.size() < 4 || file.size() % 2 != 0) return std::nullopt;
  for (const std::size_t high : {0U, 1U}) {
    if (zeros[high] * 4 > begin.size() && zeros[1 - high] == 0) return high;
  }
  return std::nullopt;
}

std::optional<std::string> other_kind(std::string_view file) {
  const std::array<std::pair<std::string_view, const char*>, 5> kinds{
      {{"PK\x03\x04", "holds a ZIP archive, as spreadsheets are, and no text; export it as CSV"},
       {"\xd0\xcf\x11\xe0", "holds a spreadsheet and no text; export it as CSV"},
       {"PAR1", "is a Parquet file and no text; export it as CSV"},
       {"%PDF", "is a PDF file; export the table as CSV"},
       {"\x89PNG", "is a picture and no text"}}};
  for (const auto& [begin, what] : kinds) {
    if (file.starts_with(begin)) return what;
  }
  return std::nullopt;
}

}  // namespace

bool is_ascii(std::string_view text) {
  std::size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, text.data() + i, 8);
    if ((eight & 0x8080808080808080U) != 0) return false;
  }
  return std::ranges::all_of(text.substr(i), [](char c) { return (c & 0x80) == 0; });
}

bool is_utf8(std::string_view text) {
  constexpr std::size_t kBlock = 4096;
  while (!text.empty()) {
    if (text.size() >= kBlock && is_ascii(text.substr(0, kBlock))) {
      text.remove_prefix(kBlock);
      continue;
    }
    const std::size_t until = text.size() >= kBlock ? text.size() - kBlock : 0;
    do {
      if ((text.front() & 0x80) == 0) {
        text.remove_prefix(1);
        continue;
      }
      utf8proc_int32_t code = 0;
      const auto size = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                         static_cast<utf8proc_ssize_t>(text.size()), &code);
      if (size <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(size));
    } while (text.size() > until);
  }
  return true;
}

std::variant<Decoded, std::string> decode(std::string_view file) {
  if (auto why = other_kind(file)) return *std::move(why);
  std::optional<std::size_t> high;
  if (file.starts_with(kMark16Little)) high = 1;
  if (file.starts_with(kMark16Big)) high = 0;
  const bool marked = high.has_value();
  if (!high) high = high_byte(file);
  if (high) {
    auto text = from_utf16(marked ? file.substr(2) : file, *high);
    if (!text) return "begins as UTF-16 does, but is not; save it as UTF-8";
    if (text->find('\0') != std::string::npos) return "holds zero bytes, as no text does";
    return Decoded(*std::move(text), "UTF-16");
  }
  if (std::memchr(file.data(), 0, file.size()) != nullptr) {
    return "holds zero bytes, as no text does";
  }
  const bool utf8_marked = file.starts_with(kMark8);
  if (utf8_marked) file.remove_prefix(kMark8.size());
  if (is_utf8(file)) return Decoded(file, "UTF-8");
  auto text = utf8_marked ? std::nullopt : from_windows_1252(file);
  if (!text) return "is neither UTF-8 nor UTF-16 nor Windows-1252; save it as UTF-8";
  return Decoded(*std::move(text), "Windows-1252");
}

std::string composed(std::string_view text) {
  if (is_ascii(text)) return std::string(text);
  utf8proc_uint8_t* made = nullptr;
  const auto size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()), &made,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(made, std::free);
  assert(size >= 0);
  return {reinterpret_cast<const char*>(made), static_cast<std::size_t>(size)};
}

}  // namespace kith::data
