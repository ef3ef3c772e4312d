#pragma once

#include <string>
#include <string_view>

namespace kith::daemon {

/// Text as it stands in a page, or in an attribute between double quotes: no markup comes of it.
[[nodiscard]] std::string html_escaped(std::string_view text);

}  // namespace kith::daemon
