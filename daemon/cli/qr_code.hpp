#pragma once

#include <optional>
#include <string>
#include <vector>

namespace kith::daemon {

/// A QR code of `text` as lines for a terminal, dark on light whatever its colours are; nullopt if
/// the text is too long for one.
[[nodiscard]] std::optional<std::vector<std::string>> qr_code(const std::string& text);

}  // namespace kith::daemon
