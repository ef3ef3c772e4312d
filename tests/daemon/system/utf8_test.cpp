#include "daemon/system/utf8.hpp"

#include "daemon/system/failure.hpp"

#include <boost/test/unit_test.hpp>

namespace utf8_test {

using namespace kith::daemon;

BOOST_AUTO_TEST_SUITE(utf8_tests)

BOOST_AUTO_TEST_CASE(names_in_any_script_are_utf8) {
  for (const char* name : {"", "/srv/kith", "caf\xc3\xa9", "\xe7\x97\x85\xe9\x99\xa2", "\xf0\x9f\x8f\xa5",
                           "\x7f", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"}) {
    BOOST_TEST(is_utf8(name), name);
  }
}

BOOST_AUTO_TEST_CASE(bytes_of_other_encodings_are_not) {
  for (const char* name :
       {"caf\xe9", "\xff", "\x80", "\xc3", "\xe7\x97", "\xf0\x9f\x8f", "\xc3(", "\xc0\xaf", "\xe0\x80\xaf",
        "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80"}) {
    BOOST_TEST(!is_utf8(name), escaped(name));
  }
}

BOOST_AUTO_TEST_CASE(argument_that_is_not_utf8_is_shown_without_its_bytes) {
  const char* const arguments[] = {"kith", "run", "--dir", "caf\xe9\n"};
  const auto names_it = [](const Failure& failure) {
    const std::string what = failure.what();
    return failure.code() == EX_USAGE && what.find("\"caf\\xE9\\x0A\"") != std::string::npos &&
           is_utf8(what);
  };
  BOOST_CHECK_EXCEPTION(check_names(4, arguments), Failure, names_it);
  BOOST_CHECK_NO_THROW(check_names(3, arguments));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace utf8_test
