// Words are words of their own; every sentence that is read has tokens within the vocabulary; a
// vocabulary that is read is written and read the same.
#include "model/data/text.hpp"

#include <cstdlib>

namespace {

using namespace kith::data;

void require(bool holds) {
  if (!holds) std::abort();
}

void check_vocabulary(std::string_view file) {
  const auto parsed = parse_vocabulary(file);
  const auto* const vocabulary = std::get_if<Vocabulary>(&parsed);
  if (vocabulary == nullptr) return;
  std::string text;
  for (const std::string& word : vocabulary->words()) text += word + "\n";
  const auto again = parse_vocabulary(text);
  require(std::get<Vocabulary>(again).hash() == vocabulary->hash());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view file(reinterpret_cast<const char*>(data), size);
  check_vocabulary(file);
  const auto parsed = parse_sentences(file);
  const auto* const sentences = std::get_if<std::vector<std::string>>(&parsed);
  if (sentences == nullptr) return 0;
  std::vector<std::vector<std::string>> texts{*sentences};
  const Vocabulary words = common_words(texts, 10);
  for (const std::string& sentence : *sentences) {
    const auto tokens = tokens_of(sentence, words);
    require(!tokens.empty() && tokens.size() <= kMaxSentence + 1);
    for (const std::int64_t token : tokens) {
      require(token >= 0 && token < static_cast<std::int64_t>(words.size()));
    }
  }
  for (const std::string& word : words.words()) require(words_of(word).value().size() == 1);
  return 0;
}
