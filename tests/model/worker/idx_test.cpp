#include "model/data/idx.hpp"

#include "tests/temporary_directory.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <fstream>
#include <iterator>
#include <string>
#include <zlib.h>

namespace idx_test {

using namespace kith;
using namespace kith::data;
using test::TemporaryDirectory;
using namespace std::string_literals;

const std::string kTwoByThree = "\0\0\x08\x02\0\0\0\x02\0\0\0\x03"s + "abcdef";

bool parses(const std::string& file) {
  return std::holds_alternative<Idx>(parse_idx(as_byte_view(file)));
}

void write(const std::filesystem::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

std::string read(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_gz(const std::filesystem::path& path, const std::string& content) {
  gzFile const out = gzopen(path.c_str(), "wb");
  gzwrite(out, content.data(), static_cast<unsigned>(content.size()));
  gzclose(out);
}

/// What read_idx() complains about.
std::string complaint(const std::filesystem::path& path, std::size_t max_bytes = kMaxFileBytes) {
  try {
    static_cast<void>(read_idx(path, max_bytes));
  } catch (const DataError& error) {
    return error.what();
  }
  return "nothing";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

BOOST_AUTO_TEST_SUITE(idx_tests)

BOOST_AUTO_TEST_CASE(a_small_file_is_read_as_written_by_hand) {
  const auto parsed = parse_idx(as_byte_view(kTwoByThree));
  const Idx expected{{2, 3}, {'a', 'b', 'c', 'd', 'e', 'f'}};
  BOOST_TEST((std::get<Idx>(parsed) == expected));
}

BOOST_AUTO_TEST_CASE(every_prefix_and_every_longer_file_is_refused) {
  for (std::size_t size = 0; size < kTwoByThree.size(); ++size) {
    BOOST_TEST(!parses(kTwoByThree.substr(0, size)), "prefix of " << size);
  }
  BOOST_TEST(parses(kTwoByThree));
  BOOST_TEST(!parses(kTwoByThree + "g"));
}

const std::string kNotIdx[] = {
    "\1\0\x08\x01\0\0\0\0"s,                                          // wrong magic
    "\0\0\x09\x01\0\0\0\0"s,                                          // signed bytes
    "\0\0\x08\x00"s,                                                  // no dimension
    "\0\0\x08\x05\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1x"s,         // five dimensions
    "\0\0\x08\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"s,  // product overflows
    // The product is 2^64, which is 0 in 64 bits, as many values as follow.
    "\0\0\x08\x04\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0"s,
};
BOOST_DATA_TEST_CASE(what_is_not_idx_is_refused, kNotIdx, file) { BOOST_TEST(!parses(file)); }

BOOST_AUTO_TEST_CASE(written_files_read_back_plain_and_compressed) {
  const TemporaryDirectory directory;
  const Idx idx{{3, 1, 2}, {0, 1, 127, 128, 254, 255}};
  write_idx(directory / "plain", idx);
  BOOST_TEST((read_idx(directory / "plain") == idx));
  write_gz(directory / "packed.gz", read(directory / "plain"));
  BOOST_TEST(read(directory / "packed.gz") != read(directory / "plain"));
  BOOST_TEST((read_idx(directory / "packed.gz") == idx));
}

BOOST_AUTO_TEST_CASE(a_missing_file_is_named) {
  const std::string what = complaint("/nowhere/images.gz");
  BOOST_TEST(contains(what, "/nowhere/images.gz"));
  BOOST_TEST(contains(what, "No such file"));
}

BOOST_AUTO_TEST_CASE(another_kind_of_file_is_refused_with_its_name) {
  const TemporaryDirectory directory;
  write(directory / "letter", "Dear Sirs");
  BOOST_TEST(contains(complaint(directory / "letter"), "letter is not an IDX file"));
}

BOOST_AUTO_TEST_CASE(a_compressed_file_cut_short_is_refused) {
  const TemporaryDirectory directory;
  write_gz(directory / "whole.gz", kTwoByThree);
  const std::string whole = read(directory / "whole.gz");
  write(directory / "part.gz", whole.substr(0, whole.size() - 9));
  BOOST_TEST(contains(complaint(directory / "part.gz"), "cut short"));
}

BOOST_AUTO_TEST_CASE(a_compressed_file_with_a_flipped_bit_is_refused) {
  const TemporaryDirectory directory;
  write_gz(directory / "whole.gz", kTwoByThree);
  std::string whole = read(directory / "whole.gz");
  whole[whole.size() - 7] ^= 1;  // in the checksum
  write(directory / "bad.gz", whole);
  BOOST_TEST(contains(complaint(directory / "bad.gz"), "damaged"));
}

BOOST_AUTO_TEST_CASE(a_directory_is_refused) {
  const TemporaryDirectory directory;
  BOOST_TEST(contains(complaint(directory.path()), "is a folder"));
}

BOOST_AUTO_TEST_CASE(a_small_file_that_swells_beyond_the_limit_is_refused) {
  const TemporaryDirectory directory;
  write_gz(directory / "bomb.gz", std::string(1 << 24, '\0'));
  BOOST_TEST(std::filesystem::file_size(directory / "bomb.gz") < 100'000U);
  BOOST_TEST(contains(complaint(directory / "bomb.gz", 1 << 22), "more than 4194304"));
  write_gz(directory / "fits.gz", kTwoByThree);
  BOOST_TEST(complaint(directory / "fits.gz", kTwoByThree.size()) == "nothing");
  BOOST_TEST(contains(complaint(directory / "fits.gz", kTwoByThree.size() - 1), "more than"));
}

BOOST_AUTO_TEST_CASE(a_full_disk_is_reported) {
  BOOST_CHECK_THROW(write_idx("/dev/full", {{1}, {7}}), DataError);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace idx_test
