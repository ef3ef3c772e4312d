#include "daemon/system/console.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstdio>
#include <cstdlib>
#include <ostream>
#include <sys/ioctl.h>
#include <unistd.h>

namespace kith::daemon {
namespace {

constexpr char kEscape = '\x1b';
constexpr std::string_view kReset = "\x1b[0m";

/// The colour sequence (ESC [ … m) at the start of `text`, or nothing.
std::string_view leading_sequence(std::string_view text) {
  if (!text.starts_with("\x1b[")) return {};
  const std::size_t end = text.find('m');
  return end == std::string_view::npos ? text : text.substr(0, end + 1);
}

bool starts_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }

/// Calls `on_sequence` or `on_character` with each piece of `text`, in order.
template <class OnSequence, class OnCharacter>
void for_each_piece(std::string_view text, OnSequence on_sequence, OnCharacter on_character) {
  while (!text.empty()) {
    std::string_view piece = leading_sequence(text);
    if (!piece.empty()) {
      on_sequence(piece);
    } else {
      std::size_t size = 1;
      while (size < text.size() && !starts_character(text[size])) ++size;
      piece = text.substr(0, size);
      on_character(piece);
    }
    text.remove_prefix(piece.size());
  }
}

/// At most `columns` wide; the colours stay complete.
std::string clipped(std::string_view text, std::size_t columns) {
  if (display_width(text) <= columns) return std::string(text);
  std::string result;
  std::size_t width = 0;
  for_each_piece(
      text, [&](std::string_view sequence) { result += sequence; },
      [&](std::string_view character) {
        if (++width < columns) result += character;
        if (width == columns) result += "…";
      });
  return result;
}

std::string decimal(double value, const char* unit) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f %s", value, unit);
  return text.data();
}

std::string two_parts(long long large, const char* large_unit, long long small,
                      const char* small_unit) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%lld %s %02lld %s", large, large_unit, small,
                small_unit);
  return text.data();
}

}  // namespace

Terminal Terminal::of_stdout() {
  Terminal terminal;
  terminal.interactive = ::isatty(STDOUT_FILENO) == 1;
  if (!terminal.interactive) return terminal;
  const char* const no_color = std::getenv("NO_COLOR");  // any value but the empty one
  const char* const term = std::getenv("TERM");
  terminal.interactive = term != nullptr && std::string_view(term) != "dumb";
  terminal.colour = terminal.interactive && (no_color == nullptr || *no_color == '\0');
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
    terminal.columns = size.ws_col;
    terminal.rows = size.ws_row;
  }
  return terminal;
}

std::string Terminal::paint(Style style, std::string_view text) const {
  if (!colour || style == Style::plain) return std::string(text);
  constexpr std::array codes{"", "1", "2", "31", "32", "33", "34"};
  return std::string(1, kEscape) + "[" + codes.at(static_cast<std::size_t>(style)) + "m" +
         std::string(text) + std::string(kReset);
}

LiveBlock::LiveBlock(std::ostream& out, const Terminal& terminal,
                     std::chrono::milliseconds interval)
    : out_(out), terminal_(terminal), interval_(interval) {}

void LiveBlock::show(const std::vector<std::string>& lines, Instant now) {
  if (!terminal_.interactive) {
    if (now < next_) return;
    next_ = now + interval_;
  }
  draw(lines);
}

void LiveBlock::finish(const std::vector<std::string>& lines) {
  draw(lines);
  drawn_ = 0;
  next_ = Instant::min();
}

void LiveBlock::draw(const std::vector<std::string>& lines) {
  if (!terminal_.interactive) {
    for (const std::string& line : lines) out_ << line << '\n';
    out_.flush();
    return;
  }
  // A line that wraps or scrolls away could not be found again.
  const std::size_t shown = std::min(lines.size(), terminal_.rows - 1);
  if (drawn_ > 0) out_ << "\x1b[" << drawn_ << 'A';
  for (std::size_t i = 0; i < shown; ++i) {
    out_ << '\r' << clipped(lines[i], terminal_.columns) << "\x1b[K\n";
  }
  out_ << "\x1b[J" << std::flush;  // what is left of a longer block
  drawn_ = shown;
}

Table::Table(std::vector<Align> columns) : columns_(std::move(columns)) {}

void Table::add(std::vector<std::string> cells) {
  assert(cells.size() == columns_.size());
  rows_.push_back(std::move(cells));
}

std::vector<std::string> Table::lines() const {
  std::vector<std::size_t> widths(columns_.size(), 0);
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], display_width(row[i]));
    }
  }
  std::vector<std::string> lines;
  for (const auto& row : rows_) {
    std::string& line = lines.emplace_back();
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - display_width(row[i]), ' ');
      if (i > 0) line += "  ";
      line += columns_[i] == Align::left ? row[i] + padding : padding + row[i];
    }
    line.erase(line.find_last_not_of(' ') + 1);
  }
  return lines;
}

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  for_each_piece(
      text, [](std::string_view) {}, [&](std::string_view) { ++width; });
  return width;
}

std::string human_bytes(std::uint64_t bytes) {
  constexpr std::array units{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return std::to_string(bytes) + " B";
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  for (; value >= 1023.95 && unit + 1 < units.size(); ++unit) value /= 1024;  // prints as 1024.0
  return decimal(value, units.at(unit));
}

std::string human_duration(std::chrono::milliseconds duration) {
  using namespace std::chrono;
  const auto count = duration.count();
  if (count < 1000) return std::to_string(count) + " ms";
  if (count < 59'950) return decimal(static_cast<double>(count) / 1000, "s");
  const auto total = round<seconds>(duration).count();
  if (total < 3600) return two_parts(total / 60, "min", total % 60, "s");
  const auto minutes_total = total / 60;
  if (minutes_total < 24 * 60) return two_parts(minutes_total / 60, "h", minutes_total % 60, "min");
  return two_parts(minutes_total / (24 * 60), "d", minutes_total / 60 % 24, "h");
}

}  // namespace kith::daemon
