#include "model/data/check.hpp"

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <random>

namespace check_test {

using namespace kith;
using namespace kith::data;

bool says(const std::vector<std::string>& sentences, const std::string& part) {
  for (const std::string& sentence : sentences) {
    if (sentence.find(part) != std::string::npos) return true;
  }
  return false;
}

model::Task two_classes() {
  model::Task task;
  task.name = "rows";
  task.classes = 2;
  task.input = {1, 1, 2};
  return task;
}

/// Rows in the files' order, of which every fourth validates.
Dataset split(const std::vector<std::array<float, 2>>& rows,
              const std::vector<std::int64_t>& labels) {
  Dataset dataset;
  for (Samples* const part : {&dataset.train, &dataset.validation}) part->shape = {2};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Samples& part = i % 4 == 0 ? dataset.validation : dataset.train;
    part.inputs.insert(part.inputs.end(), rows[i].begin(), rows[i].end());
    part.targets.push_back(labels[i]);
    (i % 4 == 0 ? dataset.validation_places : dataset.train_places).push_back(i);
  }
  return dataset;
}

struct Rows {
  std::mt19937 random{1};
  std::vector<std::array<float, 2>> rows;
  std::vector<std::int64_t> labels;
  float draw() { return std::uniform_real_distribution<float>(-1, 1)(random); }
  Rows& add(std::size_t count, double share_of_one = 0.5) {
    for (std::size_t i = 0; i < count; ++i) {
      rows.push_back({draw(), draw()});
      labels.push_back(std::uniform_real_distribution<>()(random) < share_of_one ? 1 : 0);
    }
    return *this;
  }
  CheckReport check(model::SplitBy by = model::SplitBy::content) {
    return data::check(split(rows, labels), two_classes(), by);
  }
};

BOOST_AUTO_TEST_SUITE(check_tests)

BOOST_AUTO_TEST_CASE(data_without_a_flaw_are_fine) {
  const CheckReport report = Rows().add(1000).check();
  BOOST_TEST(report.fine());
  BOOST_TEST(report.train == 750U);
  BOOST_TEST(report.classes.size() == 2U);
  BOOST_TEST(report.classes[0].name == "0");
  BOOST_TEST(report.classes[0].train + report.classes[1].train == 750U);
  BOOST_TEST(report.copies == 0U);
}

BOOST_AUTO_TEST_CASE(accuracy_where_nearly_all_are_of_one_class_is_told_of) {
  const CheckReport report = Rows().add(1000, 0.06).check();
  BOOST_TEST(!report.fine());
  BOOST_TEST(says(report.to_mend, "balanced_accuracy"));
}

BOOST_AUTO_TEST_CASE(one_class_only_is_told_of) {
  BOOST_TEST(says(Rows().add(100, 0).check().to_mend, "all examples are of the class 0"));
}

BOOST_AUTO_TEST_CASE(what_the_validation_examples_cannot_show_is_told_of) {
  const Dataset usual = split(Rows().add(100).rows, Rows().add(100).labels);
  BOOST_TEST(unknowable(usual, two_classes()).empty());

  Dataset one_class = usual;
  std::ranges::fill(one_class.validation.targets, 1);
  BOOST_TEST(says(unknowable(one_class, two_classes()), "25 validation examples are of the class 1"));
  BOOST_TEST(unknowable(one_class, two_classes()).size() == 1U);
  std::ranges::fill(one_class.train.targets, 0);
  BOOST_TEST(says(unknowable(one_class, two_classes()), "learnt from peers only"));

  Dataset same_input = usual;
  std::ranges::fill(same_input.validation.inputs, 0.5F);
  BOOST_TEST(says(unknowable(same_input, two_classes()), "have the same input"));

  Dataset number = usual;
  number.validation.values.assign(std::exchange(number.validation.targets, {}).size(), 0.25F);
  number.train.values.assign(std::exchange(number.train.targets, {}).size(), 0);
  BOOST_TEST(says(unknowable(number, two_classes()), "the target is the same in all 25"));
}

BOOST_AUTO_TEST_CASE(rows_that_follow_the_one_before_are_to_be_split_by_time) {
  Rows walk;
  float x = 0, y = 0;
  for (int i = 0; i < 1000; ++i) {
    x += 0.05F * walk.draw(), y += 0.05F * walk.draw();
    walk.rows.push_back({x, y});
    walk.labels.push_back(i % 2);
  }
  BOOST_TEST(says(walk.check().to_mend, "data.split = \"time\""));
  BOOST_TEST(walk.check(model::SplitBy::time).fine());
}

BOOST_AUTO_TEST_CASE(rows_that_are_sorted_by_class_alone_are_in_no_order) {
  Rows sorted;  // as a folder of pictures is: forty of each of ten classes, which are told apart
  for (std::int64_t one = 0; one < 10; ++one) {
    for (int i = 0; i < 40; ++i) {
      sorted.rows.push_back({static_cast<float>(4 * one) + sorted.draw(), sorted.draw()});
      sorted.labels.push_back(one);
    }
  }
  model::Task task = two_classes();
  task.classes = 10;
  const Dataset dataset = split(sorted.rows, sorted.labels);
  const CheckReport report = check(dataset, task, model::SplitBy::content);
  BOOST_TEST(report.next_to_nearest * 10 > report.looked_at);  // many, and no more than by chance
  BOOST_TEST(report.fine());
}

BOOST_AUTO_TEST_CASE(rows_that_are_nearly_others_are_told_of_wherever_they_stand) {
  Rows repeated;
  repeated.add(300);
  for (std::size_t i = 0; i < 300; ++i) {
    const auto [x, y] = repeated.rows[(i * 7 + 1) % 300];
    repeated.rows.push_back({x + 0.00001F, y});
    repeated.labels.push_back(0);
  }
  BOOST_TEST(says(repeated.check().to_mend, "nearly the same"));
}

BOOST_AUTO_TEST_CASE(test_examples_that_are_learnt_from_and_copies_are_counted) {
  Rows rows;
  rows.add(200);
  for (std::size_t i = 0; i < 40; ++i) {
    rows.rows.push_back(rows.rows[1]), rows.labels.push_back(rows.labels[1]);
  }
  Dataset dataset = split(rows.rows, rows.labels);
  dataset.test = dataset.validation;
  const CheckReport report = check(dataset, two_classes(), model::SplitBy::content);
  BOOST_TEST(report.test_copies == dataset.test.count());
  BOOST_TEST(says(report.to_mend, "data.test"));
  BOOST_TEST(report.copies == 30U);
  BOOST_TEST(says(report.notes, "copies"));
}

BOOST_AUTO_TEST_CASE(a_few_test_examples_that_are_learnt_from_are_told_of_and_no_fault) {
  const auto with_copies = [](std::size_t tests, std::size_t copies) {
    Rows rows;
    rows.add(400);
    Dataset dataset = split(rows.rows, rows.labels);
    Rows others;
    others.random.seed(2);
    others.add(tests - copies);
    dataset.test.shape = {2};
    const auto add = [&](const std::array<float, 2>& row, std::int64_t label) {
      dataset.test.inputs.insert(dataset.test.inputs.end(), row.begin(), row.end());
      dataset.test.targets.push_back(label);
    };
    for (std::size_t i = 0; i < copies; ++i) add(rows.rows[i], rows.labels[i]);
    for (std::size_t i = 0; i < others.rows.size(); ++i) add(others.rows[i], others.labels[i]);
    return check(dataset, two_classes(), model::SplitBy::content);
  };
  const CheckReport one = with_copies(1069, 1);
  BOOST_TEST(one.test_copies == 1U);
  BOOST_TEST(one.fine());
  BOOST_TEST(says(one.notes, "1 of 1069 test examples are among those to learn from"));
  BOOST_TEST(says(one.notes, "data.test"));
  BOOST_TEST(with_copies(1000, 10).fine());
  BOOST_TEST(says(with_copies(1000, 11).to_mend, "11 of 1000 test examples"));
  BOOST_TEST(with_copies(50, 2).fine());
  BOOST_TEST(!with_copies(50, 3).fine());
}

BOOST_AUTO_TEST_CASE(few_examples_to_validate_with_are_told_of) {
  BOOST_TEST(says(Rows().add(100).check().notes, "25 examples validate"));
}

BOOST_AUTO_TEST_CASE(a_number_to_predict_is_drawn_in_its_own_unit) {
  Dataset dataset = split(Rows().add(100).rows, std::vector<std::int64_t>(100));
  for (Samples* const part : {&dataset.train, &dataset.validation}) {
    part->values.assign(part->targets.size(), -1);
    part->targets.clear();
  }
  dataset.train.values.back() = 5;
  model::Task task = two_classes();
  task.loss = "squared", task.classes = 1, task.target_range = {10, 20};
  const CheckReport report = check(dataset, task, model::SplitBy::content);
  BOOST_REQUIRE(report.target.has_value());
  BOOST_TEST(report.target->low == 10);
  BOOST_TEST(report.target->counts.front() == 74U);
  BOOST_TEST(report.target->counts.back() == 1U);
  BOOST_TEST(report.classes.empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace check_test
