#include "model/data/cifar.hpp"

#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <string>

namespace cifar_test {

using namespace kith;
using namespace kith::data;

/// A record whose planes are all red, green or blue values of its own.
std::string record(const std::string& labels, char red, char green, char blue) {
  return labels + std::string(1024, red) + std::string(1024, green) + std::string(1024, blue);
}

BOOST_AUTO_TEST_SUITE(cifar_tests)

BOOST_AUTO_TEST_CASE(records_are_read_with_the_label_that_is_asked_for) {
  const std::string file = record("\x13\x63", 1, 2, 3) + record("\x02\x07", 4, 5, 6);
  const auto fine = std::get<Examples>(parse_cifar(as_byte_view(file), CifarLabel::fine));
  BOOST_TEST((fine.labels == Labels{99, 7}));
  BOOST_TEST(fine.images.count == 2U);
  BOOST_TEST(fine.images.size_of_one() == 3072U);
  BOOST_TEST(fine.images.pixels[0] == 1);
  BOOST_TEST(fine.images.pixels[1024] == 2);
  BOOST_TEST(fine.images.pixels[3071] == 3);
  BOOST_TEST(fine.images.pixels[3072] == 4);
  const auto coarse = std::get<Examples>(parse_cifar(as_byte_view(file), CifarLabel::coarse));
  BOOST_TEST((coarse.labels == Labels{19, 2}));
  BOOST_TEST((coarse.images == fine.images));
  const std::string ten = record("\x09", 1, 2, 3);
  const auto only = std::get<Examples>(parse_cifar(as_byte_view(ten), CifarLabel::only));
  BOOST_TEST((only.labels == Labels{9}));
  BOOST_TEST(only.images.pixels[3071] == 3);
}

BOOST_AUTO_TEST_CASE(a_file_that_is_not_whole_records_is_refused_by_name) {
  const test::TemporaryDirectory directory;
  const std::string cut = record("ab", 1, 2, 3).substr(1);
  BOOST_TEST(std::holds_alternative<std::string>(parse_cifar(as_byte_view(cut), CifarLabel::fine)));
  write_file(directory / "cut.bin", as_byte_view(cut));
  const auto says_why = [](const DataError& error) {
    const std::string what = error.what();
    return what.find("cut.bin") != std::string::npos && what.find("3074") != std::string::npos;
  };
  BOOST_CHECK_EXCEPTION(static_cast<void>(read_cifar(directory / "cut.bin", CifarLabel::fine)),
                        DataError, says_why);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace cifar_test
