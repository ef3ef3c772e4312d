#include "model/data/draft.hpp"

#include "model/data/file.hpp"
#include "model/data/table.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <random>
#include <string>

namespace draft_test {

using namespace kith;
using namespace kith::data;
using model::Column;
using Kind = Column::Kind;

struct Files {
  std::vector<std::filesystem::path> paths;
  Files& add(const std::string& text) {
    paths.push_back(folder / std::to_string(paths.size()));
    write_file(paths.back(), as_byte_view(text));
    return *this;
  }
  Draft draft(const std::string& target = "") { return draft_table(paths, target); }
  std::string refusal(const std::string& target = "") {
    try {
      static_cast<void>(draft(target));
    } catch (const DataError& error) {
      return error.what();
    }
    return "";
  }
  test::TemporaryDirectory folder;
};

/// Rows of a hospital: what programs write, with all that is usual in it.
std::string hospital(int rows) {
  std::mt19937 random(1);
  std::string text = "row,patient,visit,age,pain,smoker,troponin,ward,remark,bill,sick\n";
  for (int i = 0; i < rows; ++i) {
    const bool sick = random() % 3 == 0;
    text += std::to_string(1000 + i) + ",p" + std::to_string(i / 4) + ",2024-0" +
            std::to_string(1 + i * 8 / rows) + "-1" + std::to_string(i % 10) + ",";
    text += i % 50 == 7 ? "-9," : std::to_string(20 + random() % 60) + ",";
    text += std::string(i % 3 == 0 ? "none" : i % 3 == 1 ? "mild" : "NA") + ",";
    text += std::string(i % 2 == 0 ? "yes" : "no") + ",";
    text += (i % 2 == 0 ? "0.00" : "90.") + std::to_string(1 + random() % 9) + ",A,";
    text += "\"said, " + std::to_string(random()) + "\"," + (sick ? "5" : "1") +
            std::to_string(100 + random() % 100) + "," + (sick ? "1" : "0") + "\n";
  }
  return text;
}

Column column(const Draft& draft, const std::string& name) {
  const auto found = std::ranges::find(draft.task.columns, name, &Column::name);
  BOOST_REQUIRE(found != draft.task.columns.end());
  return *found;
}

std::string reason(const Draft& draft, const std::string& name) {
  const auto found = std::ranges::find(draft.task.columns, name, &Column::name);
  return draft.reasons.at(static_cast<std::size_t>(found - draft.task.columns.begin()));
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

BOOST_AUTO_TEST_SUITE(draft_tests)

BOOST_AUTO_TEST_CASE(columns_are_what_people_would_say_they_are) {
  Files files;
  const Draft draft = files.add(hospital(400)).draft();
  BOOST_TEST((column(draft, "row").kind == Kind::ignored));
  BOOST_TEST(!column(draft, "row").group);
  BOOST_TEST(column(draft, "patient").group);
  BOOST_TEST((column(draft, "visit").kind == Kind::date));
  BOOST_TEST(column(draft, "visit").time);
  BOOST_TEST((column(draft, "age").kind == Kind::number));
  BOOST_TEST(column(draft, "age").low == 20);
  BOOST_TEST(column(draft, "age").high <= 80);
  BOOST_TEST((column(draft, "age").missing == std::vector<std::string>{"-9"}));
  BOOST_TEST((column(draft, "pain").kind == Kind::category));
  BOOST_TEST(column(draft, "pain").values.size() == 2U);
  BOOST_TEST(contains(reason(draft, "pain"), "33 % missing"));
  BOOST_TEST((column(draft, "smoker").kind == Kind::yes_no));
  BOOST_TEST((column(draft, "troponin").scale == Column::Scale::log));
  BOOST_TEST((column(draft, "ward").kind == Kind::ignored));
  BOOST_TEST(contains(reason(draft, "ward"), "always \"A\""));
  BOOST_TEST((column(draft, "remark").kind == Kind::ignored));
}

BOOST_AUTO_TEST_CASE(what_tells_the_target_by_itself_is_left_out_and_told_of) {
  Files files;
  const Draft draft = files.add(hospital(400)).draft("sick");
  BOOST_TEST(column(draft, "sick").target);
  BOOST_TEST(draft.task.classes == 2U);
  BOOST_TEST((column(draft, "bill").kind == Kind::ignored));
  BOOST_TEST(contains(reason(draft, "bill"), "known beforehand"));
}

BOOST_AUTO_TEST_CASE(a_draft_reads_the_files_it_was_made_from) {
  Files files;
  files.add(hospital(300)).add("sick;age;pain\n0;20,5;mild\n1;30,5;\n0;41;none\n");
  for (const bool second : {false, true}) {
    const std::vector<std::filesystem::path> one{files.paths[second ? 1 : 0]};
    const Draft draft = draft_table(one, "sick");
    model::Task task = draft.task;
    task.name = "t";
    BOOST_TEST(!model::problem(task).has_value());
    BOOST_TEST(read_table(one[0], draft.task.columns).rows == (second ? 3U : 300U));
  }
}

BOOST_AUTO_TEST_CASE(what_is_the_same_in_each_file_says_whose_it_is_and_is_left_out) {
  Files files;
  files.add("site,x,label\nA,1,u\nA,2,v\n").add("site,x,label\nB,3,u\nB,4,v\n");
  const Draft draft = files.draft();
  BOOST_TEST((column(draft, "site").kind == Kind::ignored));
  BOOST_TEST(contains(reason(draft, "site"), "whose"));
  BOOST_TEST((column(draft, "x").kind == Kind::number));
}

BOOST_AUTO_TEST_CASE(a_number_of_many_values_is_predicted_as_a_number) {
  std::string text = "size,price\n";
  for (int i = 0; i < 100; ++i) text += std::to_string(i) + "," + std::to_string(1000 + 7 * i) + "\n";
  Files files;
  const Draft draft = files.add(text).draft();
  BOOST_TEST(column(draft, "price").target);
  BOOST_TEST((column(draft, "price").kind == Kind::number));
  BOOST_TEST(draft.task.classes == 1U);
  BOOST_TEST(model::metric_of(draft.task) == "r2");
}

BOOST_AUTO_TEST_CASE(where_one_class_is_nearly_all_the_metric_is_balanced) {
  std::string text = "size,label\n";
  for (int i = 0; i < 100; ++i) text += std::to_string(i) + (i % 12 == 0 ? ",ill\n" : ",well\n");
  Files files;
  const Draft draft = files.add(text).draft();
  BOOST_TEST(draft.task.metric == "balanced_accuracy");
  BOOST_TEST((column(draft, "label").values ==
              std::vector<std::vector<std::string>>{{"well"}, {"ill"}}));
}

BOOST_AUTO_TEST_CASE(what_cannot_be_drafted_is_explained) {
  BOOST_TEST(contains(Files().add("1,2\n3,4\n").refusal(), "name the columns"));
  BOOST_TEST(contains(Files().add("a,b\n1\n").refusal(), "1 cells on line 2"));
  BOOST_TEST(contains(Files().add("a,a\n1,2\n").refusal(), "two columns of one name"));
  BOOST_TEST(contains(Files().add("a,b\n").refusal(), "hold no row"));
  BOOST_TEST(contains(Files().add("a,b\n1,2\n").refusal("c"), "there are: a, b"));
  BOOST_TEST(contains(Files().add("a,b\n1,2\n1,2\n").refusal(), "no column can be predicted"));
  BOOST_TEST(contains(Files().add("").refusal(), "holds no line"));
}

/// A folder with files, and what a draft of them says when it is refused.
struct Folder {
  std::filesystem::path write(const std::string& name, const std::string& bytes) const {
    std::filesystem::create_directories((folder / name).parent_path());
    write_file(folder / name, as_byte_view(bytes));
    return folder / name;
  }
  test::TemporaryDirectory folder;
};

template <class Make>
std::string refusal_of(Make make) {
  try {
    static_cast<void>(make());
  } catch (const DataError& error) {
    return error.what();
  }
  return "";
}

template <class T>
std::string npy(const std::string& type, const std::string& shape, const std::vector<T>& values) {
  std::string header =
      "{'descr': '" + type + "', 'fortran_order': False, 'shape': " + shape + ", }";
  header.append(64 - (10 + header.size() + 1) % 64, ' ');
  header += '\n';
  const auto size = static_cast<char>(header.size());
  return "\x93NUMPY\x01" + std::string(1, '\0') + size + std::string(1, '\0') + header +
         std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

BOOST_AUTO_TEST_CASE(arrays_are_drafted_by_their_shapes_and_answers) {
  const Folder files;
  const std::vector<float> windows(12 * 20 * 3, 1);
  const auto x = files.write("x.npy", npy("<f4", "(12, 20, 3)", windows));
  std::vector<float> answers{0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 3};
  auto y = files.write("y.npy", npy("<f4", "(12,)", answers));
  Draft draft = draft_arrays(std::vector{x, y});
  BOOST_TEST(draft.task.model == "cnn1d");
  BOOST_TEST(draft.task.input == (std::vector<unsigned>{20, 3}));
  BOOST_TEST(draft.task.classes == 4U);
  BOOST_TEST(draft.examples == 12U);
  BOOST_TEST(draft.target == "one of 4 classes");
  draft.task.name = "drafted";
  BOOST_TEST(!model::problem(draft.task).has_value());
  for (float& answer : answers) answer += 0.5F;
  files.write("y.npy", npy("<f4", "(12,)", answers));
  draft = draft_arrays(std::vector{x, y});
  BOOST_TEST(draft.task.loss == "squared");
  BOOST_TEST(draft.task.target_range == (std::vector<double>{0.5, 2.5}));
  files.write("y.npy", npy("<f4", "(12, 2)", std::vector<float>(24, 1)));
  draft = draft_arrays(std::vector{x, y});
  BOOST_TEST(draft.task.loss == "binary-cross-entropy");
  BOOST_TEST(draft.task.classes == 2U);
  files.write("y.npy", npy("<f4", "(12, 2)", std::vector<float>(24, 2)));
  BOOST_TEST(refusal_of([&] { return draft_arrays(std::vector{x, y}); }).find("must then be 0 or 1") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(texts_are_drafted_with_a_vocabulary) {
  const Folder files;
  std::string table = "id,text,label\n";
  for (int i = 0; i < 20; ++i) {
    table += std::to_string(i) + (i % 4 == 0 ? ",Cafe\u0301 closed,bad\n" : ",CAF\u00c9 open!,good\n");
  }
  const auto labelled = files.write("a.csv", table + "20,once,good\n");
  BOOST_TEST(holds_texts(labelled));
  Draft draft = draft_texts(std::vector{labelled});
  BOOST_TEST(draft.task.model == "text-classifier");
  BOOST_TEST(draft.task.labels == (std::vector<std::string>{"bad", "good"}));
  BOOST_TEST(draft.vocabulary->words() ==
             (std::vector<std::string>{"caf\u00e9", "!", "open", "closed"}));
  BOOST_TEST(draft.task.metric.empty());
  BOOST_TEST(draft.examples == 21U);
  draft.task.name = "drafted", draft.task.vocabulary = "words";
  BOOST_TEST(!model::problem(draft.task).has_value());
  const auto plain = files.write("a.txt", "the cat\nThe dog\nthe cat\n");
  BOOST_TEST(holds_texts(plain));
  draft = draft_texts(std::vector{plain});
  BOOST_TEST(draft.task.model == "gru-lm");
  BOOST_TEST(draft.vocabulary->words() == (std::vector<std::string>{"the", "cat"}));
  draft.task.name = "drafted", draft.task.vocabulary = "words";
  BOOST_TEST(!model::problem(draft.task).has_value());
  BOOST_TEST(!holds_texts(files.write("b.csv", "age,text,bp,hr,label\n1,a,2,3,4\n")));
  BOOST_TEST(!holds_texts(files.write("c.csv", "age,sick\n1,2\n")));
  BOOST_TEST(refusal_of([&] { return draft_texts(std::vector{files.write("d.txt", "a b c\n")}); }) ==
             "no word is there twice; name files with more text");
}

BOOST_AUTO_TEST_CASE(what_is_rare_is_said_of_labels_too) {
  const Folder files;
  std::string lines;
  for (int i = 0; i < 20; ++i) {
    lines += std::string("{\"text\": \"a a\", \"label\": ") + (i == 0 ? "true" : "false") + "}\n";
  }
  const Draft draft = draft_texts(std::vector{files.write("a.jsonl", lines)});
  BOOST_TEST(draft.task.metric == "balanced_accuracy");
  BOOST_TEST(draft.task.labels == (std::vector<std::string>{"false", "true"}));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace draft_test
