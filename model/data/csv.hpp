#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace kith::data {

/// The records of a text in which `separator` divides cells (RFC 4180), as programs write it:
/// records end at LF, CR LF or CR; a cell in quotation marks may hold any of them, and two marks
/// for one; blanks around a cell do not count; lines with nothing in them are skipped.
class CsvReader {
 public:
  /// `text` outlives the reader.
  CsvReader(std::string_view text, char separator);

  /// The cells of the next record, which hold until the next call; false at the end, or if what
  /// follows cannot be read: then problem() says why.
  [[nodiscard]] bool next(std::vector<std::string_view>& cells);

  [[nodiscard]] std::size_t left() const { return rest_.size(); }  ///< bytes not read yet
  /// Of the record last read, counted from 1 as an editor counts.
  [[nodiscard]] std::size_t line() const { return line_; }
  /// In a few words that follow the line's number; empty if there is none.
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  enum class End { cell, record, text, none };
  bool read_record(std::vector<std::string_view>& cells);
  End read_cell(std::string_view& cell);
  End read_quoted(std::string_view& cell);
  End end_at(std::size_t at);

  /// Of a character at which a cell ends, or that makes its beginning no plain one.
  static constexpr unsigned char kEnds = 1, kNotPlain = 2;

  std::string_view rest_;
  char separator_;
  std::array<unsigned char, 256> kinds_{};
  std::size_t line_ = 0;
  std::size_t next_line_ = 1;
  std::deque<std::string> unquoted_;  ///< cells of the record that had two marks for one
  std::string problem_;
};

/// What most likely divides the cells of a table by its first line: a tab, a semicolon or a comma.
[[nodiscard]] char separator_of_first_line(std::string_view text);

}  // namespace kith::data
