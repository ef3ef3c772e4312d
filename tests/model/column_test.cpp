#include "model/column.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <set>
#include <string>
#include <utility>
#include <vector>

namespace column_test {

using namespace kith::model;
using Kind = Column::Kind;

Column age() { return {.name = "age", .kind = Kind::number, .low = 20, .high = 80}; }
Column pain() {
  return {
      .name = "pain", .kind = Kind::category, .values = {{"none"}, {"mild", "slight"}, {"bad"}}};
}
Column sick() { return {.name = "sick", .kind = Kind::yes_no, .target = true}; }

template <class Change>
Column changed(Column column, Change change) {
  change(column);
  return column;
}

std::string problem_of(const Column& column) { return problem(column).value_or("none"); }

const std::string kDates[] = {"2024-01-31",
                              "2024/01/31",
                              "2024-01-31T00:00",
                              "2024-01-31 00:00:00.5",
                              "2024-01-31T00:00:00Z",
                              "2024-01-31T01:00:00+01:00",
                              "2024-01-30T19:30:00-04:30"};
const std::string kNoDates[] = {
    "",         "2024-02-30",       "2024-1-31",    "31.01.2024", "2024-01-31x",
    "20240131", "2024-01-31T25:00", "2024-01-31T12"};

BOOST_AUTO_TEST_SUITE(column_tests)

BOOST_AUTO_TEST_CASE(features_are_values_and_an_indicator_of_what_is_missing) {
  BOOST_TEST(features(age()) == 2U);
  BOOST_TEST(features(pain()) == 4U);
  BOOST_TEST(features(changed(pain(), [](Column& c) { c.kind = Kind::ordinal; })) == 2U);
  BOOST_TEST(features(sick()) == 0U);
  BOOST_TEST(features(changed(sick(), [](Column& c) { c.target = false; })) == 2U);
  BOOST_TEST(features(Column{.name = "ward"}) == 0U);
  BOOST_TEST(features(changed(age(), [](Column& c) { c.time = true; })) == 0U);
}

BOOST_AUTO_TEST_CASE(columns_that_differ_have_other_texts) {
  std::vector<Column> all{age(), pain(), sick()};
  const auto add = [&](Column column, auto change) { all.push_back(changed(column, change)); };
  add(age(), [](Column& c) { c.name = "Age"; });
  add(age(), [](Column& c) { c.low = 20.5; });
  add(age(), [](Column& c) { c.high = 81; });
  add(age(), [](Column& c) { c.kind = Kind::date; });
  add(age(), [](Column& c) { c.scale = Column::Scale::log; });
  add(age(), [](Column& c) { c.missing = {"-9"}; });
  add(age(), [](Column& c) { c.missing = {"-9", "-8"}; });
  add(age(), [](Column& c) { c.target = true; });
  add(age(), [](Column& c) { c.group = true; });
  add(age(), [](Column& c) { c.time = true; });
  add(pain(), [](Column& c) { c.values = {{"none", "mild"}, {"slight"}, {"bad"}}; });
  add(pain(), [](Column& c) { c.values = {{"none"}, {"mild\"/\"slight"}, {"bad"}}; });
  add(pain(), [](Column& c) { c.values = {{"none"}, {"mild\\\"/\\\"slight"}, {"bad"}}; });
  add(pain(), [](Column& c) { c.values = {{"none", "slight"}, {"mild"}, {"bad"}}; });
  add(pain(), [](Column& c) { c.unknown = Column::Unknown::missing; });
  add(pain(), [](Column& c) { c.missing = {"bad"}, c.values.pop_back(); });
  add(pain(), [](Column& c) { c.name = "pain\" category \"none"; });
  std::set<std::string> texts;
  for (const Column& column : all) texts.insert(to_string(column));
  BOOST_TEST(texts.size() == all.size());
  BOOST_TEST(to_string(age()) == "\"age\" number 20..80");
  BOOST_TEST(to_string(pain()) == "\"pain\" category \"none\" \"mild\"/\"slight\" \"bad\"");
}

BOOST_AUTO_TEST_CASE(what_is_no_column_is_explained) {
  const std::vector<std::pair<std::string, Column>> bad = {
      {"has a name that is empty", changed(age(), [](Column& c) { c.name = ""; })},
      {"has a name that has a control", changed(age(), [](Column& c) { c.name = "a\nb"; })},
      {"has a name that begins or ends", changed(age(), [](Column& c) { c.name = "a "; })},
      {"has a name that is longer", changed(age(), [](Column& c) { c.name.assign(257, 'a'); })},
      {"needs low and high", changed(age(), [](Column& c) { c.low = c.high = 0; })},
      {"must have a low", changed(age(), [](Column& c) { c.low = 80; })},
      {"must have a low", changed(age(), [](Column& c) { c.high = HUGE_VAL; })},
      {"must have a low above 0", changed(age(),
                                          [](Column& c) {
                                            c.low = -1;
                                            c.scale = Column::Scale::log;
                                          })},
      {"has scale", changed(pain(), [](Column& c) { c.scale = Column::Scale::log; })},
      {"has low and high", changed(pain(), [](Column& c) { c.high = 1; })},
      {"has values, which", changed(age(), [](Column& c) { c.values = {{"a"}}; })},
      {"needs values", changed(pain(), [](Column& c) { c.values.clear(); })},
      {"needs values", changed(pain(),
                               [](Column& c) {
                                 c.kind = Column::Kind::ordinal;
                                 c.values.resize(1);
                               })},
      {"has a value without", changed(pain(), [](Column& c) { c.values[0].clear(); })},
      {"has a value that is empty", changed(pain(), [](Column& c) { c.values[0] = {""}; })},
      {"has the value \"bad\" twice", changed(pain(), [](Column& c) { c.values[0] = {"bad"}; })},
      {"has the value \"bad\" twice", changed(pain(), [](Column& c) { c.missing = {"bad"}; })},
      {"must have two values", changed(sick(), [](Column& c) { c.values = {{"a"}}; })},
      {"has in missing", changed(age(), [](Column& c) { c.missing = {""}; })},
      {"has a text in missing twice", changed(age(),
                                              [](Column& c) {
                                                c.missing = {"a", "a"};
                                              })},
      {"must be only one of", changed(sick(), [](Column& c) { c.group = true; })},
      {"is the target and must be", changed(sick(), [](Column& c) { c.kind = Kind::ignored; })},
      {"is the target and must be", changed(sick(), [](Column& c) { c.kind = Kind::date; })},
      {"has time and must be", changed(pain(), [](Column& c) { c.time = true; })},
      {"has unknown", changed(age(), [](Column& c) { c.unknown = Column::Unknown::missing; })},
      {"has unknown", changed(sick(), [](Column& c) { c.unknown = Column::Unknown::missing; })},
  };
  for (const Column& column : {age(), pain(), sick()}) BOOST_TEST(problem_of(column) == "none");
  for (const auto& [start, column] : bad) {
    BOOST_TEST(problem_of(column).starts_with(start), problem_of(column));
  }
}

BOOST_AUTO_TEST_CASE(a_value_may_have_what_divides_values_elsewhere) {
  BOOST_TEST(problem_of(changed(pain(), [](Column& c) {
               c.values = {{"7", "07"}, {"1/2"}, {"a|b"}, {"a,b"}, {"1..2"}, {"\""}};
             })) == "none");
}

BOOST_AUTO_TEST_CASE(a_range_becomes_minus_one_to_one_and_goes_on) {
  BOOST_TEST(scaled(age(), 20) == -1.0);
  BOOST_TEST(scaled(age(), 80) == 1.0);
  BOOST_TEST(scaled(age(), 110) == 2.0);
  BOOST_TEST(unscaled(age(), 2) == 110.0);
  const Column price = changed(age(), [](Column& c) {
    c.scale = Column::Scale::log;
    c.low = 1;
    c.high = 100;
  });
  BOOST_TEST(std::abs(scaled(price, 10)) < 1e-12);
  BOOST_TEST(std::abs(unscaled(price, 2) - 1000) < 1e-9);
}

BOOST_DATA_TEST_CASE(a_date_is_days_since_1970, kDates, date) {
  BOOST_TEST(parse_date(date).value_or(-1) == 19753.0);
  BOOST_TEST(date_text(19753.5) == "2024-01-31");
}

BOOST_DATA_TEST_CASE(what_is_no_date_is_none, kNoDates, date) {
  BOOST_TEST(!parse_date(date).has_value());
}

BOOST_AUTO_TEST_CASE(distance_counts_edits) {
  BOOST_TEST(distance("target", "target") == 0U);
  BOOST_TEST(distance("target", "taget") == 1U);
  BOOST_TEST(distance("kitten", "sitting") == 3U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace column_test
