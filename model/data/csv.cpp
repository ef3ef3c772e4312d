#include "model/data/csv.hpp"

#include <algorithm>
#include <array>

namespace kith::data {
namespace {

bool is_blank_or_tab(char c) { return c == ' ' || c == '\t'; }

std::string_view without_blanks(std::string_view cell) {
  while (!cell.empty() && is_blank_or_tab(cell.front())) cell.remove_prefix(1);
  while (!cell.empty() && is_blank_or_tab(cell.back())) cell.remove_suffix(1);
  return cell;
}

std::size_t line_ends(std::string_view text) {
  std::size_t ends = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' || (text[i] == '\r' && (i + 1 == text.size() || text[i + 1] != '\n'))) {
      ++ends;
    }
  }
  return ends;
}

}  // namespace

char separator_of_first_line(std::string_view text) {
  const std::string_view line = text.substr(0, text.find_first_of("\r\n"));
  if (line.find('\t') != std::string_view::npos) return '\t';
  return line.find(';') != std::string_view::npos ? ';' : ',';
}

CsvReader::CsvReader(std::string_view text, char separator) : rest_(text), separator_(separator) {
  const auto kind = [this](char c) -> unsigned char& {
    return kinds_[static_cast<unsigned char>(c)];
  };
  for (const char c : {' ', '\t', '"'}) kind(c) = kNotPlain;
  for (const char c : {separator, '\n', '\r'}) kind(c) = kEnds;
}

bool CsvReader::next(std::vector<std::string_view>& cells) {
  while (!rest_.empty() && problem_.empty()) {
    if (!read_record(cells)) return false;
    if (cells.size() > 1 || !cells.front().empty()) return true;
  }
  return false;
}

bool CsvReader::read_record(std::vector<std::string_view>& cells) {
  cells.clear();
  if (!unquoted_.empty()) unquoted_.clear();
  line_ = next_line_;
  for (;;) {
    // Most cells begin with no blank and no mark, and end with no blank: these need nothing but
    // their ends.
    const char* at = rest_.data();
    const char* const last = at + rest_.size();
    while (at != last && kinds_[static_cast<unsigned char>(*at)] != kNotPlain) {
      const char* const from = at;
      while (at != last && (kinds_[static_cast<unsigned char>(*at)] & kEnds) == 0) ++at;
      if (at == last || (at != from && is_blank_or_tab(at[-1]))) {
        at = from;
        break;
      }
      cells.emplace_back(from, static_cast<std::size_t>(at - from));
      if (*at != separator_) {
        rest_.remove_prefix(static_cast<std::size_t>(at - rest_.data()));
        static_cast<void>(end_at(0));
        return true;
      }
      ++at;
    }
    rest_.remove_prefix(static_cast<std::size_t>(at - rest_.data()));
    const End end = read_cell(cells.emplace_back());
    if (end == End::none) return false;
    if (end != End::cell) return true;
  }
}

CsvReader::End CsvReader::read_cell(std::string_view& cell) {
  std::size_t begin = 0;
  while (begin < rest_.size() && is_blank_or_tab(rest_[begin]) && rest_[begin] != separator_) {
    ++begin;
  }
  if (begin < rest_.size() && rest_[begin] == '"') {
    rest_.remove_prefix(begin + 1);
    return read_quoted(cell);
  }
  const char* const from = rest_.data();
  const char* const last = from + rest_.size();
  const char* at = from + begin;
  while (at != last && *at != separator_ && *at != '\n' && *at != '\r') ++at;
  const auto size = static_cast<std::size_t>(at - from);
  cell = without_blanks(rest_.substr(begin, size - begin));
  return end_at(size);
}

/// After the first mark.
CsvReader::End CsvReader::read_quoted(std::string_view& cell) {
  std::size_t end = rest_.find('"');
  std::string* joined = nullptr;  // the cell so far, if it cannot be a part of the text
  std::size_t from = 0;
  while (end != std::string_view::npos && end + 1 < rest_.size() && rest_[end + 1] == '"') {
    if (joined == nullptr) joined = &unquoted_.emplace_back();
    *joined += rest_.substr(from, end + 1 - from);
    from = end + 2;
    end = rest_.find('"', from);
  }
  if (end == std::string_view::npos) {
    problem_ = "has a quotation mark that is never closed";
    return End::none;
  }
  next_line_ += line_ends(rest_.substr(0, end));
  if (joined != nullptr) *joined += rest_.substr(from, end - from);
  cell = without_blanks(joined != nullptr ? std::string_view(*joined) : rest_.substr(0, end));
  std::size_t after = end + 1;
  while (after < rest_.size() && is_blank_or_tab(rest_[after]) && rest_[after] != separator_) {
    ++after;
  }
  const bool ends = after == rest_.size() || rest_[after] == separator_ || rest_[after] == '\n' ||
                    rest_[after] == '\r';
  if (!ends) {
    problem_ = "has text after a closing quotation mark; a mark within a cell is written twice";
    return End::none;
  }
  return end_at(after);
}

/// Goes on behind what ends a cell at `at`.
CsvReader::End CsvReader::end_at(std::size_t at) {
  if (at == rest_.size()) {
    rest_ = {};
    return End::text;
  }
  const char end = rest_[at];
  rest_.remove_prefix(at + 1);
  if (end == separator_) return End::cell;
  if (end == '\r' && rest_.starts_with('\n')) rest_.remove_prefix(1);
  ++next_line_;
  return End::record;
}

}  // namespace kith::data
