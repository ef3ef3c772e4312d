#include "model/data/unlabelled.hpp"

#include "model/data/array.hpp"
#include "model/data/dataset.hpp"
#include "model/data/file.hpp"
#include "model/data/idx.hpp"
#include "model/data/inputs.hpp"
#include "model/data/table.hpp"
#include "model/data/text.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

namespace unlabelled_test {

using namespace kith;
using namespace kith::data;
using model::Column;
using test::TemporaryDirectory;

/// All rows of all files, as one.
struct Read {
  std::vector<float> inputs;
  std::vector<bool> readable;
  std::vector<std::string> names;
  std::vector<std::size_t> pieces, firsts;
  std::size_t all = 0;
};

struct Folder {
  std::filesystem::path write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((directory / name).parent_path());
    write_file(directory / name, as_byte_view(text));
    return directory / name;
  }
  Read read(const std::vector<std::filesystem::path>& files, std::size_t at_once = 100) const {
    Read all;
    read_unlabelled(files, task, at_once, [&](const UnlabelledRows& rows) {
      all.inputs.insert(all.inputs.end(), rows.inputs.begin(), rows.inputs.end());
      all.readable.insert(all.readable.end(), rows.readable.begin(), rows.readable.end());
      all.names.insert(all.names.end(), rows.names.begin(), rows.names.end());
      all.pieces.push_back(rows.readable.size());
      all.firsts.push_back(rows.first);
      all.all = rows.all;
    });
    return all;
  }
  std::string refusal(const std::vector<std::filesystem::path>& files) const {
    bool taken = false;
    try {
      read_unlabelled(files, task, 2, [&](const UnlabelledRows&) { taken = true; });
    } catch (const DataError& error) {
      BOOST_TEST(!taken, "rows were handed over before the file was refused");
      return error.what();
    }
    return "";
  }
  TemporaryDirectory directory;
  model::Task task;
};

/// Age and ward tell who is ill.
struct Wards : Folder {
  Wards() {
    using enum Column::Kind;
    task.name = "wards";
    task.columns = {{.name = "age", .kind = number, .low = 0, .high = 100},
                    {.name = "patient", .group = true},
                    {.name = "ward", .kind = category, .values = {{"A"}, {"B"}}},
                    {.name = "ill", .kind = yes_no, .target = true}};
    task.classes = 2;
  }
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

BOOST_AUTO_TEST_SUITE(unlabelled_tests)

BOOST_AUTO_TEST_CASE(a_table_without_its_target_has_the_inputs_of_one_with_it) {
  const Wards site;
  const auto with = site.write("with.csv", "ill,age,ward,patient\nyes,50,A,1\nno,,B,2\n");
  const auto without = site.write("without.csv", "ward;age\nA;50\nB;\n");
  const Table learnt = read_table(with, site.task.columns);
  const std::vector<float> inputs(learnt.inputs.begin(), learnt.inputs.end());
  BOOST_TEST(site.read({with}).inputs == inputs, boost::test_tools::per_element());
  BOOST_TEST(site.read({without}).inputs == inputs, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_row_without_a_target_or_with_a_bad_one_is_predicted_like_any_other) {
  const Wards site;
  const auto file = site.write("new.csv", "age,ward,ill\n50,A,\n20,B,perhaps\n");
  BOOST_TEST(site.read({file}).readable.size() == 2U);
}

BOOST_AUTO_TEST_CASE(a_table_without_a_header_has_all_columns_or_all_but_the_target) {
  const Wards site;
  const auto all = site.write("all.csv", "50,1,A,yes\n20,2,B,?\n");
  const auto but = site.write("but.csv", "50,1,A\n20,2,B\n");
  BOOST_TEST(site.read({all}).inputs == site.read({but}).inputs, boost::test_tools::per_element());
  BOOST_TEST(contains(site.refusal({site.write("few.csv", "50,A\n")}), "add a first line"));
}

BOOST_AUTO_TEST_CASE(a_long_table_comes_in_pieces_in_its_order_and_says_how_many_rows_there_are) {
  const Wards site;
  std::string text = "age,ward\n";
  for (int i = 0; i < 25; ++i) text += std::to_string(4 * i) + ",A\n";
  const auto file = site.write("long.csv", text);
  const Read pieces = site.read({file}, 10), whole = site.read({file}, 100);
  BOOST_TEST(pieces.pieces == (std::vector<std::size_t>{10, 10, 5}),
             boost::test_tools::per_element());
  BOOST_TEST(pieces.firsts == (std::vector<std::size_t>{1, 11, 21}),
             boost::test_tools::per_element());
  BOOST_TEST(pieces.all == 25U);
  BOOST_TEST(pieces.inputs == whole.inputs, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(decimal_commas_that_show_late_hold_for_the_rows_before_them) {
  const Wards site;
  const auto file = site.write("comma.csv", "age;ward\n50;A\n1,5;A\n20;B\n12,25;B\n");
  const Read read = site.read({file}, 1);
  const std::size_t width = input_size(site.task);
  BOOST_TEST(read.readable.size() == 4U);
  BOOST_TEST(read.inputs.at(width) == 2 * 0.015F - 1, boost::test_tools::tolerance(1e-5F));
}

BOOST_AUTO_TEST_CASE(
    a_bad_cell_is_refused_with_file_line_and_column_before_any_row_is_handed_over) {
  const Wards site;
  const auto file = site.write("bad.csv", "age,ward\n50,A\n20,B\n30,A\nold,B\n");
  const std::string why = site.refusal({file});
  for (const char* const part : {"bad.csv: line 5", "\"old\"", "the column age", "no number"}) {
    BOOST_TEST(contains(why, part), why);
  }
  BOOST_TEST(contains(site.refusal({site.write("no.csv", "age\n50\n")}), "no column \"ward\""));
  BOOST_TEST(contains(site.refusal({site.write("none.csv", "age,ward\n")}), "holds no row"));
}

/// NPY as NumPy writes it.
std::string npy(const std::string& type, const std::string& shape, const std::vector<float>& values,
                bool fortran = false) {
  std::string header = "{'descr': '" + type +
                       "', 'fortran_order': " + (fortran ? "True" : "False") + ", 'shape': (" +
                       shape + "), }";
  header.resize(118 - 1, ' ');
  std::string file = "\x93NUMPY";
  file += {'\1', '\0', static_cast<char>(118), '\0'};
  file += header + "\n";
  std::string bytes(values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return file + bytes;
}

BOOST_AUTO_TEST_CASE(arrays_need_no_answers_and_those_beside_them_do_not_count) {
  Folder site;
  site.task.input = {2};
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  const auto x = site.write("x.npy", npy("<f4", "3, 2", values));
  const auto y = site.write("y.npy", npy("<f4", "3,", {0, 1, 2}));
  BOOST_TEST(site.read({x}, 2).inputs == values, boost::test_tools::per_element());
  BOOST_TEST(site.read({x, y}, 2).inputs == values, boost::test_tools::per_element());
  const auto turned = site.write("f.npy", npy("<f4", "3, 2", {1, 3, 5, 2, 4, 6}, true));
  BOOST_TEST(site.read({turned}, 2).inputs == values, boost::test_tools::per_element());
  BOOST_TEST(contains(site.refusal({y}), "the task wants 2"));
  const auto nan = site.write("nan.npy", npy("<f4", "1, 2", {1, std::nanf("")}));
  BOOST_TEST(contains(site.refusal({nan}), "no finite number"));
}

BOOST_AUTO_TEST_CASE(images_need_no_labels_and_those_behind_them_do_not_count) {
  Folder site;
  site.task.input = {1, 2, 2};
  Idx images{{3, 2, 2}, {0, 255, 0, 255, 0, 0, 0, 0, 255, 255, 255, 255}}, labels{{3}, {1, 2, 3}};
  write_idx(site.directory / "images", images);
  write_idx(site.directory / "labels", labels);
  const Read with = site.read({site.directory / "images", site.directory / "labels"});
  BOOST_TEST(with.readable.size() == 3U);
  BOOST_TEST(with.inputs == site.read({site.directory / "images"}).inputs,
             boost::test_tools::per_element());
  BOOST_TEST(contains(site.refusal({site.directory / "labels"}), "holds no images"));
}

BOOST_AUTO_TEST_CASE(texts_need_no_labels_and_one_without_a_known_word_has_its_row_all_the_same) {
  Folder site;
  site.task.model = "text-classifier";
  site.task.sizes = {4};
  site.task.labels = {"bad", "good"};
  site.task.classes = 2;
  const Vocabulary words({"a", "fine", "film"});
  site.task.vocabulary = site.directory / "words.txt";
  write_vocabulary(site.task.vocabulary, words);
  site.task.vocabulary_hash = crypto::to_hex(words.hash());
  site.task.words = static_cast<unsigned>(words.size());
  const auto lines = site.write("new.txt", "a fine film\n\nunheard of\nfilm");
  const Read read = site.read({lines}, 2);
  BOOST_TEST((read.readable == std::vector<bool>{true, false, false, true}));
  BOOST_TEST(read.inputs.size() == 2 * kMaxText);
  BOOST_TEST(read.inputs[0] == 2.0F);
  BOOST_TEST(read.inputs[3] == Samples::kNoWord);
  std::string late;  // as in learning, what the model does not see makes no text known
  for (std::size_t i = 0; i < kMaxText; ++i) late += "unheard ";
  BOOST_TEST(!site.read({site.write("late.txt", late + "film\n")}).readable[0]);
  const auto table = site.write("new.csv", "text,label\n\"a fine\nfilm\",\nfilm,no such\n");
  BOOST_TEST(site.read({table}).readable.size() == 2U);
  BOOST_TEST(contains(site.refusal({site.write("bad.csv", "words\nfilm\n")}), "column of texts"));
}

BOOST_AUTO_TEST_CASE(of_a_text_whose_next_word_is_asked_for_the_last_words_count) {
  Folder site;
  site.task.model = "gru-lm";
  site.task.sizes = {4, 4};
  const Vocabulary words({"a", "b"});
  site.task.vocabulary = site.directory / "words.txt";
  write_vocabulary(site.task.vocabulary, words);
  site.task.vocabulary_hash = crypto::to_hex(words.hash());
  site.task.classes = static_cast<unsigned>(words.size());
  std::string text = "b";
  for (std::size_t i = 0; i < kMaxSentence; ++i) text += " a";
  const Read read = site.read({site.write("new.txt", text + "\nb a\n")});
  const std::size_t width = kMaxSentence + 1;
  BOOST_TEST(read.inputs.size() == 2 * width);
  BOOST_TEST(std::ranges::count(read.inputs.begin(), read.inputs.begin() + width, 2.0F) ==
             static_cast<std::ptrdiff_t>(kMaxSentence));
  BOOST_TEST(read.inputs[0] == 0.0F);
  BOOST_TEST(read.inputs[width + 1] == 3.0F);
  BOOST_TEST(read.inputs[width + 3] == Samples::kNoWord);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unlabelled_test
