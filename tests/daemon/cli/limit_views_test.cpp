#include "daemon/cli/limit_views.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace limit_views_test {

using namespace kith::daemon;
using nlohmann::json;

BOOST_AUTO_TEST_SUITE(limit_views_tests)

BOOST_AUTO_TEST_CASE(the_documentation_is_up_to_date) {
  const auto file = std::filesystem::path(KITH_DOCS) / "limits.md";
  if (std::getenv("KITH_REFRESH") != nullptr) std::ofstream(file) << limits_markdown();
  std::ifstream in(file);
  const std::string committed(std::istreambuf_iterator<char>(in), {});
  BOOST_TEST((committed == limits_markdown()),
             "docs/limits.md is out of date; KITH_REFRESH=1 "
                 << boost::unit_test::framework::master_test_suite().argv[0] << " refreshes it");
}

BOOST_AUTO_TEST_CASE(limits_have_values_with_units_and_say_what_happens) {
  const json limits = limits_json({.disk = {64ULL << 20}, .disk_free = {0}});
  const auto value = [&](const std::string& name) {
    const auto found =
        std::ranges::find_if(limits, [&](const json& limit) { return limit.at("name") == name; });
    BOOST_TEST_REQUIRE((found != limits.end()));
    return *found;
  };
  BOOST_TEST(value("handshake").at("value") == 10);
  BOOST_TEST(value("handshake").at("unit") == "seconds");
  BOOST_TEST(value("unauthenticated").at("value") == 64);
  BOOST_TEST(value("unauthenticated").at("unit").is_null());
  BOOST_TEST(value("limits.disk").at("value") == 64 << 20);
  BOOST_TEST(value("audit.log").at("value") == 32 << 20);
  for (const json& limit : limits) BOOST_TEST(!limit.at("then").get<std::string>().empty());
}

BOOST_AUTO_TEST_CASE(lines_show_every_limit_once_in_a_unit_for_people) {
  const json limits = limits_json({});
  const Lines lines = limits_lines(limits);
  for (const json& limit : limits) {
    const std::string start = "  " + limit.at("name").get<std::string>() + " ";
    BOOST_TEST(std::ranges::count_if(
                   lines, [&](const std::string& line) { return line.starts_with(start); }) == 1);
  }
  const auto shows = [&](const std::string& part) {
    return std::ranges::any_of(
        lines, [&](const std::string& line) { return line.find(part) != std::string::npos; });
  };
  BOOST_TEST(shows("100 \u00b5s"));
  BOOST_TEST(shows("10.0 s"));
  BOOST_TEST(shows("2.0 GiB"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limit_views_test
