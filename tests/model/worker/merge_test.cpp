#include "model/data/merge.hpp"

#include "model/data/file.hpp"
#include "model/data/table.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <string>

namespace merge_test {

using namespace kith;
using namespace kith::data;
using model::Column;
using model::Task;
using Kind = Column::Kind;
using Values = std::vector<std::vector<std::string>>;

Column number(const std::string& name, double low, double high) {
  return {.name = name, .kind = Kind::number, .low = low, .high = high};
}
Column category(const std::string& name, Values values) {
  return {.name = name,
          .kind = Kind::category,
          .values = std::move(values),
          .unknown = Column::Unknown::missing};
}
Column yes_no(const std::string& name) { return {.name = name, .kind = Kind::yes_no}; }
Column target(Column column) {
  column.target = true;
  column.unknown = Column::Unknown::refused;
  return column;
}

/// A draft with an input and a target of two classes, and other columns beside them.
Task table(std::vector<Column> more) {
  Task task;
  task.name = "t";
  task.sizes = {64};
  task.columns = std::move(more);
  if (std::ranges::none_of(task.columns, &Column::target)) {
    task.columns.push_back(target(category("sick", {{"no"}, {"yes"}})));
  }
  task.columns.push_back(number("size", 0, 1));
  task.classes = model::classes_of(task.columns).value();
  return task;
}

struct Drafts {
  std::vector<NamedTask> all;
  Drafts& add(Task task) {
    all.push_back({std::string(1, static_cast<char>('a' + all.size())) + ".toml", std::move(task)});
    return *this;
  }
  Drafts& add(Column column) { return add(table({std::move(column)})); }
  [[nodiscard]] Draft merge(const std::string& name = "") const {
    Draft merged = merge_drafts(all, name);
    if (merged.vocabulary) merged.task.vocabulary = "words";
    BOOST_TEST(!model::problem(merged.task).has_value());
    return merged;
  }
  [[nodiscard]] std::string refusal() const {
    try {
      static_cast<void>(merge_drafts(all));
    } catch (const DataError& error) {
      return error.what();
    }
    return "";
  }
};

Column column(const Draft& draft, const std::string& name) {
  const auto found = std::ranges::find(draft.task.columns, name, &Column::name);
  BOOST_REQUIRE(found != draft.task.columns.end());
  return *found;
}
std::string reason(const Draft& draft, const std::string& name) {
  const auto found = std::ranges::find(draft.task.columns, name, &Column::name);
  return draft.reasons.at(static_cast<std::size_t>(found - draft.task.columns.begin()));
}
std::string notes(const Draft& draft) {
  std::string all;
  for (const std::string& note : draft.notes) all += note + "\n";
  return all;
}
bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

BOOST_AUTO_TEST_SUITE(merge_tests)

BOOST_AUTO_TEST_CASE(classes_and_values_of_all_sites_are_in_the_task) {
  const Draft merged =
      Drafts()
          .add(table({target(category("beat", {{"N"}, {"V"}})), category("lead", {{"II"}})}))
          .add(
              table({target(category("beat", {{"N"}, {"A"}})), category("lead", {{"V5"}, {"II"}})}))
          .merge();
  BOOST_TEST((column(merged, "beat").values == Values{{"A"}, {"N"}, {"V"}}));
  BOOST_TEST(merged.task.classes == 3U);
  BOOST_TEST((column(merged, "lead").values == Values{{"II"}, {"V5"}}));
  BOOST_TEST((column(merged, "lead").unknown == Column::Unknown::missing));
  BOOST_TEST(merged.notes.empty());
}

BOOST_AUTO_TEST_CASE(codes_of_classes_stand_in_the_order_of_numbers) {
  const Draft merged = Drafts()
                           .add(table({target(category("grade", {{"10"}, {"9"}}))}))
                           .add(table({target(category("grade", {{"2"}}))}))
                           .merge();
  BOOST_TEST((column(merged, "grade").values == Values{{"2"}, {"9"}, {"10"}}));
}

BOOST_AUTO_TEST_CASE(a_site_with_one_class_has_its_part_but_several_such_make_no_task) {
  const Task one = table({target(category("beat", {{"N"}}))});
  BOOST_TEST(has_one_class(one));
  BOOST_TEST(!model::problem(with_another_class(one)).has_value());
  BOOST_TEST((without_another_class(with_another_class(one)) == one));
  BOOST_TEST(model::problem(one).value().find("kith task merge") != std::string::npos);
  BOOST_TEST(contains(Drafts().add(one).add(one).refusal(), "same one class"));
  const Draft merged = Drafts().add(one).add(table({target(category("beat", {{"V"}}))})).merge();
  BOOST_TEST(merged.task.classes == 2U);
}

BOOST_AUTO_TEST_CASE(spellings_that_one_site_says_are_one_value_are_one_for_all) {
  const Draft merged = Drafts()
                           .add(category("sex", {{"f", "female"}, {"m"}}))
                           .add(category("sex", {{"female"}, {"m", "M"}, {"other"}}))
                           .merge();
  BOOST_TEST((column(merged, "sex").values == Values{{"f", "female"}, {"m", "M"}, {"other"}}));
}

BOOST_AUTO_TEST_CASE(a_range_reaches_from_the_lowest_to_the_highest) {
  const Draft merged = Drafts().add(number("age", 20, 80)).add(number("age", 0.5, 16)).merge();
  BOOST_TEST(column(merged, "age").low == 0.5);
  BOOST_TEST(column(merged, "age").high == 80);
  BOOST_TEST(merged.notes.empty());
}

BOOST_AUTO_TEST_CASE(a_range_in_another_unit_does_not_press_the_others_together_and_is_told_of) {
  const Draft merged = Drafts()
                           .add(number("height", 1.5, 2))
                           .add(number("height", 1.4, 1.9))
                           .add(number("height", 150, 200))
                           .merge();
  BOOST_TEST(column(merged, "height").low == 1.4);
  BOOST_TEST(column(merged, "height").high == 2);
  BOOST_TEST(contains(notes(merged), "column height: c.toml has 150 to 200, far from the others"));
  const Draft two = Drafts().add(number("height", 1.5, 2)).add(number("height", 150, 200)).merge();
  BOOST_TEST(column(two, "height").high == 200);
  BOOST_TEST(contains(notes(two), "in the same unit?"));
}

BOOST_AUTO_TEST_CASE(orders_of_magnitude_are_no_other_unit_on_a_logarithmic_scale) {
  Column small = number("crp", 0.1, 200), large = number("crp", 10, 900),
         plain = number("crp", 1, 100);
  small.scale = large.scale = Column::Scale::log;
  const Draft merged = Drafts().add(small).add(large).add(plain).merge();
  BOOST_TEST((column(merged, "crp").scale == Column::Scale::log));
  BOOST_TEST(column(merged, "crp").low == 0.1);
  BOOST_TEST(column(merged, "crp").high == 900);
  const Draft below = Drafts().add(small).add(number("crp", -1, 100)).merge();
  BOOST_TEST((column(below, "crp").scale == Column::Scale::linear));
}

BOOST_AUTO_TEST_CASE(missing_values_are_spelled_in_every_way) {
  Column minus = number("age", 20, 80), word = number("age", 20, 80);
  minus.missing = {"-9"}, word.missing = {"unbekannt"};
  const Draft merged = Drafts().add(minus).add(word).merge();
  BOOST_TEST((column(merged, "age").missing == std::vector<std::string>{"-9", "unbekannt"}));
  BOOST_TEST(merged.notes.empty());
  const Draft cold = Drafts().add(minus).add(number("age", -20, 80)).merge();
  BOOST_TEST(contains(
      notes(cold), "\"-9\" stands for a missing value in a.toml, and is in the range of b.toml"));
  Column nine = category("stage", {{"1"}, {"2"}});
  nine.missing = {"9"};
  const Draft value = Drafts().add(nine).add(category("stage", {{"1"}, {"9"}})).merge();
  BOOST_TEST((column(value, "stage").values == Values{{"1"}, {"2"}, {"9"}}));
  BOOST_TEST(column(value, "stage").missing.empty());
}

BOOST_AUTO_TEST_CASE(a_number_at_one_site_and_nearly_one_at_another_is_a_number) {
  const Draft merged = Drafts()
                           .add(number("pain", 0, 8))
                           .add(category("pain", {{"1"}, {"3"}, {"10"}, {"asleep"}}))
                           .merge();
  BOOST_TEST((column(merged, "pain").kind == Kind::number));
  BOOST_TEST(column(merged, "pain").high == 10);
  BOOST_TEST((column(merged, "pain").missing == std::vector<std::string>{"asleep"}));
  BOOST_TEST((column(merged, "pain").unknown == Column::Unknown::refused));
  BOOST_TEST(contains(
      notes(merged),
      "number in a.toml, category in b.toml: taken as a number, and \"asleep\" as missing"));
  const Draft flag = Drafts().add(yes_no("stents")).add(number("stents", 0, 4)).merge();
  BOOST_TEST((column(flag, "stents").kind == Kind::number));
  BOOST_TEST(column(flag, "stents").high == 4);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_one_kind_is_left_out_and_told_of_but_the_target_is_refused) {
  const auto colour = category("colour", {{"red"}, {"blue"}});
  const Draft merged = Drafts().add(colour).add(number("colour", 1, 9)).merge();
  BOOST_TEST((column(merged, "colour").kind == Kind::ignored));
  BOOST_TEST(contains(notes(merged),
                      "column colour is left out: it is number in b.toml, category in a.toml"));
  const std::string why =
      Drafts().add(table({target(colour)})).add(table({target(number("colour", 1, 9))})).refusal();
  BOOST_TEST(contains(
      why, "target column colour is number in b.toml, category in a.toml; declare it alike"));
}

BOOST_AUTO_TEST_CASE(yes_and_no_alone_are_yes_no_and_with_a_third_a_category) {
  const Draft one = Drafts().add(yes_no("smokes")).add(category("smokes", {{"No"}})).merge();
  BOOST_TEST((column(one, "smokes").kind == Kind::yes_no));
  const Draft three =
      Drafts().add(yes_no("smokes")).add(category("smokes", {{"No"}, {"Once"}, {"Yes"}})).merge();
  BOOST_TEST((column(three, "smokes").values == Values{{"No"}, {"Once"}, {"Yes"}}));
  BOOST_TEST(contains(notes(three), "a.toml must spell its values like the others"));
  const Draft lost =
      Drafts().add(yes_no("smokes")).add(category("smokes", {{"never"}, {"daily"}})).merge();
  BOOST_TEST((column(lost, "smokes").kind == Kind::ignored));
  Column german = yes_no("smokes"), again = yes_no("smokes");
  german.values = {{"nie"}, {"oft"}}, again.values = {{"nie", "selten"}, {"oft"}};
  const Draft declared = Drafts().add(german).add(again).merge();
  BOOST_TEST((column(declared, "smokes").values == Values{{"nie", "selten"}, {"oft"}}));
  BOOST_TEST(
      contains(notes(Drafts().add(german).add(yes_no("smokes")).merge()), "declare values in all"));
}

BOOST_AUTO_TEST_CASE(an_order_is_kept_where_all_agree_on_one) {
  Column pain{.name = "pain", .kind = Kind::ordinal, .values = {{"none"}, {"mild"}}}, more = pain;
  more.values = {{"mild"}, {"severe"}};
  const Draft merged = Drafts().add(more).add(pain).merge();
  BOOST_TEST((column(merged, "pain").kind == Kind::ordinal));
  BOOST_TEST((column(merged, "pain").values == Values{{"none"}, {"mild"}, {"severe"}}));
  more.values = {{"mild"}, {"none"}};
  BOOST_TEST(contains(notes(Drafts().add(pain).add(more).merge()), "another order"));
  const Draft some = Drafts().add(pain).add(category("pain", {{"mild"}})).merge();
  BOOST_TEST((column(some, "pain").kind == Kind::ordinal));
}

BOOST_AUTO_TEST_CASE(no_member_is_asked_for_a_column_that_it_has_not) {
  const Draft merged = Drafts().add(number("crp", 0, 9)).add(number("CRP", 0, 9)).merge();
  BOOST_TEST((column(merged, "crp").kind == Kind::ignored));
  BOOST_TEST(contains(notes(merged),
                      "column crp is left out: it is not in b.toml, but b.toml has \"CRP\""));
  const std::string why =
      Drafts().add(table({target(yes_no("a"))})).add(table({target(yes_no("b"))})).refusal();
  BOOST_TEST(
      contains(why, "a.toml predicts a, and b.toml b; draft one of them again with --target"));
}

BOOST_AUTO_TEST_CASE(a_column_is_used_if_half_of_the_drafts_use_it) {
  const Column idle{.name = "ward"};
  const Column used = category("ward", {{"A"}, {"B"}});
  const Draft half = Drafts().add(idle).add(used).merge();
  BOOST_TEST((column(half, "ward").kind == Kind::category));
  BOOST_TEST(
      contains(notes(half), "column ward: ignored in 1 of 2 drafts (a.toml), which say why"));
  const Draft most = Drafts().add(idle).add(used).add(used).merge();
  BOOST_TEST((column(most, "ward").kind == Kind::category));
  BOOST_TEST(contains(reason(most, "ward"), "1 of 3 drafts"));
  BOOST_TEST(most.notes.empty());
  BOOST_TEST(
      (column(Drafts().add(idle).add(used).add(idle).merge(), "ward").kind == Kind::ignored));
}

BOOST_AUTO_TEST_CASE(rows_belong_together_and_stand_in_order_by_one_column_each) {
  const Column patient{.name = "patient", .group = true}, machine{.name = "machine", .group = true};
  const Column visit{.name = "visit", .kind = Kind::date, .time = true, .low = 1, .high = 9};
  Column earlier = visit;
  earlier.low = 0, earlier.high = 3;
  const Draft merged = Drafts()
                           .add(table({patient, visit, {.name = "machine"}}))
                           .add(table({patient, earlier, machine}))
                           .add(table({{.name = "patient"}, visit, {.name = "machine"}}))
                           .merge();
  BOOST_TEST(column(merged, "patient").group);
  BOOST_TEST(!column(merged, "machine").group);
  BOOST_TEST(column(merged, "visit").time);
  BOOST_TEST(column(merged, "visit").low == 0);
  BOOST_TEST(column(merged, "visit").high == 9);
}

BOOST_AUTO_TEST_CASE(the_same_task_comes_of_the_drafts_in_any_order) {
  Drafts drafts;
  drafts.add(table({number("x", 0, 1), category("w", {{"b"}, {"a"}}), yes_no("s")}))
      .add(table({category("w", {{"c", "C"}}), number("x", 5, 9), category("s", {{"no"}})}))
      .add(table({number("x", 400, 500), category("w", {{"C"}, {"d"}}), number("y", 0, 1)}));
  const Draft merged = drafts.merge();
  std::ranges::sort(drafts.all, {}, &NamedTask::name);
  while (std::next_permutation(drafts.all.begin(), drafts.all.end(),
                               [](const auto& a, const auto& b) { return a.name < b.name; })) {
    const Draft again = drafts.merge();
    BOOST_TEST((again.task == merged.task));
    BOOST_TEST(again.reasons == merged.reasons);
    BOOST_TEST(again.notes == merged.notes);
  }
}

BOOST_AUTO_TEST_CASE(settings_that_differ_are_named_with_their_drafts) {
  Task fast = table({}), slow = table({});
  fast.learning_rate = 0.5;
  BOOST_TEST(Drafts().add(slow).add(fast).refusal() ==
             "learning_rate differs between a.toml and b.toml; set it alike in both");
  fast = slow;
  fast.name = "other";
  BOOST_TEST(contains(Drafts().add(slow).add(fast).refusal(), "say which with --name"));
  BOOST_TEST(Drafts().add(slow).add(fast).merge("both").task.name == "both");
  fast = slow;
  fast.metric = "balanced_accuracy";
  BOOST_TEST(Drafts().add(slow).add(fast).merge().task.metric == "balanced_accuracy");
  Task pictures;
  pictures.name = "t", pictures.model = "cnn", pictures.sizes = {16, 32};
  BOOST_TEST(contains(Drafts().add(slow).add(pictures).refusal(),
                      "a.toml is a task for a table, and b.toml for pictures"));
}

Task pictures(std::vector<unsigned> input, std::vector<std::string> labels) {
  Task task;
  task.name = "t", task.model = "cnn", task.sizes = {16, 32};
  task.input = std::move(input), task.labels = std::move(labels);
  task.classes = static_cast<unsigned>(task.labels.size());
  return task;
}

BOOST_AUTO_TEST_CASE(pictures_have_the_classes_of_all_folders_and_a_size_in_the_middle) {
  const Draft merged = Drafts()
                           .add(pictures({1, 28, 28}, {"cat", "dog"}))
                           .add(pictures({3, 32, 32}, {"ant", "dog"}))
                           .add(pictures({1, 12, 12}, {"dog"}))
                           .merge();
  BOOST_TEST((merged.task.labels == std::vector<std::string>{"ant", "cat", "dog"}));
  BOOST_TEST((merged.task.input == std::vector<unsigned>{3, 28, 28}));
  BOOST_TEST(contains(notes(merged), "different sizes"));
  // Of arrays a label's place is the class's number.
  const Draft named = Drafts()
                          .add(pictures({1, 8, 8}, {"walk", "sit"}))
                          .add(pictures({1, 8, 8}, {"walk", "sit", "run"}))
                          .merge();
  BOOST_TEST((named.task.labels == std::vector<std::string>{"walk", "sit", "run"}));
  BOOST_TEST(contains(Drafts()
                          .add(pictures({1, 8, 8}, {"walk", "sit"}))
                          .add(pictures({1, 8, 8}, {"sit", "run"}))
                          .refusal(),
                      "another order"));
}

BOOST_AUTO_TEST_CASE(arrays_have_the_shape_that_all_have_and_the_most_classes) {
  Task three = pictures({50, 6}, {}), five = three;
  three.model = five.model = "cnn1d";
  three.classes = 3, five.classes = 5;
  BOOST_TEST(Drafts().add(three).add(five).merge().task.classes == 5U);
  five.input = {60, 6};
  BOOST_TEST(
      contains(Drafts().add(three).add(five).refusal(), "input differs between a.toml and b.toml"));
  Task low = three;
  low.loss = "squared", low.classes = 1, low.target_range = {0, 5};
  Task high = low;
  high.target_range = {3, 9};
  BOOST_TEST((Drafts().add(high).add(low).merge().task.target_range == std::vector<double>{0, 9}));
  BOOST_TEST(contains(Drafts().add(low).add(three).refusal(), "loss differs"));
}

BOOST_AUTO_TEST_CASE(texts_have_the_words_of_all_rank_by_rank) {
  const test::TemporaryDirectory folder;
  const auto text = [&](const std::string& name, std::vector<std::string> words,
                        std::vector<std::string> labels) {
    write_vocabulary(folder / name, Vocabulary(std::move(words)));
    Task task;
    task.name = "t", task.model = "text-classifier", task.sizes = {32};
    task.labels = std::move(labels), task.vocabulary = folder / name;
    task.classes = static_cast<unsigned>(task.labels.size());
    return task;
  };
  const Draft merged = Drafts()
                           .add(text("a", {"good", "bad", "film"}, {"bad", "good"}))
                           .add(text("b", {"gut", "good"}, {"good", "mixed"}))
                           .merge();
  BOOST_TEST(
      (merged.vocabulary->words() == std::vector<std::string>{"good", "gut", "bad", "film"}));
  BOOST_TEST((merged.task.labels == std::vector<std::string>{"bad", "good", "mixed"}));
  BOOST_TEST(merged.task.words == 6U);
  BOOST_TEST(contains(notes(merged), "4 of the 4 words"));
}

BOOST_AUTO_TEST_CASE(the_merged_draft_of_tables_reads_the_files_of_all) {
  const test::TemporaryDirectory folder;
  const auto write = [&](const std::string& name, const std::string& text) {
    write_file(folder / name, as_byte_view(text));
    return folder / name;
  };
  std::string first = "age,ward,beat\n", second = "age;ward;beat\n", third = "age,ward,beat\n";
  for (int i = 0; i < 60; ++i) {
    first += std::to_string(20 + i) + (i % 2 == 0 ? ",A" : ",B") + (i % 3 == 0 ? ",N\n" : ",V\n");
    second +=
        std::to_string(i) + ",5" + (i % 2 == 0 ? ";C" : ";B") + (i % 3 == 0 ? ";N\n" : ";Q\n");
    third += std::to_string(i) + ",A,N\n";
  }
  const std::vector<std::filesystem::path> files{write("1", first), write("2", second),
                                                 write("3", third)};
  Drafts drafts;
  for (const auto& file : files) {
    Draft draft = draft_table(std::vector{file}, "beat");
    draft.task.name = "t", draft.task.sizes = {64};
    drafts.add(draft.task);
  }
  const Draft merged = drafts.merge();
  for (const auto& file : files) {
    BOOST_TEST(read_table(file, merged.task.columns).rows == 60U);
  }
  for (const auto& file : {files[0], files[1]}) {
    BOOST_CHECK_THROW(static_cast<void>(read_table(file, drafts.all[2].task.columns)), DataError);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace merge_test
