#include "daemon/cli/qr_code.hpp"

#include <memory>
#include <qrencode.h>

namespace kith::daemon {
namespace {

constexpr int kMargin = 2;  // modules around it; four are the standard, two are enough for a screen

}  // namespace

// Two rows of modules a line of text: a character's upper and lower half.
std::optional<std::vector<std::string>> qr_code(const std::string& text) {
  const std::unique_ptr<QRcode, decltype(&QRcode_free)> code(
      QRcode_encodeString8bit(text.c_str(), 0, QR_ECLEVEL_L), QRcode_free);
  if (!code) return std::nullopt;
  const auto dark = [&](int x, int y) {
    if (x < 0 || y < 0 || x >= code->width || y >= code->width) return false;
    return (code->data[y * code->width + x] & 1) != 0;
  };
  std::vector<std::string> lines;
  for (int y = -kMargin; y < code->width + kMargin; y += 2) {
    std::string line = "\033[30;47m";  // black on white
    for (int x = -kMargin; x < code->width + kMargin; ++x) {
      const bool upper = dark(x, y), lower = dark(x, y + 1);
      line += upper && lower ? "\u2588" : upper ? "\u2580" : lower ? "\u2584" : " ";
    }
    lines.push_back(line + "\033[0m");
  }
  return lines;
}

}  // namespace kith::daemon
