#include "model/column.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <string>

namespace column_test {

using namespace kith::model;
using Use = Column::Use;

Column parsed(const std::string& declared) { return std::get<Column>(parse_column(declared)); }

const std::string kBad[] = {"",
                            "  ",
                            "target sick",
                            "target sick: 0..1",
                            "age:",
                            "age: 20",
                            "age: 80..20",
                            "age: 1..1",
                            "age: 1..inf",
                            "age: a..b",
                            "pain: none | none",
                            "pain: none | ",
                            "pain: none | ?",
                            "pain: none | mild/",
                            "a,b",
                            "a\nb"};
const std::string kGood[] = {"ward", "age: -1.5..80", "pain: none | mild/slight | 1e3 points",
                             "target sick: 0 | 1/2/3"};

BOOST_AUTO_TEST_SUITE(column_tests)

BOOST_AUTO_TEST_CASE(each_use_is_read) {
  BOOST_TEST((parsed(" ward ") == Column{.name = "ward", .use = Use::ignored, .values = {}}));
  BOOST_TEST((parsed("age:20 .. 80") ==
              Column{.name = "age", .use = Use::number, .low = 20, .high = 80, .values = {}}));
  BOOST_TEST(
      (parsed("pain: none|mild / slight") ==
       Column{.name = "pain", .use = Use::choice, .values = {{"none"}, {"mild", "slight"}}}));
  BOOST_TEST((parsed("target sick: 0 | 1/2") ==
              Column{.name = "sick", .use = Use::target, .values = {{"0"}, {"1", "2"}}}));
}

BOOST_AUTO_TEST_CASE(features_are_values_and_an_indicator_of_what_is_missing) {
  BOOST_TEST(features(parsed("ward")) == 0U);
  BOOST_TEST(features(parsed("age: 20..80")) == 2U);
  BOOST_TEST(features(parsed("pain: none | mild | severe")) == 4U);
  BOOST_TEST(features(parsed("target sick: 0 | 1")) == 0U);
}

BOOST_DATA_TEST_CASE(what_is_written_reads_back, kGood, declared) {
  BOOST_TEST(to_string(parsed(declared)).starts_with(declared.substr(0, 4)));
  BOOST_TEST((parsed(to_string(parsed(declared))) == parsed(declared)));
}

BOOST_DATA_TEST_CASE(what_is_no_declaration_is_explained, kBad, declared) {
  const auto result = parse_column(declared);
  BOOST_REQUIRE(std::holds_alternative<std::string>(result));
  BOOST_TEST(!std::get<std::string>(result).empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace column_test
