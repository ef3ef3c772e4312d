#include "model/data/text.hpp"

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

/// Calls `use(line, number)` for every line, without its end, until one call returns false.
template <class Use>
void each_line(std::string_view text, Use use) {
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!use(line, number) || end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

std::string on_line(std::size_t number, const std::string& what) {
  return "line " + std::to_string(number) + " " + what;
}

}  // namespace

std::optional<std::vector<std::string>> words_of(std::string_view line) {
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
  std::set<std::string_view> seen;
  std::string problem;
  each_line(file, [&](std::string_view line, std::size_t number) {
    const auto split = words_of(line);
    if (!split) {
      problem = on_line(number, "is not UTF-8");
    } else if (split->size() != 1 || split->front() != line) {
      problem = on_line(number, "is not one word in lower case");
    } else if (!seen.insert(line).second) {
      problem = on_line(number, "has a word that was there before");
    } else if (words.size() == Vocabulary::kMaxWords) {
      problem = on_line(number, "is one too many: " + std::to_string(Vocabulary::kMaxWords) +
                                    " words are allowed");
    }
    words.emplace_back(line);
    return problem.empty();
  });
  if (!problem.empty()) return problem;
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

std::variant<std::vector<std::string>, std::string> parse_sentences(std::string_view file) {
  std::vector<std::string> sentences;
  std::string problem;
  each_line(file, [&](std::string_view line, std::size_t number) {
    const auto words = words_of(line);
    if (!words) {
      problem = on_line(number, "is not UTF-8");
    } else if (!words->empty()) {
      sentences.emplace_back(line);
    }
    return problem.empty();
  });
  if (!problem.empty()) return problem;
  return sentences;
}

std::vector<std::string> read_sentences(const std::filesystem::path& path) {
  auto parsed = parse_sentences(as_text(read_file(path)));
  if (const auto* const why = std::get_if<std::string>(&parsed)) {
    throw DataError(path.string() + ": " + *why + "; convert the file, for example with iconv");
  }
  return std::get<std::vector<std::string>>(std::move(parsed));
}

std::vector<std::int64_t> tokens_of(std::string_view sentence, const Vocabulary& vocabulary) {
  const auto words = words_of(sentence);
  assert(words);
  std::vector<std::int64_t> tokens;
  for (const std::string& word : std::span(*words).first(std::min(words->size(), kMaxSentence))) {
    tokens.push_back(vocabulary.token(word));
  }
  if (words->size() <= kMaxSentence) tokens.push_back(Vocabulary::kBoundary);
  return tokens;
}

Vocabulary common_words(std::span<const std::vector<std::string>> texts, std::size_t most) {
  std::vector<std::vector<std::string>> ranked;  // of each text
  std::size_t longest = 0;
  for (const auto& sentences : texts) {
    std::map<std::string, std::size_t> counts;
    for (const std::string& sentence : sentences) {
      const auto words = words_of(sentence);
      assert(words);
      for (const std::string& word : *words) ++counts[word];
    }
    auto& by_rank = ranked.emplace_back();
    for (const auto& [word, count] : counts) by_rank.push_back(word);
    std::ranges::stable_sort(by_rank, std::greater(),
                             [&](const auto& word) { return counts[word]; });
    longest = std::max(longest, by_rank.size());
  }
  std::vector<std::string> chosen;
  std::set<std::string_view> seen;
  for (std::size_t rank = 0; rank < longest; ++rank) {
    for (const auto& words : ranked) {
      if (chosen.size() == most) return Vocabulary(std::move(chosen));
      if (rank < words.size() && seen.insert(words[rank]).second) chosen.push_back(words[rank]);
    }
  }
  return Vocabulary(std::move(chosen));
}

}  // namespace kith::data
