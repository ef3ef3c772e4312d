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

/// The words of a line of UTF-8, or nullopt if it is none.  Letters and digits that stand together
/// are a word, in lower case; any other visible character is a word of its own.
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

/// The lines of a text that have a word in them; or which line is not UTF-8.
[[nodiscard]] std::variant<std::vector<std::string>, std::string> parse_sentences(
    std::string_view file);
/// Throws DataError naming `path` and the line.
[[nodiscard]] std::vector<std::string> read_sentences(const std::filesystem::path& path);

inline constexpr std::size_t kMaxSentence = 32;  ///< words; what follows is cut off

/// The tokens to be predicted, one after another: the words, and kBoundary at the end unless the
/// sentence was cut.  Requires: `sentence` is UTF-8.
[[nodiscard]] std::vector<std::int64_t> tokens_of(std::string_view sentence,
                                                  const Vocabulary& vocabulary);

/// The `most` most frequent words of several texts, rank by rank, so that a small text has as many
/// as a large one.
[[nodiscard]] Vocabulary common_words(std::span<const std::vector<std::string>> texts,
                                      std::size_t most);

}  // namespace kith::data
