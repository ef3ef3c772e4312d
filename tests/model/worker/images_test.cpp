#include "model/data/images.hpp"

#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <numeric>
#include <string>

namespace images_test {

using namespace kith::data;
using kith::test::TemporaryDirectory;

Images picture(std::size_t height, std::size_t width, std::vector<std::uint8_t> pixels) {
  return {.count = 1, .channels = 1, .height = height, .width = width, .pixels = std::move(pixels)};
}

std::string complaint(const std::filesystem::path& images, const std::filesystem::path& labels) {
  try {
    static_cast<void>(read_examples(images, labels));
  } catch (const DataError& error) {
    return error.what();
  }
  return "nothing";
}

BOOST_AUTO_TEST_SUITE(images_tests)

BOOST_AUTO_TEST_CASE(a_quarter_turn_is_counter_clockwise_and_exact) {
  const Images before = picture(3, 3,
                                {1, 2, 3,  //
                                 4, 5, 6,  //
                                 7, 8, 9});
  const Images after = picture(3, 3,
                               {3, 6, 9,  //
                                2, 5, 8,  //
                                1, 4, 7});
  BOOST_TEST((rotate(before, 90) == after));
  BOOST_TEST((rotate(after, -90) == before));
  BOOST_TEST((rotate(after, 270) == before));
}

BOOST_AUTO_TEST_CASE(four_quarter_turns_and_no_turn_change_nothing) {
  std::vector<std::uint8_t> pixels(2 * 3 * 28 * 28);
  std::iota(pixels.begin(), pixels.end(), std::uint8_t{0});
  const Images before{.count = 2, .channels = 3, .height = 28, .width = 28, .pixels = pixels};
  BOOST_TEST((rotate(before, 0) == before));
  BOOST_TEST((rotate(before, 360) == before));
  BOOST_TEST((rotate(rotate(before, 180), 180) == before));
  BOOST_TEST((rotate(rotate(rotate(rotate(before, 90), 90), 90), 90) == before));
  BOOST_TEST((rotate(before, 90) != before));
}

BOOST_AUTO_TEST_CASE(half_a_quarter_turn_mixes_neighbours_and_takes_nothing_from_outside) {
  const Images turned = rotate(picture(3, 3, {0, 0, 0, 0, 100, 200, 0, 0, 0}), 45);
  const double near = std::sqrt(0.5);
  BOOST_TEST(turned.pixels[4] == 100);
  // Top right comes from (x, y) = (1 + sqrt 2, 1), outside: 1 - (sqrt 2 - 1) of the pixel at (2,
  // 1).
  BOOST_TEST(turned.pixels[2] == std::lround((1 - (2 * near - 1)) * 200));
  // Right comes from (1 + near, 1 + near), between (1,1), (2,1), (1,2) and (2,2).
  BOOST_TEST(turned.pixels[5] ==
             std::lround((1 - near) * (1 - near) * 100 + near * (1 - near) * 200));
}

BOOST_AUTO_TEST_CASE(examples_survive_the_disk_with_one_channel_and_with_three) {
  const TemporaryDirectory directory;
  for (const std::size_t channels : {1U, 3U}) {
    Examples examples;
    examples.images = {.count = 2, .channels = channels, .height = 2, .width = 1, .pixels = {}};
    examples.images.pixels.resize(2 * examples.images.size_of_one());
    std::iota(examples.images.pixels.begin(), examples.images.pixels.end(), std::uint8_t{7});
    examples.labels = {3, 1};
    write_examples(examples, directory / "images", directory / "labels");
    BOOST_TEST((read_examples(directory / "images", directory / "labels") == examples));
  }
}

BOOST_AUTO_TEST_CASE(select_takes_images_with_their_labels) {
  const Examples all{
      .images = {.count = 3, .channels = 1, .height = 1, .width = 2, .pixels = {1, 2, 3, 4, 5, 6}},
      .labels = {10, 20, 30}};
  const std::size_t indices[] = {2, 0};
  const Examples chosen = select(all, indices);
  BOOST_TEST((chosen.images.pixels == std::vector<std::uint8_t>{5, 6, 1, 2}));
  BOOST_TEST((chosen.labels == Labels{30, 10}));
  BOOST_TEST(chosen.images.count == 2U);
}

BOOST_AUTO_TEST_CASE(files_that_do_not_belong_together_are_refused) {
  const TemporaryDirectory directory;
  write_idx(directory / "two", {{2, 1, 1}, {0, 0}});
  write_idx(directory / "three", {{3}, {0, 0, 0}});
  write_idx(directory / "pair", {{2}, {0, 0}});
  BOOST_TEST(complaint(directory / "two", directory / "pair") == "nothing");
  BOOST_TEST(complaint(directory / "two", directory / "three").find("2 images but") !=
             std::string::npos);
  BOOST_TEST(complaint(directory / "pair", directory / "two").find("interchanged") !=
             std::string::npos);
  BOOST_TEST(complaint(directory / "two", directory / "two").find("no labels") !=
             std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace images_test
