#include "crypto/hash.hpp"

#include "crypto/hasher.hpp"
#include "tests/crypto/bytes.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

namespace hash_test {

using namespace kith;
using namespace kith::crypto;

BOOST_AUTO_TEST_SUITE(hash_tests)

BOOST_AUTO_TEST_CASE(is_blake2b_of_32_bytes) {
  BOOST_TEST(to_hex(hash({})) ==
             "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
  BOOST_TEST(to_hex(hash(as_byte_view("abc"))) ==
             "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
}

BOOST_AUTO_TEST_CASE(what_comes_in_pieces_has_the_hash_of_the_whole) {
  const std::string text(1000, 'x');
  for (const std::size_t piece : {1U, 7U, 128U, 1000U}) {
    Hasher hasher;
    for (std::size_t at = 0; at < text.size(); at += piece) {
      hasher.append(as_byte_view(text.substr(at, piece)));
    }
    BOOST_TEST((hasher.finish() == hash(as_byte_view(text))), piece);
  }
  BOOST_TEST((Hasher().finish() == hash({})));
}

BOOST_AUTO_TEST_CASE(hexadecimal_survives_the_round_trip) {
  Bytes every_byte;
  for (int i = 0; i < 256; ++i) every_byte.push_back(static_cast<std::byte>(i));
  BOOST_TEST((from_hex(to_hex(every_byte)) == every_byte));
  BOOST_TEST(to_hex(every_byte).substr(2 * 0xa9, 4) == "a9aa");
  BOOST_TEST(to_hex({}).empty());
  BOOST_TEST(from_hex("").value().empty());
}

BOOST_AUTO_TEST_CASE(hexadecimal_of_either_case_is_read) {
  BOOST_TEST((from_hex("aAfF09") == Bytes{std::byte{0xaa}, std::byte{0xff}, std::byte{0x09}}));
}

BOOST_DATA_TEST_CASE(what_is_not_hexadecimal_is_refused,
                     boost::unit_test::data::make({"a", "abc", "0x00", "ab cd", "g0", "00 ", "-1"}),
                     text) {
  BOOST_TEST(!from_hex(text));
}

BOOST_AUTO_TEST_CASE(base64_reads_back_and_has_one_form_for_everything) {
  Bytes bytes;
  for (int i = 0; i < 300; ++i) {
    const std::string text = to_base64(bytes);
    BOOST_TEST_REQUIRE(from_base64(text).has_value());
    BOOST_TEST((from_base64(text) == bytes));
    BOOST_TEST(text.find_first_of("+/=\n") == std::string::npos);
    bytes.push_back(static_cast<std::byte>(7 * i));
  }
  BOOST_TEST(to_base64(as_byte_view("\xff\xfe")) == "__4");
  for (const char* wrong : {"__5", "__4=", "_", "__ 4", "+/4", "__4\n"}) {
    BOOST_TEST(!from_base64(wrong).has_value(), wrong);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace hash_test
