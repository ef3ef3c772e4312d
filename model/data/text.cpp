#include "model/data/text.hpp"

#include "model/data/unicode.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <functional>
#include <set>
#include <utf8proc.h>
#include <utility>

namespace kith::data {
namespace {

enum class Character { space, part_of_word, symbol };

Character kind_of(utf8proc_int32_t code) {
  switch (utf8proc_category(code)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return Character::part_of_word;
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return Character::space;
    default:
      return Character::symbol;
  }
}

}  // namespace

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const auto end = text.find('\n');
    std::string_view& line = lines.emplace_back(text.substr(0, end));
    if (line.ends_with('\r')) line.remove_suffix(1);
    text.remove_prefix(std::min(text.size(), end == std::string_view::npos ? end : end + 1));
  }
  return lines;
}

std::optional<std::vector<std::string>> words_of(std::string_view line) {
  std::string made;
  if (!is_ascii(line)) {
    if (!is_utf8(line)) return std::nullopt;
    made = composed(line);
    line = made;
  }
  std::vector<std::string> words;
  bool in_word = false;
  while (!line.empty()) {
    utf8proc_int32_t code = 0;
    const auto length = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(line.data()),
                                         static_cast<utf8proc_ssize_t>(line.size()), &code);
    if (length <= 0) return std::nullopt;
    line.remove_prefix(static_cast<std::size_t>(length));
    const Character kind = kind_of(code);
    if (kind != Character::space) {
      std::array<utf8proc_uint8_t, 4> lower{};
      const auto bytes = utf8proc_encode_char(utf8proc_tolower(code), lower.data());
      if (kind == Character::symbol || !in_word) words.emplace_back();
      words.back().append(reinterpret_cast<const char*>(lower.data()),
                          static_cast<std::size_t>(bytes));
    }
    in_word = kind == Character::part_of_word;
  }
  // A small letter may be composed with its accent where the capital is not.
  if (!made.empty()) {
    for (std::string& word : words) word = composed(word);
  }
  return words;
}

Vocabulary::Vocabulary(std::vector<std::string> words) : words_(std::move(words)) {
  assert(words_.size() <= kMaxWords);
  for (std::size_t i = 0; i < words_.size(); ++i) {
    const bool is_new = tokens_.emplace(words_[i], static_cast<std::int64_t>(i + 2)).second;
    assert(is_new);
  }
}

std::int64_t Vocabulary::token(std::string_view word) const {
  const auto found = tokens_.find(word);
  return found == tokens_.end() ? kUnknown : found->second;
}

crypto::Hash Vocabulary::hash() const {
  std::string text = "kith vocabulary\n";
  for (const std::string& word : words_) text += word + "\n";
  return crypto::hash(as_byte_view(text));
}

std::variant<Vocabulary, std::string> parse_vocabulary(std::string_view file) {
  std::vector<std::string> words;
  std::set<std::string> seen;
  std::size_t number = 0;
  for (const std::string_view line : lines_of(file)) {
    const auto wrong = [at = ++number](const std::string& what) {
      return "line " + std::to_string(at) + " " + what;
    };
    const auto split = words_of(line);
    if (!split) return wrong("is not UTF-8");
    if (split->size() != 1 || split->front() != composed(line)) {
      return wrong("is not one word in lower case");
    }
    if (!seen.insert(split->front()).second) return wrong("has a word that was there before");
    if (words.size() == Vocabulary::kMaxWords) {
      return wrong("is one too many: " + std::to_string(Vocabulary::kMaxWords) +
                   " words are allowed");
    }
    words.push_back(split->front());
  }
  if (words.empty()) return "it is empty";
  return Vocabulary(std::move(words));
}

Vocabulary read_vocabulary(const std::filesystem::path& path) {
  constexpr std::size_t kMaxBytes = 8 << 20;
  auto parsed = parse_vocabulary(as_text(read_file(path, kMaxBytes)));
  if (const auto* const why = std::get_if<std::string>(&parsed)) {
    throw DataError(path.string() + " is no vocabulary: " + *why +
                    "; put one word on each line, in UTF-8");
  }
  return std::get<Vocabulary>(std::move(parsed));
}

void write_vocabulary(const std::filesystem::path& path, const Vocabulary& vocabulary) {
  std::string text;
  for (const std::string& word : vocabulary.words()) text += word + "\n";
  write_file(path, as_byte_view(text));
}

Tokens tokens_of(std::string_view text, const Vocabulary& vocabulary) {
  const auto words = words_of(text);
  assert(words);
  Tokens tokens;
  for (const std::string& word : *words) tokens.push_back(vocabulary.token(word));
  return tokens;
}

std::vector<Tokens> pieces_of(const Tokens& sentence) {
  std::vector<Tokens> pieces;
  for (std::size_t from = 0; from == 0 || from < sentence.size(); from += kMaxSentence) {
    const auto piece =
        std::span(sentence).subspan(from, std::min(kMaxSentence, sentence.size() - from));
    pieces.emplace_back(piece.begin(), piece.end());
  }
  pieces.back().push_back(Vocabulary::kBoundary);
  return pieces;
}

Vocabulary common_words(std::span<const std::vector<std::string>> texts, std::size_t most,
                        std::size_t least) {
  std::vector<std::vector<std::string>> ranked;  // of each text
  for (const auto& sentences : texts) {
    std::map<std::string, std::size_t> counts;
    for (const std::string& sentence : sentences) {
      const auto words = words_of(sentence);
      assert(words);
      for (const std::string& word : *words) ++counts[word];
    }
    auto& by_rank = ranked.emplace_back();
    for (const auto& [word, count] : counts) {
      if (count >= least) by_rank.push_back(word);
    }
    std::ranges::stable_sort(by_rank, std::greater(),
                             [&](const auto& word) { return counts[word]; });
  }
  return ranked_words(ranked, most);
}

Vocabulary ranked_words(std::span<const std::vector<std::string>> lists, std::size_t most) {
  std::size_t longest = 0;
  for (const auto& words : lists) longest = std::max(longest, words.size());
  std::vector<std::string> chosen;
  std::set<std::string_view> seen;
  for (std::size_t rank = 0; rank < longest; ++rank) {
    for (const auto& words : lists) {
      if (chosen.size() == most) return Vocabulary(std::move(chosen));
      if (rank < words.size() && seen.insert(words[rank]).second) chosen.push_back(words[rank]);
    }
  }
  return Vocabulary(std::move(chosen));
}

}  // namespace kith::data
