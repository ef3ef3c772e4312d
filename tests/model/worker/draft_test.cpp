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

BOOST_AUTO_TEST_SUITE_END()

}  // namespace draft_test
