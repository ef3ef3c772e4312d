#include "daemon/membership/typed_id.hpp"

#include "daemon/system/failure.hpp"
#include "daemon/cli/qr_code.hpp"
#include "tests/crypto_ready.hpp"

#include <boost/test/unit_test.hpp>

#include <cctype>
#include <string>

namespace typed_id_test {

using namespace kith;
using namespace kith::daemon;

struct Typing : CryptoReady {
  crypto::NodeId id = crypto::Identity::from_seed(crypto::Secret<32>()).id();
  std::string right = to_string(id);

  std::string refusal(const std::string& typed) const {
    try {
      check_typed(id, typed);
    } catch (const Failure& failure) {
      return failure.what();
    }
    return "";
  }
};

/// Another digit than this one.
char other(char digit) { return digit == '7' ? '8' : '7'; }

BOOST_FIXTURE_TEST_SUITE(typed_id_tests, Typing)

BOOST_AUTO_TEST_CASE(what_was_heard_right_is_taken_however_it_is_written) {
  std::string shouted, plain;
  for (const char c : right) {
    shouted += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    if (c != '-') plain += c == '0' ? 'O' : c == '1' ? 'l' : c;
  }
  for (const std::string& typed : {right, shouted, plain}) BOOST_TEST(refusal(typed) == "");
}

BOOST_AUTO_TEST_CASE(mistyped_character_is_said_by_its_group_and_not_what_would_be_right) {
  for (std::size_t group = 0; group < 8; ++group) {
    std::string typed = right;
    typed[8 * group + 2] = other(typed[8 * group + 2]);
    const std::string said = refusal(typed);
    const std::string what =
        "group " + std::to_string(group + 1) + " (" + typed.substr(8 * group, 7);
    BOOST_TEST(said.find(what) != std::string::npos);
    BOOST_TEST(said.find(right.substr(8 * group, 7)) == std::string::npos);
  }
  std::string twice = right;
  twice[0] = other(twice[0]);
  twice[16] = other(twice[16]);
  BOOST_TEST(refusal(twice).find("the groups 1 (") != std::string::npos);
  BOOST_TEST(refusal(twice).find(", 3 (") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(missing_character_and_another_id_are_told_apart_from_a_mistyped_one) {
  BOOST_TEST(refusal(right.substr(1)).find("55 characters in place of 56") != std::string::npos);
  BOOST_TEST(refusal("").find("0 characters") != std::string::npos);
  const auto another = crypto::Identity::generate().id();
  BOOST_TEST(refusal(to_string(another)).find("ANOTHER one") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(qr_code_is_square_has_its_three_finders_and_a_limit) {
  const auto lines = qr_code("kith-invite-1-" + std::string(250, 'A'));
  BOOST_TEST_REQUIRE(lines.has_value());
  const auto modules = [](const std::string& line) {  // each is one code point
    std::size_t count = 0;
    for (const char c : line.substr(8, line.size() - 12)) count += (c & 0xc0) != 0x80 ? 1U : 0U;
    return count;
  };
  const std::size_t width = modules(lines->front());
  BOOST_TEST((width + 1) / 2 == lines->size());
  for (const std::string& line : *lines) BOOST_TEST(modules(line) == width);
  // The upper edge of two finders: dark above, light below, seven modules of it.
  const std::string finder = "\u2588\u2580\u2580\u2580\u2580\u2580\u2588";
  const std::string& top = lines->at(1);
  BOOST_TEST(top.find(finder) != std::string::npos);
  BOOST_TEST(top.rfind(finder) != top.find(finder));
  BOOST_TEST(!qr_code(std::string(5000, 'A')).has_value());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace typed_id_test
