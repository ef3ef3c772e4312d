#include "model/data/table.hpp"

#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

namespace table_test {

using namespace kith;
using namespace kith::data;
using model::Column;
using Kind = Column::Kind;
using Columns = std::vector<Column>;
using Floats = kith::data::Inputs;
using Labels = std::vector<std::int64_t>;

Columns columns() {
  return {{.name = "age", .kind = Kind::number, .low = 20, .high = 80},
          {.name = "ward"},
          {.name = "pain", .kind = Kind::category, .values = {{"none"}, {"mild", "slight"}, {"3"}}},
          {.name = "sick", .kind = Kind::category, .target = true, .values = {{"0"}, {"1", "2"}}}};
}

Table table(const std::string& csv, const Columns& declared = columns()) {
  auto parsed = parse_table(csv, declared);
  const auto* const why = std::get_if<std::string>(&parsed);
  BOOST_REQUIRE_MESSAGE(why == nullptr, *why);
  return std::get<Table>(std::move(parsed));
}

std::string refused(const std::string& csv, const Columns& declared = columns()) {
  const auto parsed = parse_table(csv, declared);
  const auto* const why = std::get_if<std::string>(&parsed);
  return why != nullptr ? *why : "";
}

/// What is noticed of a column.
Noticed::InColumn seen(const Table& table, const std::string& name) {
  const auto& all = table.noticed.columns;
  const auto found = std::ranges::find(all, name, &Noticed::InColumn::name);
  BOOST_REQUIRE(found != all.end());
  return *found;
}

const std::pair<std::string, std::string> kBad[] = {
    {"", "holds no line"},
    {"age,ward,pain,sick\n50,x,none\n", "line 2 has 3 cells, but the lines before have 4"},
    {"50,x,none,0\n50,x,none,0,1\n", "line 2 has 5 cells"},
    {"50,x,none,0\nold,x,none,0\n", "line 2 has \"old\" in the column age, which is no number"},
    {"50,x,none,0\ninf,x,none,0\n", "line 2 has \"inf\" in the column age"},
    {"50,x,none,0\n50,x,strong,0\n", "in the column pain, which is none of its declared values"},
    {"50,x,none,0\n50,x,3.0,0\n", "if it is the same as \"3\", declare [\"3\", \"3.0\"] in its"},
    {"50,x,none,0\n50,x,none,3\n", "line 2 has \"3\" in the column sick, which is none of"},
    {"50,x,none,0\n50,\"x,none,0\n", "line 2 has a quotation mark that is never closed"},
    {"50,x,none,0\nage,ward,pain,sick\n", "line 2 has \"sick\" in the column sick"},
    {"age,ward,pian,sick\n50,x,none,0\n",
     "has no column \"pain\"; the nearest that it has is \"pian\""},
    {"Age,Ward,Pain,Sick\n50,x,none,0\n", "there are \"Age\", \"Ward\", \"Pain\", \"Sick\""},
    {"age,pain,sick,pain\n50,none,0,3\n", "has two columns with the name \"pain\""},
    {"50,x,none\n", "3 cells where the task has 4 columns; add a first line with the names"},
    {"50,x,strong,0\n", "\"strong\" cannot be in the column pain"},
    {"age ward pain sick\n50 x none 0\n", "has one cell on its first line"},
    {"\"age,ward,pain,sick\"\n\"50,x,none,0\"\n", "has every line in one pair of quotation marks"},
    {"PK\x03\x04 and so on", "holds a ZIP archive"},
};

BOOST_AUTO_TEST_SUITE(table_tests)

BOOST_AUTO_TEST_CASE(numbers_are_scaled_and_categories_have_an_input_each) {
  const Table read = table("50,x,slight,2\n");
  BOOST_TEST(read.rows == 1U);
  BOOST_TEST(read.features == 6U);
  BOOST_TEST(read.inputs == (Floats{0, 0, 0, 1, 0, 0}));
  BOOST_TEST(read.labels == (Labels{1}));
  BOOST_TEST(read.values.empty());
}

BOOST_AUTO_TEST_CASE(columns_are_found_by_name_and_others_do_not_matter) {
  const Table plain = table("50,x,none,0\n60,y,3,1\n");
  const Table other = table("\"sick\",extra,pain,id,age\n0,?,none,1,50\n1,\"a,b\",3,2,60\n");
  BOOST_TEST(other.inputs == plain.inputs);
  BOOST_TEST(other.labels == plain.labels);
  BOOST_TEST(plain.noticed.files.at(0).format == "UTF-8, separated by commas, without a header");
  BOOST_TEST(other.noticed.files.at(0).format == "UTF-8, separated by commas, with a header");
}

BOOST_AUTO_TEST_CASE(a_missing_value_is_neutral_and_counted) {
  const Table read = table("?,x,,0\n , , ? ,0\nNA,x,N/A,0\n50,x,none,0\n");
  for (std::size_t row = 0; row < 3; ++row) {
    const auto from = read.inputs.begin() + static_cast<std::ptrdiff_t>(6 * row);
    BOOST_TEST(Floats(from, from + 6) == (Floats{0, 1, 0, 0, 0, 1}));
  }
  BOOST_TEST(seen(read, "age").missing == 3U);
  BOOST_TEST(seen(read, "pain").missing == 3U);
}

BOOST_AUTO_TEST_CASE(what_the_task_calls_missing_is_and_a_declared_value_is_not) {
  Columns declared = columns();
  declared[0].missing = {"-9", "unknown"};
  declared[2].missing = {"x"};
  declared[2].values[0] = {"NA"};
  const Table read = table("-9.0,x,NA,0\nunknown,x,x,0\n", declared);
  BOOST_TEST(read.inputs == (Floats{0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1}));
  BOOST_TEST(seen(read, "age").missing == 2U);
  BOOST_TEST(seen(read, "age").below == 0U);
  BOOST_TEST(seen(read, "pain").missing == 1U);
}

BOOST_AUTO_TEST_CASE(a_number_out_of_range_counts_as_the_nearest_inside_and_is_counted) {
  const Table read = table("90,x,none,0\n-1e30,x,none,0\n35,x,none,0\n95,x,none,0\n");
  BOOST_TEST(read.inputs[0] == 1.0F);
  BOOST_TEST(read.inputs[6] == -1.0F);
  BOOST_TEST(read.inputs[12] == -0.5F);
  BOOST_TEST(seen(read, "age").above == 2U);
  BOOST_TEST(seen(read, "age").below == 1U);
  BOOST_TEST(seen(read, "age").least == -1e30);
  BOOST_TEST(seen(read, "age").most == 95.0);
}

BOOST_AUTO_TEST_CASE(texts_written_differently_are_different_values) {
  Columns declared = columns();
  declared[2].values = {{"7"}, {"07"}, {"007", "7.0"}, {"1/2"}, {"a|b, c..d"}};
  const Table read = table(
      "50,x,7,0\n50,x,07,0\n50,x,007,0\n50,x,7.0,0\n50,x,1/2,0\n50,x,\"a|b, c..d\",0\n", declared);
  const auto which = [&](std::size_t row) {
    const auto from = read.inputs.begin() + static_cast<std::ptrdiff_t>(row * read.features + 2);
    return std::find(from, from + 6, 1.0F) - from;
  };
  BOOST_TEST((std::vector{which(0), which(1), which(2), which(3), which(4), which(5)} ==
              std::vector<std::ptrdiff_t>{0, 1, 2, 2, 3, 4}));
}

BOOST_AUTO_TEST_CASE(an_unknown_value_may_count_as_missing) {
  Columns declared = columns();
  declared[2].unknown = Column::Unknown::missing;
  const Table read = table("50,x,strong,0\n50,x,,0\n", declared);
  BOOST_TEST(read.inputs == (Floats{0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1}));
  BOOST_TEST(seen(read, "pain").unknown == 1U);
  BOOST_TEST(seen(read, "pain").missing == 2U);
}

BOOST_AUTO_TEST_CASE(an_accent_is_the_same_in_both_forms) {
  Columns declared = columns();
  declared[2].name = "smert\xc3\xa5";
  declared[2].values[0] = {"sm\xc3\xa5"};
  const Table read = table("age,smerta\xcc\x8a,sick\n50,sma\xcc\x8a,0\n", declared);
  BOOST_TEST(read.inputs == (Floats{0, 0, 1, 0, 0, 0}));
}

BOOST_AUTO_TEST_CASE(an_ordinal_is_one_input_in_order_and_yes_no_knows_the_usual_words) {
  const Columns declared{{.name = "size", .kind = Kind::ordinal, .values = {{"S"}, {"M"}, {"L"}}},
                         {.name = "smokes", .kind = Kind::yes_no},
                         {.name = "sex", .kind = Kind::yes_no, .values = {{"m"}, {"f"}}},
                         {.name = "sick", .kind = Kind::yes_no, .target = true}};
  const Table read = table("S,no,m,YES\nM,Ja,f,False\nL,1.0,?,1\n,FAUX,f,n\n", declared);
  BOOST_TEST(read.features == 6U);
  BOOST_TEST(read.inputs == (Floats{-1, 0, -1, 0, -1, 0,  //
                                    0,  0, 1,  0, 1,  0,  //
                                    1,  0, 1,  0, 0,  1,  //
                                    0,  1, -1, 0, 1,  0}));
  BOOST_TEST(read.labels == (Labels{1, 0, 1, 0}));
}

BOOST_AUTO_TEST_CASE(a_logarithmic_scale_and_dates_become_inputs) {
  const Columns declared{
      {.name = "dose", .kind = Kind::number, .low = 1, .high = 100, .scale = Column::Scale::log},
      {.name = "day", .kind = Kind::date, .low = 0, .high = 10},
      {.name = "sick", .kind = Kind::yes_no, .target = true}};
  const Table read = table("10,1970-01-06,0\n0,1970-01-01,1\n", declared);
  BOOST_TEST(std::abs(read.inputs[0]) < 1e-6);
  BOOST_TEST(read.inputs[2] == 0.0F);
  BOOST_TEST(read.inputs[4] == -1.0F);
  BOOST_TEST(read.inputs[6] == -1.0F);
  BOOST_TEST(seen(read, "dose").below == 1U);
}

BOOST_AUTO_TEST_CASE(a_numeric_target_is_scaled_and_not_cut_off) {
  Columns declared{{.name = "age", .kind = Kind::number, .low = 0, .high = 1},
                   {.name = "price", .kind = Kind::number, .target = true, .low = 0, .high = 10}};
  const Table read = table("0,0\n0,10\n0,30\n0,\n", declared);
  BOOST_TEST(read.values == (Floats{-1, 1, 5}));
  BOOST_TEST(read.labels.empty());
  BOOST_TEST(read.rows == 3U);
  BOOST_TEST(read.noticed.without_target == 1U);
  BOOST_TEST(seen(read, "price").above == 1U);
  BOOST_TEST(refused("0,1\n0,1e30\n", declared).find("too far from its range") !=
             std::string::npos);
  declared[1].scale = Column::Scale::log;
  declared[1].low = 1;
  BOOST_TEST(refused("0,1\n0,0\n", declared).find("not above 0") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_group_comes_out_and_rows_without_it_or_a_target_are_left_out) {
  Columns declared = columns();
  declared[1].group = true;
  declared.push_back({.name = "at", .kind = Kind::number, .time = true});
  const Table read = table("50,p1,none,0,5\n50,p2,none,?,6\n50,,none,1,7\n50,p1,3,1,\n", declared);
  BOOST_TEST(read.rows == 2U);
  BOOST_TEST(read.groups == (std::vector<std::string>{"p1", "p1"}));
  BOOST_TEST(read.times.at(0) == 5.0);
  BOOST_TEST(std::isnan(read.times.at(1)));
  BOOST_TEST(read.labels == (Labels{0, 1}));
  BOOST_TEST(read.inputs.size() == 12U);
  BOOST_TEST(read.noticed.without_target == 1U);
  BOOST_TEST(read.noticed.without_group == 1U);
  BOOST_TEST(read.noticed.files.at(0).examples == 2U);
}

BOOST_AUTO_TEST_CASE(a_wrong_line_is_named_and_explained) {
  for (const auto& [csv, what] : kBad) {
    BOOST_TEST(refused(csv).find(what) != std::string::npos, csv << refused(csv));
  }
}

BOOST_AUTO_TEST_CASE(errors_name_the_file) {
  const test::TemporaryDirectory directory;
  const auto complaint = [&](const char* text) {
    write_file(directory / "bad.csv", as_byte_view(text));
    try {
      static_cast<void>(read_table(directory / "bad.csv", columns()));
    } catch (const DataError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  BOOST_TEST(complaint("50,x,none,0\nold,x,none,0\n").find("bad.csv: line 2 has \"old\"") !=
             std::string::npos);
  BOOST_TEST(complaint("1\n").find("bad.csv has one cell on its first line") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_folder_in_place_of_a_file_is_named) {
  const test::TemporaryDirectory directory;
  const auto says = [](const DataError& error) {
    return std::string(error.what()).find("is a folder where a file is wanted") !=
           std::string::npos;
  };
  BOOST_CHECK_EXCEPTION(static_cast<void>(read_table(directory.path(), columns())), DataError,
                        says);
}

BOOST_AUTO_TEST_CASE(what_was_noticed_in_several_files_adds_up) {
  Table first = table("90,x,none,0\n?,x,none,0\n");
  const Table second = table("age,pain,sick\n95,none,0\n50,none,?\n");
  add(first.noticed, second.noticed);
  BOOST_TEST(first.noticed.files.size() == 2U);
  BOOST_TEST(seen(first, "age").above == 2U);
  BOOST_TEST(seen(first, "age").missing == 1U);
  BOOST_TEST(seen(first, "age").most == 95.0);
  std::string all;
  for (const std::string& sentence : sentences(first.noticed)) all += sentence + "\n";
  BOOST_TEST(all ==
             ": 2 examples, UTF-8, separated by commas, without a header\n"
             ": 1 example, UTF-8, separated by commas, with a header\n"
             "1 row without a target left out\n"
             "1 cell of the column age missing\n"
             "2 cells of the column age above its range, up to 95\n");
}

BOOST_AUTO_TEST_CASE(a_letter_of_two_bytes_after_sep_is_no_separator) {
  const std::vector<model::Column> columns{
      {.name = "a", .kind = Column::Kind::number, .low = 0, .high = 1},
      {.name = "b", .kind = Column::Kind::yes_no, .target = true}};
  const auto parsed = parse_table("sep=\xc3\xa5\na\xc3\xa5 b\n1\xc3\xa5 0\n", columns);
  BOOST_TEST(std::holds_alternative<std::string>(parsed));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace table_test
