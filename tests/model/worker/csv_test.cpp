#include "model/data/csv.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <utility>
#include <vector>

namespace csv_test {

using kith::data::CsvReader;

/// All records: "LINE:cell|cell/LINE:cell", and what is wrong at the end.
std::string read(std::string_view text, char separator = ',') {
  CsvReader reader(text, separator);
  std::string all;
  std::vector<std::string_view> cells;
  while (reader.next(cells)) {
    all += (all.empty() ? "" : "/") + std::to_string(reader.line()) + ":";
    for (std::size_t i = 0; i < cells.size(); ++i)
      all += (i > 0 ? "|" : "") + std::string(cells[i]);
  }
  return reader.problem().empty() ? all : all + "!" + std::to_string(reader.line());
}

BOOST_AUTO_TEST_SUITE(csv_tests)

BOOST_AUTO_TEST_CASE(records_end_at_every_kind_of_line_end) {
  for (const char* const text : {"a,b\nc,d\n", "a,b\r\nc,d\r\n", "a,b\rc,d\r", "a,b\nc,d"}) {
    BOOST_TEST(read(text) == "1:a|b/2:c|d");
  }
  BOOST_TEST(read("a,b\n\r\n\n  \nc,d\n\n") == "1:a|b/5:c|d");
}

BOOST_AUTO_TEST_CASE(cells_in_quotation_marks_hold_anything) {
  BOOST_TEST(read("\"a,b\",\"c\"\"d\"\"\"\n") == "1:a,b|c\"d\"");
  BOOST_TEST(read("\"a\nb\r\nc\rd\",e\nf,g") == "1:a\nb\r\nc\rd|e/5:f|g");
  BOOST_TEST(read("\"\",\"\"\"\"\n") == "1:|\"");
  BOOST_TEST(read(" \"a\" , b ,\t\"c\"\t\n") == "1:a|b|c");
  BOOST_TEST(read("5\" pipe,b\n") == "1:5\" pipe|b");
}

BOOST_AUTO_TEST_CASE(empty_cells_count) {
  BOOST_TEST(read(",,\na,\n,b\n,") == "1:||/2:a|/3:|b/4:|");
  BOOST_TEST(read("") == "");
  BOOST_TEST(read("\n\n") == "");
}

BOOST_AUTO_TEST_CASE(tabs_divide_if_they_are_asked_to) {
  BOOST_TEST(read("a\t\tb\n\"c\"\t d \tx\n", '\t') == "1:a||b/2:c|d|x");
}

BOOST_AUTO_TEST_CASE(a_mark_without_its_counterpart_ends_the_reading_with_its_line) {
  BOOST_TEST(read("a,b\n\"c,d\ne,f\n") == "1:a|b!2");
  BOOST_TEST(read("a\n\"b\"c\n") == "1:a!2");
  BOOST_TEST(read("\"") == "!1");
  BOOST_TEST(read("\"a\"\"") == "!1");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace csv_test
