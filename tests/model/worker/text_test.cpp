#include "model/data/text.hpp"

#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

namespace text_test {

using namespace kith;
using namespace kith::data;
using test::TemporaryDirectory;

using Words = std::vector<std::string>;
using Tokens = std::vector<std::int64_t>;

std::string refused(const std::string& vocabulary) {
  const auto parsed = parse_vocabulary(vocabulary);
  const auto* const why = std::get_if<std::string>(&parsed);
  return why != nullptr ? *why : "";
}

template <class Read>
std::string complaint(Read read) {
  try {
    read();
  } catch (const DataError& error) {
    return error.what();
  }
  return "nothing";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

BOOST_AUTO_TEST_SUITE(text_tests)

BOOST_AUTO_TEST_CASE(words_are_letters_and_digits_in_lower_case_or_single_symbols) {
  BOOST_TEST(
      (words_of("Ærlig TALT, 2 Øl!").value() == Words{"ærlig", "talt", ",", "2", "øl", "!"}));
  BOOST_TEST((words_of(" a\t\u00a0b\r").value() == Words{"a", "b"}));
  BOOST_TEST((words_of("it's ...").value() == Words{"it", "'", "s", ".", ".", "."}));
  BOOST_TEST((words_of("e\u0301t").value() == Words{"e\u0301t"}));  // a combining accent
  BOOST_TEST((words_of("").value() == Words{}));
}

BOOST_AUTO_TEST_CASE(what_is_not_utf_8_is_no_line) {
  for (const char* const bad : {"\xff", "a\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80"}) {
    BOOST_TEST(!words_of(bad).has_value());
  }
}

BOOST_AUTO_TEST_CASE(a_sentence_becomes_the_tokens_to_be_predicted) {
  const Vocabulary words({"the", "cat", "."});
  BOOST_TEST(words.size() == 5U);
  BOOST_TEST((tokens_of("The CAT purrs.", words) ==
              Tokens{2, 3, Vocabulary::kUnknown, 4, Vocabulary::kBoundary}));
}

BOOST_AUTO_TEST_CASE(a_long_sentence_is_cut_and_has_no_end) {
  const Vocabulary words({"a"});
  std::string sentence;
  for (std::size_t i = 0; i < kMaxSentence; ++i) sentence += "a ";
  BOOST_TEST(tokens_of(sentence, words).size() == kMaxSentence + 1);
  BOOST_TEST(tokens_of(sentence, words).back() == Vocabulary::kBoundary);
  BOOST_TEST(tokens_of(sentence + "a", words).size() == kMaxSentence);
  BOOST_TEST(tokens_of(sentence + "a", words).back() == 2);
}

BOOST_AUTO_TEST_CASE(a_vocabulary_is_read_as_it_was_written) {
  const TemporaryDirectory directory;
  const Vocabulary words({"á", ".", "b2"});
  write_vocabulary(directory / "words", words);
  const Vocabulary again = read_vocabulary(directory / "words");
  BOOST_TEST(again.words() == words.words());
  BOOST_TEST((again.hash() == words.hash()));
  BOOST_TEST((again.hash() != Vocabulary({".", "á", "b2"}).hash()));
  const auto windows = parse_vocabulary("á\r\n.\r\nb2");
  BOOST_TEST((std::get<Vocabulary>(windows).hash() == words.hash()));
}

BOOST_AUTO_TEST_CASE(a_bad_vocabulary_names_its_line) {
  BOOST_TEST(refused("a\nb\n").empty());
  BOOST_TEST(contains(refused("a\n\nb\n"), "line 2"));
  BOOST_TEST(contains(refused("a\nB\n"), "line 2 is not one word in lower case"));
  BOOST_TEST(contains(refused("a b\n"), "line 1 is not one word"));
  BOOST_TEST(contains(refused("a\nb\na\n"), "line 3 has a word that was there before"));
  BOOST_TEST(contains(refused("a\n\xff\n"), "line 2 is not UTF-8"));
  BOOST_TEST(contains(refused(""), "empty"));
}

BOOST_AUTO_TEST_CASE(sentences_are_the_lines_with_a_word) {
  const auto parsed = parse_sentences("one\n\n  \ntwo words\r\nlast");
  BOOST_TEST((std::get<Words>(parsed) == Words{"one", "two words", "last"}));
}

BOOST_AUTO_TEST_CASE(errors_name_file_and_line) {
  const TemporaryDirectory directory;
  write_file(directory / "latin1", as_byte_view("good\nsm\xf8rrebr\xf8"
                                                "d\n"));
  const std::string what =
      complaint([&] { static_cast<void>(read_sentences(directory / "latin1")); });
  BOOST_TEST(contains(what, "latin1: line 2 is not UTF-8; convert"));
  BOOST_TEST(
      contains(complaint([&] { static_cast<void>(read_vocabulary(directory / "none")); }), "none"));
  BOOST_TEST(contains(complaint([&] { static_cast<void>(read_vocabulary(directory / "latin1")); }),
                      "put one word on each line"));
}

BOOST_AUTO_TEST_CASE(common_words_come_by_rank_from_every_text) {
  const std::vector<Words> texts{{"a a a b b c", "a b"}, {"x y", "x"}};
  BOOST_TEST((common_words(texts, 4).words() == Words{"a", "x", "b", "y"}));
  BOOST_TEST((common_words(texts, 100).words() == Words{"a", "x", "b", "y", "c"}));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace text_test
