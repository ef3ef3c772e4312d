#include "crypto/random_stream.hpp"

#include <boost/test/unit_test.hpp>

#include <bit>
#include <random>
#include <set>

namespace random_stream_test {

using namespace kith::crypto;

BOOST_AUTO_TEST_SUITE(random_stream_tests)

// RFC 8439, appendix A.1, test vectors 1 and 2: key and nonce are zero; block 0, then block 1.
BOOST_AUTO_TEST_CASE(is_the_key_stream_of_chacha20) {
  RandomStream random(Hash{});
  BOOST_TEST(random() == 0x903df1a0ade0b876U);
  for (int i = 1; i < 8; ++i) static_cast<void>(random());
  BOOST_TEST(random() == 0x7a385155bee7079fU);
}

BOOST_AUTO_TEST_CASE(equal_seeds_give_equal_numbers_and_none_comes_back) {
  RandomStream one(hash({})), same(hash({})), other(hash(hash({})));
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 2000; ++i) {  // three refills
    const auto number = one();
    BOOST_TEST_REQUIRE(number == same());
    BOOST_TEST_REQUIRE(number != other());
    BOOST_TEST_REQUIRE(seen.insert(number).second);
  }
}

BOOST_AUTO_TEST_CASE(fresh_streams_are_not_alike) {
  RandomStream one = RandomStream::fresh(), other = RandomStream::fresh();
  BOOST_TEST(one() != other());
}

BOOST_AUTO_TEST_CASE(every_bit_is_set_half_of_the_time) {
  RandomStream random(hash({}));
  int set = 0;
  for (int i = 0; i < 10'000; ++i) set += std::popcount(random());
  BOOST_TEST(std::abs(set - 320'000) < 5 * 400);  // five standard deviations
  static_assert(std::uniform_random_bit_generator<RandomStream>);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace random_stream_test
