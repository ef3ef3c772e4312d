#pragma once

#include "model/data/file.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace kith::data {

/// How a file holds texts.
enum class TextFormat {
  lines,  ///< a text is a line
  csv,    ///< a text is a cell of a column that the first line calls "text", or the like
  jsonl,  ///< a text is a member of the object that stands on each line, likewise
};
/// By the file's name.
[[nodiscard]] TextFormat text_format(const std::filesystem::path& file);

/// Texts in their order, and what is known of each.
struct Texts {
  std::vector<std::string> texts{};         ///< UTF-8; each has a word in it
  std::vector<std::string> labels{};        ///< composed (NFC); of each, if labels were asked for
  std::vector<std::string> groups{};        ///< of each, if the file has a column "group"
  std::vector<std::size_t> lines{};         ///< where each stands, counted from 1
  std::uint64_t without_label = 0;          ///< were left out
  std::string format{};                     ///< "UTF-8, JSONL"
};

/// Reads the texts of a file in any encoding that decode() knows, or says in a few words why it cannot
/// and what to do.  Without labels a text of several lines is as many texts.
[[nodiscard]] std::variant<Texts, std::string> parse_texts(std::string_view file, TextFormat format,
                                                           bool labelled);
/// Throws DataError naming `path`.
[[nodiscard]] Texts read_texts(const std::filesystem::path& path, bool labelled);

/// Every record of a file with a text, in order, whatever label or group it may have and even if there
/// is no word in it: what is predicted of it is predicted of each.
[[nodiscard]] std::variant<Texts, std::string> parse_records(std::string_view file,
                                                             TextFormat format);
/// Throws DataError naming `path`.
[[nodiscard]] Texts read_records(const std::filesystem::path& path);

/// The lines of a text that have a word in them.  Throws DataError naming `path`.
[[nodiscard]] std::vector<std::string> read_sentences(const std::filesystem::path& path);

/// Whether the first record of a file has a label.
[[nodiscard]] bool has_labels(std::string_view text, TextFormat format);

/// Whether a table's first line names a text and a label, and hardly anything else.
[[nodiscard]] bool is_table_of_texts(std::string_view text);

}  // namespace kith::data
