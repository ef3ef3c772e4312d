#include "daemon/simulation/draft.hpp"

#include "daemon/system/failure.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <fstream>

namespace draft_test {

using namespace kith;
using namespace kith::daemon;
namespace fs = std::filesystem;

struct Tables {
  fs::path write(const std::string& name, const std::string& text) const {
    std::ofstream(folder / name) << text;
    return folder / name;
  }
  std::string error_of(const std::string& text) const {
    try {
      static_cast<void>(
          draft_task({}, {write("good.csv", "a,target\n1,0\n"), write("bad.csv", text)}));
    } catch (const Failure& failure) {
      BOOST_TEST(failure.code() == EX_DATAERR);
      return failure.what();
    }
    return "";
  }
  test::TemporaryDirectory folder;
};

BOOST_FIXTURE_TEST_SUITE(draft_tests, Tables)

BOOST_AUTO_TEST_CASE(drafted_columns_span_the_bulk_of_all_rows_and_name_every_class) {
  std::string first = "a,flat,none,target\n", second = first;
  for (int i = 0; i <= 100; ++i) first += std::to_string(i) + ",5,,10\n";
  second += "1e9,5,?,9\r\n-7,5,,word\n";
  model::Task task;
  task.name = "kept";
  task = draft_task(task, {write("train.csv", first), write("test.csv", second)});
  BOOST_TEST_REQUIRE(task.columns.size() == 4U);
  BOOST_TEST(task.columns[0] == "a: 0.02..99.98");  // of 103 rows, without the odd ones
  BOOST_TEST(task.columns[1] == "flat: 5..6");
  BOOST_TEST(task.columns[2] == "none");
  BOOST_TEST(task.columns[3] == "target target: 9 | 10 | word");
  BOOST_TEST(task.classes == 3U);
  BOOST_TEST(task.name == "kept");
}

BOOST_AUTO_TEST_CASE(a_table_that_does_not_fit_is_named_with_its_line) {
  const auto says = [&](const std::string& text, const std::string& what) {
    return error_of(text).find("bad.csv" + what) != std::string::npos;
  };
  BOOST_TEST(says("", " is empty"));
  BOOST_TEST(says("b,target\n1,0\n", " has another heading"));
  BOOST_TEST(says("a,target\n1,0\nx,0\n", ":3: \"x\" in the column a is no number"));
  BOOST_TEST(says("a,target\n1\n", ":2: there are 1 cells, and 2 in the heading"));
  BOOST_CHECK_EXCEPTION(static_cast<void>(draft_task({}, {write("no.csv", "a,b\n1,2\n")})), Failure,
                        [](const Failure& failure) {
                          return std::string(failure.what()).find("\"target\"") !=
                                 std::string::npos;
                        });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace draft_test
