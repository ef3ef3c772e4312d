// The same three rows as programs write them, and what they write that no table is.
#include "model/data/table.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <ostream>
#include <string>
#include <vector>

namespace world_test {

using namespace kith;
using namespace kith::data;
using model::Column;
using Kind = Column::Kind;
using namespace std::string_literals;
namespace bdata = boost::unit_test::data;

const std::vector<Column>& columns() {
  static const std::vector<Column> declared{
      {.name = "age", .kind = Kind::number, .low = 0, .high = 100},
      {.name = "weight", .kind = Kind::number, .low = 0, .high = 2000},
      {.name = "city",
       .kind = Kind::category,
       .values = {{"Z\xc3\xbcrich"}, {"Paris"}, {"New York, NY"}}},
      {.name = "seen", .kind = Kind::date, .low = 19700, .high = 19800},
      {.name = "sick", .kind = Kind::yes_no, .target = true}};
  return declared;
}

/// ASCII and what Windows-1252 has as Unicode has it, in UTF-16.
std::string utf16(const std::string& text, bool big, bool mark) {
  std::string wide = mark ? (big ? "\xfe\xff"s : "\xff\xfe"s) : "";
  for (const char c : text) big ? wide += "\0"s + c : wide += c + "\0"s;
  return wide;
}

struct File {
  const char* from;
  std::string bytes;
  std::string says;  ///< how it was read; or, if it begins with '!', why not
};
std::ostream& operator<<(std::ostream& out, const File& file) { return out << file.from; }

const std::string kUs =
    "age,weight,city,seen,sick\n50,1234.5,Z\xc3\xbcrich,2024-01-31,yes\n"
    "20,0.25,Paris,2024-02-13,no\n,70,\"New York, NY\",,yes\n";
const std::string kGerman =
    "age;weight;city;seen;sick\r\n50;1.234,5;Z\xfcrich;31.01.2024;WAHR\r\n"
    "20;0,25;Paris;13.02.2024;FALSCH\r\n;70;New York, NY;;WAHR\r\n";

const std::vector<File> kFiles{
    {"pandas", kUs, "UTF-8, separated by commas, with a header"},
    {"pandas with its index",
     ",age,weight,city,seen,sick\n0,50.0,1234.5,Z\xc3\xbcrich,2024-01-31 00:00:00,True\n"
     "1,20.0,0.25,Paris,2024-02-13 00:00:00,False\n2,,70.0,\"New York, NY\",,True\n",
     "UTF-8, separated by commas, with a header"},
    {"R, write.csv",
     "\"\",\"age\",\"weight\",\"city\",\"seen\",\"sick\"\n"
     "\"1\",50,1234.5,\"Z\xc3\xbcrich\",\"2024-01-31\",TRUE\n"
     "\"2\",20,0.25,\"Paris\",\"2024-02-13\",FALSE\n\"3\",NA,70,\"New York, NY\",NA,TRUE\n",
     "UTF-8, separated by commas, with a header"},
    {"R, write.table",
     "\"age\"\t\"weight\"\t\"city\"\t\"seen\"\t\"sick\"\n"
     "\"1\"\t50\t1234.5\t\"Z\xc3\xbcrich\"\t2024-01-31\t1\n"
     "\"2\"\t20\t0.25\t\"Paris\"\t2024-02-13\t0\n\"3\"\tNA\t7e+01\t\"New York, NY\"\tNA\t1\n",
     "UTF-8, separated by tabs, with a header, with row names"},
    {"R, write.csv2",
     "\"age\";\"weight\";\"city\";\"seen\";\"sick\"\n50;1234,5;\"Z\xc3\xbcrich\";2024-01-31;"
     "\"yes\"\n"
     "20;0,25;\"Paris\";2024-02-13;\"no\"\nNA;70;\"New York, NY\";NA;\"yes\"\n",
     "UTF-8, separated by semicolons, with a header, decimal commas"},
    {"SAS, PROC EXPORT",
     "age,weight,city,seen,sick\r\n50,1234.5,Z\xfcrich,31JAN2024,1\r\n20,0.25,Paris,13FEB2024,0\r\n"
     ".,70,\"New York, NY\",.,1\r\n",
     "Windows-1252, separated by commas, with a header"},
    {"UCI, without a header",
     "50,1234.5,Z\xc3\xbcrich,2024-01-31,1\n20,.25,Paris,2024-02-13,0\n?,70,\"New York, NY\",?,1\n",
     "UTF-8, separated by commas, without a header"},
    {"spreadsheet, German", kGerman,
     "Windows-1252, separated by semicolons, with a header, decimal commas"},
    {"spreadsheet, German, UTF-8 with a mark",
     "\xef\xbb\xbf"
     "age;weight;city;seen;sick\r\n50;1.234,5;Z\xc3\xbcrich;31.01.2024;ja\r\n"
     "20;0,25;Paris;13.02.2024;nein\r\n;70;New York, NY;#NV;ja\r\n",
     "UTF-8, separated by semicolons, with a header, decimal commas"},
    {"spreadsheet, French",
     "age;weight;city;seen;sick\r\n50;1\xa0"
     "234,5;Z\xfcrich;31/01/2024;VRAI\r\n"
     "20;0,25;Paris;13/02/2024;FAUX\r\n;70;New York, NY;;VRAI\r\n",
     "Windows-1252, separated by semicolons, with a header, decimal commas, dates with the day "
     "first"},
    {"spreadsheet, French, with narrow blanks",
     "age;weight;city;seen;sick\r\n50;1\xe2\x80\xaf"
     "234,5;Z\xc3\xbcrich;31/01/2024;Oui\r\n"
     "20;0,25;Paris;13/02/2024;Non\r\n;70;New York, NY;;Oui\r\n",
     "UTF-8, separated by semicolons, with a header, decimal commas, dates with the day first"},
    {"spreadsheet, US",
     "age,weight,city,seen,sick\r\n50,\"1,234.50\",Z\xfcrich,1/31/2024,TRUE\r\n"
     "20,0.25,Paris,2/13/2024,FALSE\r\n#N/A,70.00,\"New York, NY\",,TRUE\r\n",
     "Windows-1252, separated by commas, with a header, dates with the month first"},
    {"spreadsheet, Swiss",
     "age;weight;city;seen;sick\r\n50;1'234.5;Z\xfcrich;31.01.2024;ja\r\n"
     "20;0.25;Paris;13.02.2024;nein\r\n;70;New York, NY;;ja\r\n",
     "Windows-1252, separated by semicolons, with a header"},
    {"spreadsheet, Unicode text",
     utf16("age\tweight\tcity\tseen\tsick\r\n50\t1234.5\tZ\xfcrich\t2024-01-31\tyes\r\n"
           "20\t0.25\tParis\t2024-02-13\tno\r\n\t70\t\"New York, NY\"\t\tyes\r\n",
           false, true),
     "UTF-16, separated by tabs, with a header"},
    {"UTF-16, big end first, no mark",
     utf16("age,weight,city,seen,sick\n50,1234.5,Z\xfcrich,2024-01-31,yes\n"
           "20,0.25,Paris,2024-02-13,no\n,70,\"New York, NY\",,yes\n",
           true, false),
     "UTF-16, separated by commas, with a header"},
    {"spreadsheet with sep=", "sep=;\r\n" + kGerman,
     "Windows-1252, separated by semicolons, with a header, decimal commas"},
    {"old Mac, CR",
     "age,weight,city,seen,sick\r50,1234.5,Z\xc3\xbcrich,2024-01-31,yes\r"
     "20,0.25,Paris,2024-02-13,no\r,70,\"New York, NY\",,yes\r",
     "UTF-8, separated by commas, with a header"},
    {"Mac, letters and accents apart",
     "age,weight,city,seen,sick\n50,1234.5,Zu\xcc\x88rich,2024-01-31,yes\n"
     "20,0.25,Paris,2024-02-13,no\n,70,\"New York, NY\",,yes\n",
     "UTF-8, separated by commas, with a header"},
    {"database, bars",
     "id|sick|seen|city|weight|age\n1|t|2024-01-31T00:00:00Z|Z\xc3\xbcrich|1234.5|50\n"
     "2|f|2024-02-13T00:00:00Z|Paris|0.25|20\n3|t|NULL|New York, NY|70|NULL\n",
     "UTF-8, separated by bars, with a header"},
    {"notes with line ends and marks",
     "note,age,weight,city,seen,sick\n\"first\nsecond, "
     "\"\"third\"\"\",50,1234.5,Z\xc3\xbcrich,2024-01-31,y\n"
     "\"\",20,0.25,Paris,2024-02-13,n\n\"\n\n\",,70,\"New York, NY\",,y\n",
     "UTF-8, separated by commas, with a header"},
    {"everything in marks, a comma at every end",
     "\"age\",\"weight\",\"city\",\"seen\",\"sick\"\n\"50\",\"1234.5\",\"Z\xc3\xbcrich\",\"2024-01-"
     "31\",\"yes\",\n"
     "\"20\",\"0.25\",\"Paris\",\"2024-02-13\",\"no\",\n\"\",\"70\",\"New York, "
     "NY\",\"\",\"yes\",\n",
     "UTF-8, separated by commas, with a header"},
    {"blanks around the cells, no last line end",
     "age ,  weight, city , seen , sick\n 50, +1234.5 , Z\xc3\xbcrich , 2024-01-31 , yes\n"
     " 20 , 2.5e-1, Paris, 2024-02-13, no\n , 70, \"New York, NY\" , - , yes",
     "UTF-8, separated by commas, with a header"},
    {"without target in a row", kUs + "40,1,Paris,2024-02-13,NA\n",
     "UTF-8, separated by commas, with a header"},
    {"a spreadsheet itself", "PK\x03\x04\x14\0\6\0"s, "!holds a ZIP archive, as spreadsheets are"},
    {"decimal commas between commas",
     "age,weight,city,seen,sick\n50,1234,5,Z\xc3\xbcrich,2024-01-31,yes\n",
     "!line 2 has 6 cells, but the lines before have 5; a cell with commas in it must be in"},
    {"decimal commas between commas, later",
     "age,weight,city,seen,sick\n1,2,5,Paris,2024-01-31,yes\n50,1234,5,Paris,2024-01-31,yes\n",
     "!line 3 has \"50\" before the columns that the first line names"},
    {"points and commas mixed",
     "age;weight;city;seen;sick\n50;1234.56;Paris;2024-01-31;yes\n20;0,25;Paris;2024-02-13;no\n",
     "!line 3 has \"0,25\" in the column weight, though numbers have a decimal point, as on line "
     "2"},
    {"days and months mixed",
     "age,weight,city,seen,sick\n50,1,Paris,31/01/2024,yes\n20,0,Paris,02/13/2024,no\n",
     "!line 3 has \"02/13/2024\" in the column seen, though the day comes first on line 2"},
    {"days or months", "age,weight,city,seen,sick\n50,1,Paris,01/02/2024,yes\n",
     "!line 2 has the date \"01/02/2024\", and no date of the file says whether the day or the"},
    {"title lines above",
     "Patients of ward 3\n\nage,weight,city,seen,sick\n50,1,Paris,2024-01-31,yes\n",
     "!has one cell on its first line, \"Patients of ward 3\""},
    {"a sum below", kUs + "Sum,1304.75,,,\n", "UTF-8, separated by commas, with a header"},
    {"units in a cell", "age,weight,city,seen,sick\n50 years,1,Paris,2024-01-31,yes\n",
     "!line 2 has \"50 years\" in the column age, which is no number"},
    {"another name", "age,Weight,city,seen,sick\n50,1,Paris,2024-01-31,yes\n",
     "!has no column \"weight\"; the nearest that it has is \"Weight\""},
    {"blanks between the cells", "age weight city seen sick\n50 1 Paris 2024-01-31 yes\n",
     "!has one cell on its first line"},
    {"a binary file", "\x93NUMPY\1\0v\0"s, "!holds zero bytes, as no text does"},
};

BOOST_AUTO_TEST_SUITE(world_tests)

BOOST_DATA_TEST_CASE(a_file_of_the_world_is_read_right_or_refused_with_its_cause,
                     bdata::make(kFiles), file) {
  const auto parsed = parse_table(file.bytes, columns());
  if (const auto* const why = std::get_if<std::string>(&parsed)) {
    BOOST_TEST_REQUIRE(file.says.starts_with('!'), *why);
    BOOST_TEST(why->starts_with(file.says.substr(1)), *why);
    return;
  }
  const auto& table = std::get<Table>(parsed);
  const auto scaled = [](std::size_t column, double value) {
    return static_cast<float>(model::scaled(columns()[column], value));
  };
  BOOST_TEST(table.noticed.files.at(0).format == file.says);
  BOOST_TEST(table.labels == (std::vector<std::int64_t>{1, 0, 1}));
  BOOST_TEST(table.inputs == (Inputs{0,
                                                 0,
                                                 scaled(1, 1234.5),
                                                 0,
                                                 1,
                                                 0,
                                                 0,
                                                 0,
                                                 scaled(3, 19753),
                                                 0,  //
                                                 scaled(0, 20),
                                                 0,
                                                 scaled(1, 0.25),
                                                 0,
                                                 0,
                                                 1,
                                                 0,
                                                 0,  //
                                                 scaled(3, 19766),
                                                 0,  //
                                                 0,
                                                 1,
                                                 scaled(1, 70),
                                                 0,
                                                 0,
                                                 0,
                                                 1,
                                                 0,
                                                 0,
                                                 1}));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace world_test
