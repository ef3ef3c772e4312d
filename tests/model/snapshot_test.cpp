#include "model/snapshot.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstring>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace snapshot_test {

using namespace kith::model;
using kith::Bytes;

namespace data = boost::unit_test::data;

/// A file with this header, padded to a multiple of 8, and `size` bytes of zeros.
Bytes file_of(std::string header, std::size_t size) {
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const std::uint64_t length = header.size();
  Bytes file(8 + header.size() + size);
  std::memcpy(file.data(), &length, 8);
  std::memcpy(file.data() + 8, header.data(), header.size());
  return file;
}

std::string tensor(const std::string& name, const std::string& shape, std::uint64_t begin,
                   std::uint64_t end) {
  return "\"" + name + "\":{\"dtype\":\"F32\",\"shape\":" + shape + ",\"data_offsets\":[" +
         std::to_string(begin) + "," + std::to_string(end) + "]}";
}

/// The reason for a refusal, or "read" if there was none.
std::string outcome(const std::variant<Snapshot, SnapshotError>& result) {
  const auto* error = std::get_if<SnapshotError>(&result);
  return error == nullptr ? "read" : error->what;
}

std::string reading(const std::string& header, std::size_t size) {
  return outcome(read_snapshot(file_of(header, size)));
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != text.npos;
}

const Schema kSmall{{{"bias", {2}}, {"weight", {2, 3}}}};
const std::vector<float> kValues{1, -2, 3, 4.5F, 0, 6, 7, 8};

/// Bytes of the small snapshot with `value` as its value number `index`.
Bytes small_with(std::size_t index, float value) {
  auto values = kValues;
  values[index] = value;
  return write_snapshot(kSmall, values);
}

Schema random_schema(std::mt19937& random) {
  Schema schema;
  std::string name = "\"a\\ ";  // needs escapes
  for (auto count = 1 + random() % 5; count > 0; --count) {
    name += static_cast<char>(' ' + random() % 95);
    std::vector<std::uint64_t> shape(random() % 4);
    for (auto& dimension : shape) dimension = 1 + random() % 4;
    schema.tensors.push_back({name, shape});
  }
  return schema;
}

BOOST_AUTO_TEST_SUITE(snapshot_tests)

BOOST_AUTO_TEST_CASE(is_written_byte_for_byte_as_documented) {
  const auto file = write_snapshot(kSmall, kValues, {{"format", "pt"}});
  const std::string header = R"({"__metadata__":{"format":"pt"},)"
                             R"("bias":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                             R"("weight":{"dtype":"F32","shape":[2,3],"data_offsets":[8,32]}})";
  auto expected = file_of(header, 32);
  std::memcpy(expected.data() + expected.size() - 32, kValues.data(), 32);
  BOOST_TEST((file == expected));
  BOOST_TEST((file.size() - 32) % 8 == 0U);
}

BOOST_DATA_TEST_CASE(what_is_written_is_read_equal, data::xrange(50), seed) {
  BOOST_TEST_CONTEXT("seed " << seed) {
    std::mt19937 random(static_cast<unsigned>(seed));
    const auto schema = random_schema(random);
    BOOST_REQUIRE(!problem(schema));
    std::vector<float> values(schema.parameters());
    for (auto& value : values) value = std::normal_distribution<float>()(random);
    const Metadata metadata{{"", "empty key"}, {"täg\n", "\"quoted\" \\ \x01 ü"}};

    const auto file = write_snapshot(schema, values, metadata);
    const auto read = read_snapshot(file);
    BOOST_REQUIRE_EQUAL(outcome(read), "read");
    const auto& snapshot = std::get<Snapshot>(read);
    BOOST_TEST((snapshot.schema == schema));
    BOOST_TEST((snapshot.metadata == metadata));
    BOOST_TEST(snapshot.copy_values() == values, boost::test_tools::per_element());

    const auto published = write_snapshot(schema, values);
    BOOST_TEST(published.size() == schema.file_size());
    BOOST_TEST(outcome(read_peer_snapshot(published, schema)) == "read");
  }
}

BOOST_AUTO_TEST_CASE(a_scalar_has_one_value) {
  const Schema schema{{{"scale", {}}}};
  BOOST_TEST(schema.parameters() == 1U);
  const std::vector<float> value{42};
  const auto file = write_snapshot(schema, value);
  const auto read = read_snapshot(file);
  BOOST_REQUIRE_EQUAL(outcome(read), "read");
  BOOST_TEST(std::get<Snapshot>(read).copy_values() == value);
}

BOOST_AUTO_TEST_CASE(equal_schemas_have_equal_hashes_and_others_do_not) {
  const Schema copy = kSmall;
  BOOST_TEST((copy.hash() == kSmall.hash()));
  Schema other_shape = kSmall, other_name = kSmall, fewer = kSmall;
  other_shape.tensors[1].shape = {3, 2};
  other_name.tensors[1].name = "weights";
  fewer.tensors.pop_back();
  for (const auto& other : {other_shape, other_name, fewer}) {
    BOOST_TEST((other.hash() != kSmall.hash()));
  }
}

BOOST_AUTO_TEST_CASE(reads_other_writers_white_space_and_order_of_fields) {
  const std::string header =
      "{ \"a\" : {\"data_offsets\": [0, 4],\n\t\"shape\": [ 1 ], \"dtype\": \"F32\"},"
      "\"__metadata__\": {} }";
  BOOST_TEST(reading(header, 4) == "read");
}

BOOST_AUTO_TEST_CASE(every_truncation_and_extension_is_refused) {
  const auto whole = write_snapshot(kSmall, kValues, {{"a", "b"}});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    BOOST_TEST(outcome(read_snapshot(kith::ByteView(whole).first(size))) != "read", size);
  }
  auto longer = whole;
  longer.push_back(std::byte{0});
  BOOST_TEST(contains(outcome(read_snapshot(longer)), "bytes after its last tensor"));
}

BOOST_AUTO_TEST_CASE(announced_header_length_is_checked_before_it_is_believed) {
  auto file = write_snapshot(kSmall, kValues);
  const auto announce = [&file](std::uint64_t length) {
    std::memcpy(file.data(), &length, sizeof length);
    return outcome(read_snapshot(file));
  };
  for (const std::uint64_t length :
       {std::uint64_t{SnapshotLimits::header} + 1, ~std::uint64_t{0}}) {
    BOOST_TEST(contains(announce(length), "its header is longer than 1048576 bytes"));
  }
  BOOST_TEST(announce(std::uint64_t{SnapshotLimits::header}) == "it ends within its header");
  BOOST_TEST(announce(file.size()) == "it ends within its header");
  BOOST_TEST(contains(announce(17), "not padded to a multiple of 8"));
  BOOST_TEST(contains(announce(0), "not one JSON object"));
}

// One bad header for every rule; each has 8 bytes of data and is otherwise in order.
struct BadHeader {
  std::string header;
  std::string reason;  ///< part of it
};
std::ostream& operator<<(std::ostream& out, const BadHeader& bad) {
  return out << bad.header.substr(0, 200);
}

const std::string kGood = tensor("a", "[2]", 0, 8);
const std::string kNested = "{" + kGood + ",\"b\":" + std::string(200'000, '[');

const std::vector<BadHeader> kBadHeaders = {
    {"{}", "it holds no tensors"},
    {R"({"__metadata__":{"a":"b"}})", "it holds no tensors"},
    {"[]", "not one JSON object"},
    {" {" + kGood + "}", "not one JSON object"},
    {"{" + kGood + "}\n", "padded with spaces"},
    {"{" + kGood + "}x}", "is not JSON"},
    {"{" + kGood + ",}", "is not JSON"},
    {"{" + kGood, "is not JSON"},
    {"{\"a\xff\":{}}", "is not JSON"},
    {R"({"a":1})", "is not described as"},
    {R"({"a":null})", "is not described as"},
    {R"({"a":[]})", "is not described as"},
    {kNested + "}", "is not described as"},
    {"{" + tensor("", "[2]", 0, 8) + "}", "empty name"},
    {"{" + tensor(std::string(257, 'a'), "[2]", 0, 8) + "}", "longer than 256 bytes"},
    {"{" + tensor("\xc3\xa4", "[2]", 0, 8) + "}", "not printable ASCII"},
    {"{" + tensor("a\\n", "[2]", 0, 8) + "}", "not printable ASCII"},
    {"{" + tensor("a\\u0000", "[2]", 0, 8) + "}", "not printable ASCII"},
    {"{" + tensor("b", "[1]", 0, 4) + "," + tensor("a", "[1]", 4, 8) + "}", "order of the names"},
    {"{" + tensor("a", "[1]", 0, 4) + "," + tensor("a", "[1]", 4, 8) + "}", "is there twice"},
    {R"({"a":{"dtype":"F16","shape":[4],"data_offsets":[0,8]}})", "type \"F16\", not F32"},
    {R"({"a":{"dtype":1,"shape":[2],"data_offsets":[0,8]}})", "is not described as"},
    {R"({"a":{"shape":[2],"data_offsets":[0,8]}})", "lacks its"},
    {R"({"a":{"dtype":"F32","data_offsets":[0,8]}})", "lacks its"},
    {R"({"a":{"dtype":"F32","shape":[2]}})", "lacks its"},
    {R"({"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}})", "dtype twice"},
    {R"({"a":{"dtype":"F32","shape":[2],"shape":[2],"data_offsets":[0,8]}})", "shape twice"},
    {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"stride":[1]}})", "unknown field"},
    {"{" + tensor("a", "2", 0, 8) + "}", "is not described as"},
    {"{" + tensor("a", "[2.0]", 0, 8) + "}", "is not described as"},
    {"{" + tensor("a", "[-2]", 0, 8) + "}", "is not described as"},
    {"{" + tensor("a", "[\"2\"]", 0, 8) + "}", "is not described as"},
    {"{" + tensor("a", "[[2]]", 0, 8) + "}", "is not described as"},
    {"{" + tensor("a", "[18446744073709551616]", 0, 8) + "}", "is not described as"},
    {"{" + tensor("a", "[2,1,1,1,1,1,1,1,1]", 0, 8) + "}", "more than 8 dimensions"},
    {"{" + tensor("a", "[2]", 0, 8) + "," + tensor("b", "[0]", 8, 8) + "}", "dimension of zero"},
    {"{" + tensor("a", "[4294967296,4294967296]", 0, 8) + "}", "does not fit 64 bits"},
    {"{" + tensor("a", "[4611686018427387906]", 0, 8) + "}", "does not fit 64 bits"},
    {"{" + tensor("a", "[1]", 4, 8) + "}", "does not begin where"},
    {"{" + tensor("a", "[1]", 0, 4) + "," + tensor("b", "[2]", 0, 8) + "}", "does not begin where"},
    {"{" + tensor("a", "[2]", 0, 4) + "}", "do not fit its shape"},
    {"{" + tensor("a", "[1]", 0, 4) + "," + tensor("b", "[1]", 4, 0) + "}", "do not fit its shape"},
    // 4 * (2^62 - 1) bytes is 0 - 4 modulo 2^64: b would take a's place back, and c overlap it.
    {"{" + tensor("a", "[1]", 0, 4) + "," + tensor("b", "[4611686018427387903]", 4, 0) + "," +
         tensor("c", "[2]", 0, 8) + "}",
     "do not fit its shape"},
    {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}})", "fewer than two data offsets"},
    {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}})", "more than two data offsets"},
    {"{" + tensor("a", "[3]", 0, 12) + "}", "ends beyond the end of the file"},
    {"{" + tensor("a", "[1]", 0, 4) + "}", "bytes after its last tensor"},
    {R"({"__metadata__":[],)" + kGood + "}", "metadata is not a JSON object"},
    {R"({"__metadata__":"x",)" + kGood + "}", "metadata is not a JSON object"},
    {R"({"__metadata__":{"x":1},)" + kGood + "}", "something other than text"},
    {R"({"__metadata__":{"x":{}},)" + kGood + "}", "something other than text"},
    {R"({"__metadata__":{"x":"1","x":"2"},)" + kGood + "}", "a key twice"},
    {R"({"__metadata__":{},"__metadata__":{},)" + kGood + "}", "__metadata__ is there twice"},
};

BOOST_DATA_TEST_CASE(a_bad_header_is_refused_with_its_reason, data::make(kBadHeaders), bad) {
  BOOST_TEST_REQUIRE(reading("{" + kGood + "}", 8) == "read");
  const auto why = reading(bad.header, 8);
  BOOST_TEST(contains(why, bad.reason), "refused with: " << why);
}

BOOST_AUTO_TEST_CASE(a_peer_may_only_send_the_canonical_bytes_of_the_schema) {
  BOOST_TEST(outcome(read_peer_snapshot(write_snapshot(kSmall, kValues), kSmall)) == "read");

  Schema transposed = kSmall;
  transposed.tensors[1].shape = {3, 2};
  BOOST_TEST(contains(outcome(read_peer_snapshot(write_snapshot(transposed, kValues), kSmall)),
                      "its header is not the one"));

  const auto tagged = write_snapshot(kSmall, kValues, {{"tag", "x"}});
  BOOST_TEST_REQUIRE(outcome(read_snapshot(tagged)) == "read");
  BOOST_TEST(contains(outcome(read_peer_snapshot(tagged, kSmall)), "where this task's are"));

  // The same tensors and size in other words: good JSON, but not the canonical bytes.
  const auto canonical = write_snapshot(kSmall, kValues);
  auto respelled = canonical;
  std::string header(reinterpret_cast<const char*>(respelled.data()) + 8, respelled.size() - 40);
  BOOST_TEST_REQUIRE(header.back() == ' ');
  header = header.substr(0, 1) + " " + header.substr(1, header.size() - 2);
  std::memcpy(respelled.data() + 8, header.data(), header.size());
  BOOST_TEST_REQUIRE(outcome(read_snapshot(respelled)) == "read");
  BOOST_TEST(contains(outcome(read_peer_snapshot(respelled, kSmall)), "its header is not the one"));
}

BOOST_AUTO_TEST_CASE(any_flipped_bit_in_the_header_of_a_peers_snapshot_is_refused) {
  auto file = write_snapshot(kSmall, kValues);
  for (std::size_t at = 0; at < file.size() - 32; ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      file[at] ^= std::byte{1} << bit;
      BOOST_TEST(outcome(read_peer_snapshot(file, kSmall)) != "read", at << " bit " << bit);
      file[at] ^= std::byte{1} << bit;
    }
  }
}

BOOST_DATA_TEST_CASE(a_peers_value_that_is_not_finite_is_refused_wherever_it_is,
                     data::make({std::numeric_limits<float>::quiet_NaN(),
                                 std::numeric_limits<float>::infinity(),
                                 -std::numeric_limits<float>::infinity()}) *
                         data::xrange(std::size_t{8}),
                     value, index) {
  const auto file = small_with(index, value);
  BOOST_TEST(outcome(read_snapshot(file)) == "read");  // our own may hold anything
  BOOST_TEST(contains(outcome(read_peer_snapshot(file, kSmall)), "not a finite number"));
}

BOOST_AUTO_TEST_CASE(the_largest_and_smallest_floats_are_finite) {
  for (const float value : {std::numeric_limits<float>::max(), std::numeric_limits<float>::lowest(),
                            std::numeric_limits<float>::denorm_min()}) {
    BOOST_TEST(outcome(read_peer_snapshot(small_with(3, value), kSmall)) == "read");
  }
}

BOOST_AUTO_TEST_CASE(a_schema_that_no_file_can_have_is_named_and_not_written) {
  const std::uint64_t huge = std::uint64_t{1} << 61;
  const std::vector<std::pair<Schema, std::string>> bad = {
      {{}, "no tensors"},
      {{{{"", {1}}}}, "empty name"},
      {{{{"__metadata__", {1}}}}, "reserves"},
      {{{{"a\x7f", {1}}}}, "not printable ASCII"},
      {{{{"b", {1}}, {"a", {1}}}}, "order of the names"},
      {{{{"a", {1}}, {"a", {1}}}}, "twice"},
      {{{{"a", {0}}}}, "dimension of zero"},
      {{{{"a", {huge, 8}}}}, "does not fit"},
      {{{{"a", {huge}}, {"b", {huge}}}}, "size of all tensors"},
      {{{{"a", {1, 1, 1, 1, 1, 1, 1, 1, 1}}}}, "more than 8 dimensions"},
  };
  for (const auto& [schema, reason] : bad) {
    BOOST_TEST_REQUIRE(problem(schema).has_value(), reason);
    BOOST_TEST(contains(*problem(schema), reason), *problem(schema));
    BOOST_CHECK_THROW((void)write_snapshot(schema, kValues), std::invalid_argument);
  }
  Schema many;
  for (unsigned index = 0; index < 20'000; ++index) {
    many.tensors.push_back({std::to_string(100'000 + index), {1}});
  }
  BOOST_TEST(contains(problem(many).value_or(""), "header would be longer"));
}

BOOST_AUTO_TEST_CASE(nothing_unreadable_can_be_written) {
  const std::span<const float> fewer(kValues.data(), 7);
  BOOST_CHECK_THROW((void)write_snapshot(kSmall, fewer), std::invalid_argument);
  BOOST_CHECK_THROW((void)write_snapshot(kSmall, kValues, {{"k", "\xff"}}), std::invalid_argument);
  const Metadata too_much{{"k", std::string(SnapshotLimits::header, 'x')}};
  BOOST_CHECK_THROW((void)write_snapshot(kSmall, kValues, too_much), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(values_are_read_from_unaligned_bytes) {
  const auto file = write_snapshot(kSmall, kValues);
  Bytes shifted(file.size() + 1);
  std::ranges::copy(file, shifted.begin() + 1);
  const auto read = read_peer_snapshot(kith::ByteView(shifted).subspan(1), kSmall);
  BOOST_REQUIRE_EQUAL(outcome(read), "read");
  BOOST_TEST(std::get<Snapshot>(read).copy_values() == kValues, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace snapshot_test
