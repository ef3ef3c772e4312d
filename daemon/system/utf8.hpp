#pragma once

#include <string>
#include <string_view>

// All that Kith writes is UTF-8: JSON, TOML, its log, what it sends.  A name in other bytes cannot be
// written down and read back, so it is refused where it comes in: on the command line, in a file.
namespace kith::daemon {

[[nodiscard]] bool is_utf8(std::string_view text);

/// `text` with "\xE9" for each byte that is not ASCII, or is a control character: to be shown.
[[nodiscard]] std::string escaped(std::string_view text);

/// Throws Failure(EX_USAGE) if an argument, or the folder that this runs in, has a name that is not
/// UTF-8.
void check_names(int count, const char* const* arguments);

}  // namespace kith::daemon
