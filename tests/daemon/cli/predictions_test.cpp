#include "daemon/cli/predictions.hpp"

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace predictions_test {

using namespace kith;
using namespace kith::daemon;
using Kind = model::Column::Kind;

model::Task wards() {
  model::Task task;
  task.columns = {{.name = "age", .kind = Kind::number, .low = 0, .high = 100},
                  {.name = "ward",
                   .kind = Kind::category,
                   .target = true,
                   .values = {{"A, \"upper\""}, {"B"}}}};
  task.classes = 2;
  return task;
}

model::Task ages() {
  model::Task task;
  task.columns = {{.name = "x", .kind = Kind::number, .low = 0, .high = 1},
                  {.name = "age", .kind = Kind::number, .target = true, .low = 0, .high = 100}};
  task.classes = 1;
  return task;
}

/// Two rows, of the second of which nothing can be said.
std::string written(PredictionFormat format, const model::Task& task, std::vector<float> said,
                    std::vector<std::string> words = {}) {
  std::string text;
  const auto writer = prediction_writer(format, task, std::move(words),
                                        [&](std::string_view more) { text += more; });
  writer->add("a.csv", 1, said);
  writer->add("a.csv", 2, {});
  const std::string head = writer->head();
  return head + text.substr(head.size());
}

BOOST_AUTO_TEST_SUITE(predictions_tests)

BOOST_AUTO_TEST_CASE(csv_has_the_likeliest_class_and_how_likely_each_is) {
  BOOST_TEST(written(PredictionFormat::csv, wards(), {0.75F, 0.25F}) ==
             "file,row,predicted,\"probability_A, \"\"upper\"\"\",probability_B\n"
             "a.csv,1,\"A, \"\"upper\"\"\",0.75,0.25\n"
             "a.csv,2,,,\n");
}

BOOST_AUTO_TEST_CASE(a_number_is_in_the_unit_of_its_column) {
  BOOST_TEST(written(PredictionFormat::csv, ages(), {-0.5F}) ==
             "file,row,predicted\na.csv,1,25\na.csv,2,\n");
  BOOST_TEST(written(PredictionFormat::jsonl, ages(), {-0.5F}) ==
             "{\"file\":\"a.csv\",\"row\":1,\"predicted\":25}\n"
             "{\"file\":\"a.csv\",\"row\":2,\"predicted\":null}\n");
}

BOOST_AUTO_TEST_CASE(several_targets_have_a_likelihood_each) {
  model::Task task = wards();
  task.columns[1] = {.name = "ill", .kind = Kind::yes_no, .target = true};
  task.columns.push_back({.name = "dead", .kind = Kind::yes_no, .target = true});
  BOOST_TEST(written(PredictionFormat::csv, task, {0.5F, 0.125F}) ==
             "file,row,probability_ill,probability_dead\na.csv,1,0.5,0.125\na.csv,2,,\n");
}

BOOST_AUTO_TEST_CASE(of_words_the_likeliest_is_told) {
  model::Task task;
  task.model = "gru-lm";
  task.classes = 4;
  const auto line = [&](std::vector<float> said) {
    return written(PredictionFormat::csv, task, std::move(said), {"cat", "dog"});
  };
  BOOST_TEST(line({0, 0, 0.25F, 0.75F}) ==
             "file,row,predicted,probability\na.csv,1,dog,0.75\na.csv,2,,\n");
  BOOST_TEST(line({1, 0, 0, 0}).find("a.csv,1,</s>,1\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(every_line_of_jsonl_is_json_whatever_a_class_is_called) {
  const std::string text = written(PredictionFormat::jsonl, wards(), {0.75F, 0.25F});
  const auto first = nlohmann::json::parse(text.substr(0, text.find('\n')));
  BOOST_TEST(first.at("predicted").get<std::string>() == "A, \"upper\"");
  BOOST_TEST(first.at("probabilities").at("B").get<double>() == 0.25);
  const auto second = nlohmann::json::parse(text.substr(text.find('\n') + 1));
  BOOST_TEST(second.at("predicted").is_null());
  BOOST_TEST(second.at("probabilities").is_null());
}

BOOST_AUTO_TEST_CASE(npy_says_in_the_end_how_many_rows_it_has_and_nan_where_nothing_can_be_said) {
  const std::string file = written(PredictionFormat::npy, wards(), {0.75F, 0.25F});
  BOOST_TEST(file.substr(0, 6) == "\x93NUMPY");
  BOOST_TEST(file.find("'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }") !=
             std::string::npos);
  BOOST_REQUIRE(file.size() == 128 + 4 * sizeof(float));
  BOOST_TEST(file[127] == '\n');
  std::vector<float> values(4);
  std::memcpy(values.data(), &file[128], 4 * sizeof(float));
  BOOST_TEST(values[0] == 0.75F);
  BOOST_TEST(std::isnan(values[2]));
  const std::string numbers = written(PredictionFormat::npy, ages(), {0});
  BOOST_TEST(numbers.find("'<f8', 'fortran_order': False, 'shape': (2,), }") != std::string::npos);
  double age = 0;
  std::memcpy(&age, &numbers[128], sizeof age);
  BOOST_TEST(age == 50);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace predictions_test
