#include "net/limit_table.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace limit_table_test {

namespace fs = std::filesystem;
using kith::net::Limit;

std::string content(const fs::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// "unauthenticated_of_subnet" of "UnauthenticatedOfSubnet"
std::string snake_case(const std::string& name) {
  std::string text;
  for (const char c : name) {
    const bool upper = std::isupper(static_cast<unsigned char>(c)) != 0;
    if (upper && !text.empty()) text += '_';
    text += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return text;
}

BOOST_AUTO_TEST_SUITE(limit_table_tests)

BOOST_AUTO_TEST_CASE(every_limit_of_the_header_is_in_the_table_in_its_order) {
  const std::string header = content(fs::path(KITH_SOURCES) / "net/limits.hpp");
  const std::regex constant("inline constexpr [A-Za-z_:]+ k([A-Z][A-Za-z]*)");
  std::vector<std::string> declared, listed;
  for (std::sregex_iterator at(header.begin(), header.end(), constant), end; at != end; ++at) {
    declared.push_back(snake_case((*at)[1]));
  }
  for (const Limit& limit : kith::net::limit_table()) listed.emplace_back(limit.name);
  BOOST_TEST(declared == listed, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(every_limit_has_a_test_that_exists) {
  const std::regex test_case("BOOST_[A-Z_]*TEST_CASE(_F)?\\(([A-Z][a-z]+, *)?([a-z0-9_]+).*");
  std::set<std::string, std::less<>> tests;
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(KITH_SOURCES) / "tests")) {
    if (entry.path().extension() != ".cpp") continue;
    std::ifstream in(entry.path());
    std::smatch found;
    for (std::string line; std::getline(in, line);) {
      if (line.starts_with("BOOST_") && std::regex_match(line, found, test_case)) {
        tests.insert(found[3]);
      }
    }
  }
  for (const Limit& limit : kith::net::limit_table()) {
    BOOST_TEST(tests.contains(limit.test), limit.name << " has no test " << limit.test);
  }
}

BOOST_AUTO_TEST_CASE(every_limit_says_what_it_is_and_what_happens) {
  for (const Limit& limit : kith::net::limit_table()) {
    BOOST_TEST(limit.amount > 0);
    BOOST_TEST(!limit.what.empty());
    BOOST_TEST(!limit.then.empty());
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace limit_table_test
