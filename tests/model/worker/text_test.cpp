#include "model/data/dataset.hpp"
#include "model/data/text.hpp"
#include "model/data/text_files.hpp"

#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

namespace text_test {

using namespace kith;
using namespace kith::data;
using test::TemporaryDirectory;

using Words = std::vector<std::string>;

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
  BOOST_TEST((words_of("e\u0301t").value() == Words{"\u00e9t"}));  // an accent that combines
  BOOST_TEST((words_of("J\u030c").value() == Words{"\u01f0"}));  // there is only a small one
  BOOST_TEST((words_of("a =\u0338 b").value() == Words{"a", "\u2260", "b"}));
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
              Tokens{2, 3, Vocabulary::kUnknown, 4}));
}

BOOST_AUTO_TEST_CASE(a_text_from_a_mac_has_the_words_of_others) {
  const auto vocabulary = std::get<Vocabulary>(parse_vocabulary("cafe\u0301\nsmørrebrød\n"));
  BOOST_TEST((vocabulary.hash() == Vocabulary({"caf\u00e9", "smørrebrød"}).hash()));
  for (const char* const text : {"Cafe\u0301 smørrebrød", "CAF\u00c9 SMØRREBRØD"}) {
    BOOST_TEST((tokens_of(text, vocabulary) == Tokens{2, 3}));
  }
}

BOOST_AUTO_TEST_CASE(a_long_sentence_is_divided_and_only_its_last_piece_has_an_end) {
  const Tokens sentence(kMaxSentence, 2);
  auto pieces = pieces_of(sentence);
  BOOST_REQUIRE(pieces.size() == 1U);
  BOOST_TEST(pieces[0].size() == kMaxSentence + 1);
  BOOST_TEST(pieces[0].back() == Vocabulary::kBoundary);
  Tokens longer(2 * kMaxSentence + 3, 2);
  longer[kMaxSentence] = 5;
  pieces = pieces_of(longer);
  BOOST_REQUIRE(pieces.size() == 3U);
  BOOST_TEST((pieces[0] == sentence));
  BOOST_TEST(pieces[1].size() == kMaxSentence);
  BOOST_TEST(pieces[1].front() == 5);
  BOOST_TEST((pieces[2] == Tokens{2, 2, 2, Vocabulary::kBoundary}));
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
  const auto parsed = parse_texts("one\n\n  \ntwo words\r\nlast", TextFormat::lines, false);
  BOOST_TEST((std::get<Texts>(parsed).texts == Words{"one", "two words", "last"}));
}

Texts texts(const std::string& file, TextFormat format, bool labelled) {
  auto parsed = parse_texts(file, format, labelled);
  const auto* const why = std::get_if<std::string>(&parsed);
  BOOST_REQUIRE_MESSAGE(why == nullptr, *why);
  return std::get<Texts>(std::move(parsed));
}

std::string refused_text(const std::string& file, TextFormat format) {
  const auto parsed = parse_texts(file, format, true);
  const auto* const why = std::get_if<std::string>(&parsed);
  return why != nullptr ? *why : "";
}

BOOST_AUTO_TEST_CASE(texts_with_labels_are_records_of_a_table_or_of_json) {
  const Texts table = texts(
      "id;Label;Text\n1;good;\"fine; and\nso on\"\n2;;lost\n3;bad;no\n4;bad;\n", TextFormat::csv, true);
  BOOST_TEST((table.texts == Words{"fine; and\nso on", "no"}));
  BOOST_TEST((table.labels == Words{"good", "bad"}));
  BOOST_TEST(table.without_label == 1U);
  BOOST_TEST((table.lines == std::vector<std::size_t>{2, 5}));
  BOOST_TEST(table.format == "UTF-8, CSV");
  const Texts json = texts(
      "{\"text\": \"cafe\u0301\", \"label\": 3, \"group\": \"p1\"}\n\n"
      "{\"label\": true, \"text\": \"b\\nc\", \"group\": \"p2\"}\n"
      "{\"label\": null, \"text\": \"d\", \"group\": \"p2\"}\n",
      TextFormat::jsonl, true);
  BOOST_TEST((json.texts == Words{"cafe\u0301", "b\nc"}));
  BOOST_TEST((json.labels == Words{"3", "true"}));
  BOOST_TEST((json.groups == Words{"p1", "p2"}));
  BOOST_TEST(json.without_label == 1U);
  // To predict words, each line is a sentence.
  const Texts lines = texts("{\"text\": \"b\\nc\"}", TextFormat::jsonl, false);
  BOOST_TEST((lines.texts == Words{"b", "c"}));
  BOOST_TEST(lines.labels.empty());
}

BOOST_AUTO_TEST_CASE(texts_that_cannot_be_read_are_explained) {
  using enum TextFormat;
  BOOST_TEST(contains(refused_text("a\n", lines), "texts without labels; name a file that ends in .csv"));
  BOOST_TEST(contains(refused_text("a,b\n1,2\n", csv), "no column of texts on its first line; call it one of text"));
  BOOST_TEST(contains(refused_text("text,b\n1,2\n", csv), "no column of labels"));
  BOOST_TEST(contains(refused_text("text,label\n1,2,3\n", csv), "has 3 cells on line 2, but 2"));
  BOOST_TEST(contains(refused_text("{\"text\": \"a\"", jsonl), "on line 1 no JSON object"));
  BOOST_TEST(contains(refused_text("[1]", jsonl), "on line 1 no JSON object"));
  BOOST_TEST(contains(refused_text("\n{\"label\": 1}", jsonl), "on line 2 no text"));
  BOOST_TEST(contains(refused_text("{\"text\": \"a\"}", jsonl), "on line 1 no label"));
  BOOST_TEST(contains(refused_text("{\"text\": \"a\", \"label\": 1}\n{\"text\": \"a\", \"label\": 1, \"group\": 1}", jsonl),
                      "a group in some records"));
  BOOST_TEST(contains(refused_text(std::string(100'000, '['), jsonl), "no JSON object"));
}

/// A task whose vocabulary lies in a folder.
struct WithVocabulary {
  explicit WithVocabulary(const std::string& model) {
    const Vocabulary words({"a", "b", "c"});
    write_vocabulary(folder / "words", words);
    task.name = "texts";
    task.model = model;
    task.sizes = {4, 4};
    task.vocabulary = folder / "words";
    task.vocabulary_hash = crypto::to_hex(words.hash());
    task.classes = 5;
    if (model != "text-classifier") return;
    task.labels = {"bad", "good"};
    task.words = 5, task.classes = 2;
  }
  Dataset read(const std::string& name, const std::string& text) {
    write_file(folder / name, as_byte_view(text));
    model::DataFiles files;
    files.train = {folder / name};
    files.min_validation = 1;
    return read_dataset(files, task, 10);
  }
  TemporaryDirectory folder;
  model::Task task;
};

BOOST_AUTO_TEST_CASE(unknown_words_and_divided_sentences_are_counted) {
  WithVocabulary given("gru-lm");
  BOOST_TEST(!model::problem(given.task).has_value());
  std::string text = "x y z\n";  // nothing is known of it
  for (int i = 0; i < 20; ++i) text += "a b" + std::to_string(i) + "\n";
  for (int i = 0; i < 50; ++i) text += "c ";
  const Dataset read = given.read("text.txt", text);
  BOOST_TEST(read.noticed.words == 3U + 40 + 50);
  BOOST_TEST(read.noticed.unknown_words == 3U + 20);
  BOOST_TEST(read.noticed.divided == 1U);
  BOOST_TEST(read.noticed.all_unknown == 1U);
  BOOST_TEST(read.train.count() + read.validation.count() == 22U);
  BOOST_TEST(summary(read.noticed) ==
             "23 of 93 words are not in the vocabulary, 1 sentences were cut into pieces, 1 texts "
             "without a known word were left out");
  BOOST_TEST(contains(complaint([&] { static_cast<void>(given.read("other.txt", "x y\nz\n")); }),
                      "no word that is in"));
}

BOOST_AUTO_TEST_CASE(a_text_and_its_label_are_an_example) {
  WithVocabulary given("text-classifier");
  BOOST_TEST(!model::problem(given.task).has_value());
  std::string text = "text,label\n";
  for (int i = 0; i < 40; ++i) {
    text += std::string(i % 2 == 0 ? "a b c,good" : "c x,bad") + "\n";
  }
  for (int i = 0; i < 300; ++i) text += "a ";
  const Dataset read = given.read("texts.csv", text + ",good\n");
  BOOST_TEST(read.noticed.cut == 1U);
  BOOST_TEST((read.train.shape == std::vector<std::int64_t>{kMaxText}));
  BOOST_TEST(read.train.inputs.size() == read.train.count() * kMaxText);
  for (std::size_t i = 0; i < read.train.count(); ++i) {
    const float* const words = &read.train.inputs[i * kMaxText];
    if (read.train.targets[i] == 0) {
      BOOST_TEST((words[0] == 4 && words[1] == 1 && words[2] == Samples::kNoWord));
    } else if (words[1] == 3) {
      BOOST_TEST((words[2] == 4 && words[3] == Samples::kNoWord));
    } else {
      BOOST_TEST((words[0] == 2 && words[kMaxText - 1] == 2));
    }
  }
  BOOST_TEST(contains(
      complaint([&] { static_cast<void>(given.read("b.csv", "text,label\na,good\nb,fair\n")); }),
      "line 3 has the label \"fair\", which is none of task.labels"));
}

BOOST_AUTO_TEST_CASE(errors_name_file_and_line) {
  const TemporaryDirectory directory;
  write_file(directory / "latin1", as_byte_view("good\nsm\xf8rrebr\xf8"
                                                "d\n"));
  const std::string what =
      complaint([&] { static_cast<void>(read_sentences(directory / "latin1")); });
  BOOST_TEST(what == "nothing");  // Windows-1252 is recognised
  write_file(directory / "zero", as_byte_view(std::string("a\0b", 3)));
  BOOST_TEST(contains(complaint([&] { static_cast<void>(read_sentences(directory / "zero")); }),
                      "zero holds zero bytes, as no text does"));
  BOOST_TEST(
      contains(complaint([&] { static_cast<void>(read_vocabulary(directory / "none")); }), "none"));
  BOOST_TEST(contains(complaint([&] { static_cast<void>(read_vocabulary(directory / "latin1")); }),
                      "put one word on each line"));
}

BOOST_AUTO_TEST_CASE(common_words_come_by_rank_from_every_text) {
  const std::vector<Words> texts{{"a a a b b c", "a b"}, {"x y", "x"}};
  BOOST_TEST((common_words(texts, 4).words() == Words{"a", "x", "b", "y"}));
  BOOST_TEST((common_words(texts, 100).words() == Words{"a", "x", "b", "y", "c"}));
  BOOST_TEST((common_words(texts, 100, 2).words() == Words{"a", "x", "b"}));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace text_test
