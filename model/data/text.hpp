#pragma once

#include "crypto/hash.hpp"
#include "model/data/file.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace kith::data {

/// The lines of a text, without their ends (LF or CR LF).
[[nodiscard]] std::vector<std::string_view> lines_of(std::string_view text);

/// The words of a line of UTF-8, or nullopt if it is none.  Letters and digits that stand together
/// are a word, in lower case and composed (NFC), so that text from a Mac has the same words as that
/// of others; any other visible character is a word of its own.
[[nodiscard]] std::optional<std::vector<std::string>> words_of(std::string_view line);

/// The words that a task's models know: every member's model has one output for each.
class Vocabulary {
 public:
  static constexpr std::int64_t kBoundary = 0;  ///< begins and ends a sentence
  static constexpr std::int64_t kUnknown = 1;   ///< <unk>: any word that is not in it
  static constexpr std::size_t kMaxWords = 65'000;

  /// Requires: every word is its own words_of(), no word twice, at most kMaxWords.
  explicit Vocabulary(std::vector<std::string> words);

  [[nodiscard]] const std::vector<std::string>& words() const { return words_; }
  /// How many tokens there are: the words, numbered from 2, and the two above.
  [[nodiscard]] std::size_t size() const { return words_.size() + 2; }
  [[nodiscard]] std::int64_t token(std::string_view word) const;
  /// Of the words in their order.
  [[nodiscard]] crypto::Hash hash() const;

 private:
  std::vector<std::string> words_;
  std::map<std::string, std::int64_t, std::less<>> tokens_;
};

/// One word a line; or, in a few words, which line is wrong and why.
[[nodiscard]] std::variant<Vocabulary, std::string> parse_vocabulary(std::string_view file);
/// Throws DataError naming `path` and the line.
[[nodiscard]] Vocabulary read_vocabulary(const std::filesystem::path& path);
void write_vocabulary(const std::filesystem::path& path, const Vocabulary& vocabulary);

using Tokens = std::vector<std::int64_t>;

/// Of the words of a text.  Requires UTF-8.
[[nodiscard]] Tokens tokens_of(std::string_view text, const Vocabulary& vocabulary);

inline constexpr std::size_t kMaxSentence = 32;  ///< words; a longer one is divided
inline constexpr std::size_t kMaxText = 256;     ///< words by which a text is told apart from others

/// A sentence in pieces of at most kMaxSentence words that are to be predicted one after another; the
/// last ends with kBoundary.
[[nodiscard]] std::vector<Tokens> pieces_of(const Tokens& sentence);

/// The `most` most frequent words of several texts, rank by rank, so that a small text has as many
/// as a large one; those that a text has at least `least` times.
[[nodiscard]] Vocabulary common_words(std::span<const std::vector<std::string>> texts,
                                      std::size_t most, std::size_t least = 1);
/// The first `most` of several lists of words, rank by rank.  Requires words as Vocabulary does.
[[nodiscard]] Vocabulary ranked_words(std::span<const std::vector<std::string>> lists,
                                      std::size_t most);

}  // namespace kith::data
