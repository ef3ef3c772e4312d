#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

/// What people see in a terminal.
namespace kith::daemon {

enum class Style { plain, bold, dim, red, green, yellow, blue };

/// What is at the other end of an output stream.
struct Terminal {
  bool interactive = false;  ///< a person's terminal, not a file or a pipe
  bool colour = false;
  std::size_t columns = 80;
  std::size_t rows = 24;

  /// What the standard output is, now.  Respects NO_COLOR and TERM=dumb.
  [[nodiscard]] static Terminal of_stdout();
  /// `text` in `style` if the terminal has colours.
  [[nodiscard]] std::string paint(Style style, std::string_view text) const;
};

/// A block of lines that changes in place in a terminal.  Elsewhere it is printed as it is, now and
/// then.
class LiveBlock {
 public:
  using Instant = std::chrono::steady_clock::time_point;

  LiveBlock(std::ostream& out, const Terminal& terminal,
            std::chrono::milliseconds interval = std::chrono::seconds(10));

  void show(const std::vector<std::string>& lines, Instant now);
  /// Shows `lines` for the last time; what is printed next follows below.
  void finish(const std::vector<std::string>& lines);

 private:
  void draw(const std::vector<std::string>& lines);

  std::ostream& out_;
  Terminal terminal_;
  std::chrono::milliseconds interval_;
  Instant next_ = Instant::min();  ///< time for the next lines where nothing is drawn in place
  std::size_t drawn_ = 0;          ///< lines above the cursor that are ours
};

/// Rows of texts in columns as wide as their widest cell.
class Table {
 public:
  enum class Align { left, right };

  /// One alignment per column.
  explicit Table(std::vector<Align> columns);
  /// Adds a row, of as many cells as there are columns.
  void add(std::vector<std::string> cells);
  [[nodiscard]] std::vector<std::string> lines() const;

 private:
  std::vector<Align> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// Columns that `text` fills: UTF-8 code points, without colour sequences.
[[nodiscard]] std::size_t display_width(std::string_view text);

[[nodiscard]] std::string human_bytes(std::uint64_t bytes);                    ///< "1.5 MiB"
[[nodiscard]] std::string human_duration(std::chrono::milliseconds duration);  ///< "2 min 05 s"

}  // namespace kith::daemon
