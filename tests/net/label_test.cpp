#include "net/label.hpp"

#include <boost/test/unit_test.hpp>

namespace label_test {

using kith::net::is_label;
using kith::net::label_key;

BOOST_AUTO_TEST_SUITE(label_tests)

BOOST_AUTO_TEST_CASE(labels_have_letters_of_any_one_script) {
  for (const char* good : {"hospital-b", "Malmö \xe2\x82\xac \xf0\x9f\x8f\xa5", "Больница 7",
                           "Νοσοκομείο", "병원", "病院", "مستشفى", "ward 7 (north)"}) {
    BOOST_TEST(is_label(good), good);
  }
}

BOOST_AUTO_TEST_CASE(what_people_cannot_see_is_in_no_label) {
  for (const char* bad :
       {"", " ", " a", "a ", "a  b", "a\tb", "a\nb", "a\x7f", "\xc2\x85", "a\xc2\xa0" "b",
        "hospital\xe2\x80\x8b-b" /* zero width space */, "hospital\xe2\x81\xa0-b" /* word joiner */,
        "\xe2\x80\xae" "b-latipsoh" /* right-to-left override */, "a\xe2\x80\xa8" "b",
        "a\xc2\xad" "b" /* soft hyphen */, "a\xe1\x85\x9f" /* Hangul filler */,
        "a\xef\xb8\x8f" /* variation selector */, "a\xe2\xa0\x80" /* blank braille */,
        "\xee\x80\x80" /* private use */, "a\xf3\xa0\x81\x81" /* tag */}) {
    BOOST_TEST(!is_label(bad), bad);
  }
}

BOOST_AUTO_TEST_CASE(what_is_no_utf_8_or_not_in_its_normal_form_is_no_label) {
  for (const char* bad : {"\xc3", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xc0\xaf", "a\xff",
                          "Malmo\xcc\x88" /* decomposed */, "\xcc\x88" "a" /* a mark by itself */}) {
    BOOST_TEST(!is_label(bad));
  }
  BOOST_TEST(is_label(std::string(64, 'a')));
  BOOST_TEST(!is_label(std::string(65, 'a')));
}

BOOST_AUTO_TEST_CASE(letters_that_look_latin_are_not_mixed_with_latin_ones) {
  BOOST_TEST(!is_label("h\xd0\xbespital-b"));  // a Cyrillic o
  BOOST_TEST(!is_label("\xce\x91lice"));       // a Greek Alpha
  BOOST_TEST(is_label("\xce\xb1-7"));
}

BOOST_AUTO_TEST_CASE(labels_that_people_take_for_the_same_have_one_key) {
  BOOST_TEST(label_key("Ward") == label_key("ward"));
  BOOST_TEST(label_key("ﬁeld") == label_key("field"));
  BOOST_TEST(label_key("Straße") == label_key("STRASSE"));
  BOOST_TEST(label_key("ward-1") != label_key("ward-2"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace label_test
