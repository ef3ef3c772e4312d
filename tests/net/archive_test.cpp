#include "net/archive.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace archive_test {

namespace data = boost::unit_test::data;
using kith::Bytes;
using kith::net::at_most;
using kith::net::decode;
using kith::net::encode;

enum class Colour : std::uint8_t { red, green };

struct Inner {
  std::uint16_t number = 0;
  std::string text;
  bool operator==(const Inner&) const = default;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(number, at_most<8>(text));
  }
};

struct Outer {
  std::uint8_t small = 0;
  std::int64_t large = 0;
  bool flag = false;
  Colour colour = Colour::red;
  std::array<std::byte, 3> fixed{};
  std::vector<Inner> items;
  Bytes bytes;
  bool operator==(const Outer&) const = default;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(small, large, flag, colour, fixed, at_most<4>(items), at_most<1000>(bytes));
  }
};

Outer example() {
  return {.small = 7,
          .large = -2,
          .flag = true,
          .colour = Colour::green,
          .fixed = {std::byte{1}, std::byte{2}, std::byte{3}},
          .items = {{1, "one"}, {2, ""}},
          .bytes = Bytes(5, std::byte{9})};
}

BOOST_AUTO_TEST_SUITE(archive_tests)

BOOST_AUTO_TEST_CASE(what_is_written_is_read) {
  const auto read = decode<Outer>(encode(example()));
  BOOST_TEST_REQUIRE(read.has_value());
  BOOST_TEST((*read == example()));
}

BOOST_AUTO_TEST_CASE(layout_is_little_endian_without_padding) {
  const Bytes bytes = encode(Inner{0x0102, "ab"});
  const Bytes expected{std::byte{2}, std::byte{1}, std::byte{2},   std::byte{0},
                       std::byte{0}, std::byte{0}, std::byte{'a'}, std::byte{'b'}};
  BOOST_TEST((bytes == expected));
}

BOOST_AUTO_TEST_CASE(every_truncation_is_refused) {
  const Bytes whole = encode(example());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    BOOST_TEST(!decode<Outer>(kith::ByteView(whole).first(size)).has_value());
  }
}

BOOST_AUTO_TEST_CASE(trailing_byte_is_refused) {
  Bytes bytes = encode(example());
  bytes.push_back(std::byte{0});
  BOOST_TEST(!decode<Outer>(bytes).has_value());
}

BOOST_AUTO_TEST_CASE(bool_that_is_neither_is_refused) {
  Bytes bytes = encode(example());
  bytes[9] = std::byte{2};
  BOOST_TEST(!decode<Outer>(bytes).has_value());
}

// The nine bytes that made Cereal's own binary archive allocate 4 GiB.
BOOST_DATA_TEST_CASE(length_over_the_maximum_is_refused_before_allocating,
                     data::make<std::uint32_t>({9, 1000, 0x7fffffff, 0xffffffff}), length) {
  Bytes bytes = encode(Inner{1, "x"});
  std::memcpy(bytes.data() + 2, &length, sizeof length);
  BOOST_TEST(!decode<Inner>(bytes).has_value());
}

BOOST_AUTO_TEST_CASE(length_over_what_is_left_is_refused) {
  Bytes bytes = encode(Inner{1, "xyz"});
  bytes[2] = std::byte{4};  // within the maximum of 8, but only 3 are there
  BOOST_TEST(!decode<Inner>(bytes).has_value());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace archive_test
