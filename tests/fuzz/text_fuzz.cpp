// Words are words of their own; every text that is read, in lines, CSV or JSONL, has tokens within the
// vocabulary; a vocabulary that is read is written and read the same.
#include "model/data/text.hpp"
#include "model/data/text_files.hpp"

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

void check_texts(std::string_view file, TextFormat format, bool labelled) {
  const auto parsed = parse_texts(file, format, labelled);
  if (const auto* const why = std::get_if<std::string>(&parsed)) {
    require(!why->empty());
    return;
  }
  const Texts& texts = std::get<Texts>(parsed);
  require(texts.labels.size() == (labelled ? texts.texts.size() : 0));
  require(texts.lines.size() == texts.texts.size());
  require(texts.groups.empty() || texts.groups.size() == texts.texts.size());
  const std::vector<std::vector<std::string>> all{texts.texts};
  const Vocabulary words = common_words(all, 10);
  for (const std::string& text : texts.texts) {
    const Tokens tokens = tokens_of(text, words);
    require(!tokens.empty());
    for (const std::int64_t token : tokens) {
      require(token >= Vocabulary::kUnknown && token < static_cast<std::int64_t>(words.size()));
    }
    std::size_t in_pieces = 0;
    for (const Tokens& piece : pieces_of(tokens)) {
      require(!piece.empty() && piece.size() <= kMaxSentence + 1);
      in_pieces += piece.size();
    }
    require(in_pieces == tokens.size() + 1);
  }
  for (const std::string& word : words.words()) {
    require(words_of(word).value() == std::vector<std::string>{word});
  }
}

/// Of every record there is a text, and where it stands.
void check_records(std::string_view file, TextFormat format) {
  const auto parsed = parse_records(file, format);
  if (const auto* const why = std::get_if<std::string>(&parsed)) {
    require(!why->empty());
    return;
  }
  const Texts& texts = std::get<Texts>(parsed);
  require(texts.labels.empty() && texts.groups.empty());
  require(texts.lines.size() == texts.texts.size());
  const Vocabulary words({"a", "b"});
  for (const std::string& text : texts.texts) static_cast<void>(tokens_of(text, words));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view file(reinterpret_cast<const char*>(data), size);
  check_vocabulary(file);
  for (const TextFormat format : {TextFormat::lines, TextFormat::csv, TextFormat::jsonl}) {
    for (const bool labelled : {false, true}) check_texts(file, format, labelled);
    check_records(file, format);
  }
  static_cast<void>(is_table_of_texts(file));
  return 0;
}
