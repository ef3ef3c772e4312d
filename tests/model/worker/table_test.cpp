#include "model/data/table.hpp"

#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <utility>
#include <vector>

namespace table_test {

using namespace kith;
using namespace kith::data;

const std::vector<model::Column>& columns() {
  static const std::vector<model::Column> declared = [] {
    std::vector<model::Column> all;
    for (const char* const text :
         {"age: 20..80", "ward", "pain: none | mild/slight | 3", "target sick: 0 | 1/2"}) {
      all.push_back(std::get<model::Column>(model::parse_column(text)));
    }
    return all;
  }();
  return declared;
}

Table table(const std::string& csv) { return std::get<Table>(parse_table(csv, columns())); }

std::string refused(const std::string& csv) {
  const auto parsed = parse_table(csv, columns());
  const auto* const why = std::get_if<std::string>(&parsed);
  return why != nullptr ? *why : "";
}

using Floats = std::vector<float>;

const std::pair<std::string, std::string> kBad[] = {
    {"50,x,none\n", "line 1 has 3 cells but the task declares 4 columns"},
    {"50,x,none,0,1\n", "line 1 has 5 cells"},
    {"50,x,none,0\nold,x,none,0\n", "line 2 has \"old\" in the column age, which is declared as a"},
    {"nan,x,none,0\n", "line 1 has \"nan\" in the column age"},
    {"50,x,strong,0\n", "in the column pain, which is none of its declared values"},
    {"50,x,none,3\n", "in the column sick, which is none of the target's declared values"},
    {"50,x,none,?\n", "in the column sick"},
    {"50,x,none,\n", "in the column sick"},
    {"50,\"x,none,0\n", "line 1 has a quotation mark"},
    {"50,x,none,0\nage,ward,pain,sick\n", "line 2 has \"age\""},
};

BOOST_AUTO_TEST_SUITE(table_tests)

BOOST_AUTO_TEST_CASE(numbers_are_scaled_and_choices_have_an_input_each) {
  const Table read = table("50,x,slight,2\n");
  BOOST_TEST(read.features == 6U);
  BOOST_TEST(read.inputs == (Floats{0, 0, 0, 1, 0, 0}));
  BOOST_TEST(read.labels == (std::vector<std::int64_t>{1}));
}

BOOST_AUTO_TEST_CASE(a_missing_value_is_neutral_and_says_so) {
  BOOST_TEST(table("?,x,,0\n").inputs == (Floats{0, 1, 0, 0, 0, 1}));
  BOOST_TEST(table(" , , ? ,0\n").inputs == (Floats{0, 1, 0, 0, 0, 1}));
}

BOOST_AUTO_TEST_CASE(a_number_out_of_range_counts_as_the_nearest_inside) {
  const Table read = table("90,x,none,0\n-1e30,x,none,0\n35,x,none,0\n");
  BOOST_TEST(read.inputs[0] == 1.0F);
  BOOST_TEST(read.inputs[6] == -1.0F);
  BOOST_TEST(read.inputs[12] == -0.5F);
}

BOOST_AUTO_TEST_CASE(numbers_written_differently_are_the_same_value) {
  BOOST_TEST(table("5e1,x,3.0,1.0\n").inputs == table("50,y,3,2\n").inputs);
  BOOST_TEST(table("50,x,3,1.0\n").labels == table("50,x,3,2\n").labels);
}

BOOST_AUTO_TEST_CASE(a_heading_blank_lines_quotes_and_windows_line_ends_are_read) {
  const Table plain = table("50,x,none,0\n60,y,3,1\n");
  const Table other =
      table("age,ward,\"pain\",sick\r\n\r\n50, \"a, \"\"b\"\"\" ,none,0\r\n60,y,\"3\",1");
  BOOST_TEST(other.inputs == plain.inputs);
  BOOST_TEST(other.labels == plain.labels);
}

BOOST_AUTO_TEST_CASE(a_wrong_line_is_named_and_explained) {
  for (const auto& [csv, what] : kBad) {
    BOOST_TEST(refused(csv).find(what) != std::string::npos, csv << refused(csv));
  }
}

BOOST_AUTO_TEST_CASE(errors_name_the_file) {
  const test::TemporaryDirectory directory;
  write_file(directory / "bad.csv", as_byte_view("1\n"));
  const auto says_where = [](const DataError& error) {
    return std::string(error.what()).find("bad.csv: line 1") != std::string::npos;
  };
  BOOST_CHECK_EXCEPTION(static_cast<void>(read_table(directory / "bad.csv", columns())), DataError,
                        says_where);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace table_test
