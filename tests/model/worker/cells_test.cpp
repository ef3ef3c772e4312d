#include "model/data/cells.hpp"

#include "model/data/unicode.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace cells_test {

using namespace kith::data;
namespace bdata = boost::unit_test::data;

using Pairs = std::vector<std::pair<std::string, double>>;
const Pairs kPoints{{"50", 50},
                    {"+50", 50},
                    {"-1.5e3", -1500},
                    {".5", 0.5},
                    {"5.", 5},
                    {"007", 7},
                    {"1e-400", 0},
                    {"1E+2", 100},
                    {"1,234.5", 1234.5},
                    {"1,234", 1234},
                    {"-12,345,678.25", -12345678.25},
                    {"1 234.5", 1234.5},
                    {"1'234.5", 1234.5},
                    {"1\xc2\xa0"
                     "234",
                     1234},
                    {"1\xe2\x80\xaf"
                     "234",
                     1234},
                    {"\xe2\x88\x92"
                     "3",
                     -3}};
const Pairs kCommas{{"50", 50},       {"1,5", 1.5},           {"1.234,5", 1234.5},
                    {"1.234", 1234},  {"1 234,5", 1234.5},    {"-1,5E-3", -0.0015},
                    {"0,123", 0.123}, {"1.234.567", 1234567}, {",5", 0.5}};
const std::vector<std::string> kNoPoints{
    "",     "-",      "old",  "1,5",   "1,23,456",   "1234,567", "nan", "inf",
    "-inf", "1e400",  "0x10", "1.2.3", "12,345 678", "0,123",    "1 2", "50 %",
    "$5",   "1,234,", "--5",  "+-5",   "1e",         "1,234.5,6"};
const std::vector<std::string> kNoCommas{"1.5", "1234.567", "0.123", "1,2,3", "1,234.5"};

BOOST_AUTO_TEST_SUITE(cells_tests)

BOOST_AUTO_TEST_CASE(numbers_are_read_as_people_and_programs_write_them) {
  for (const auto& [cell, number] : kPoints) {
    const auto parsed = parse_number(cell, '.');
    BOOST_TEST((parsed == number), cell << " is " << parsed.value_or(-77));
  }
  for (const auto& [cell, number] : kCommas) {
    const auto parsed = parse_number(cell, ',');
    BOOST_TEST((parsed == number), cell << " is " << parsed.value_or(-77));
  }
}

BOOST_DATA_TEST_CASE(what_is_no_number_is_none, bdata::make(kNoPoints), cell) {
  BOOST_TEST(!parse_number(cell, '.').has_value());
}

BOOST_DATA_TEST_CASE(what_is_no_number_with_a_comma_is_none, bdata::make(kNoCommas), cell) {
  BOOST_TEST(!parse_number(cell, ',').has_value());
}

BOOST_AUTO_TEST_CASE(a_date_says_what_it_shows_of_the_order) {
  const auto read = [](const char* cell, DateOrder order = DateOrder::unknown) {
    return parse_cell_date(cell, order).value_or(CellDate{.days = -1});
  };
  for (const char* const cell : {"2024-01-31", "31.1.2024", "31.01.2024", "31JAN2024",
                                 "31-Jan-2024", "2024-01-31T00:00:00Z", "31.01.2024 00:00"}) {
    BOOST_TEST(read(cell).days == 19753.0, cell);
    BOOST_TEST((read(cell).shows == DateOrder::unknown), cell);
  }
  BOOST_TEST((read("31/01/2024").shows == DateOrder::day_first));
  BOOST_TEST((read("01/31/2024").shows == DateOrder::month_first));
  BOOST_TEST(read("1/31/2024 6:00 PM").days == 19753.75);
  BOOST_TEST(read("01/02/2024").ambiguous);
  BOOST_TEST(!read("02/02/2024").ambiguous);
  BOOST_TEST(read("01/02/2024", DateOrder::month_first).days == 19724.0);
  BOOST_TEST(read("01/02/2024", DateOrder::day_first).days == 19754.0);
  BOOST_TEST((read("31/01/2024", DateOrder::month_first).shows == DateOrder::day_first));
  for (const char* const cell : {"", "31", "31.2.2024", "31/31/2024", "1/2/24", "31.01.2024x",
                                 "99/99/9999", "01/2024", "Jan 31", "31012024"}) {
    BOOST_TEST(read(cell).days == -1.0, cell);
  }
}

BOOST_AUTO_TEST_CASE(encodings_are_recognised) {
  const auto text_of = [](std::string_view file) {
    const auto decoded = decode(file);
    if (const auto* const why = std::get_if<std::string>(&decoded)) return *why;
    const auto& text = std::get<Decoded>(decoded);
    return std::string(text.encoding()) + ": " + std::string(text.text());
  };
  using namespace std::string_literals;
  BOOST_TEST(text_of("\xc3\xa5"s) == "UTF-8: \xc3\xa5");
  BOOST_TEST(text_of("\xef\xbb\xbf"
                     "a"s) == "UTF-8: a");
  BOOST_TEST(text_of("\xe5\x80"s) == "Windows-1252: \xc3\xa5\xe2\x82\xac");
  BOOST_TEST(text_of("\xff\xfe"
                     "a\0\xe5\0"s) == "UTF-16: a\xc3\xa5");
  BOOST_TEST(text_of("\xfe\xff\0a\xd8\x3d\xde\0"s) == "UTF-16: a\xf0\x9f\x98\x80");
  BOOST_TEST(text_of("a\0b\0c\0"s) == "UTF-16: abc");
  BOOST_TEST(text_of("\0a\0b\0c"s) == "UTF-16: abc");
  BOOST_TEST(text_of("\xfe\xff\xd8\x3d"s).starts_with("begins as UTF-16"));
  BOOST_TEST(text_of("a\0b"s).starts_with("holds zero bytes"));
  BOOST_TEST(text_of("a\x81"s).starts_with("is neither"));
  BOOST_TEST(text_of("PK\x03\x04"s).starts_with("holds a ZIP"));
  BOOST_TEST(text_of("") == "UTF-8: ");
  const std::string large = std::string(5000, 'a') + "\xc3\xa5" + std::string(5000, 'b');
  BOOST_TEST(text_of(large) == "UTF-8: " + large);
  BOOST_TEST(text_of(large + "\xff").starts_with("Windows-1252"));
}

BOOST_AUTO_TEST_CASE(a_letter_and_its_accent_are_one) {
  BOOST_TEST(composed("a\xcc\x8a") == "\xc3\xa5");
  BOOST_TEST(composed("\xc3\xa5") == "\xc3\xa5");
  BOOST_TEST(composed("plain") == "plain");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace cells_test
