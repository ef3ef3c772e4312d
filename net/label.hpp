#pragma once

#include <string>
#include <string_view>

/// Names that are shown to people and compared by them.
namespace kith::net {

/// 1 to 64 bytes of UTF-8 in normal form C that people can see and tell apart: no control, format or
/// unassigned characters, nothing invisible, no space but single ones between other characters, and
/// Latin letters not mixed with Greek, Cyrillic, Armenian or Cherokee ones, which look like them.
[[nodiscard]] bool is_label(std::string_view text);

/// Equal for labels that people take for the same: case and compatibility variants are folded.
[[nodiscard]] std::string label_key(std::string_view label);

}  // namespace kith::net
