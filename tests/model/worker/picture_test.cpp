#include "model/data/picture.hpp"

#include "model/data/dataset.hpp"
#include "model/data/draft.hpp"
#include "model/data/unlabelled.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <sys/stat.h>
#include <turbojpeg.h>
#include <unistd.h>
#include <zlib.h>

namespace picture_test {

using namespace kith;
using namespace kith::data;
using namespace std::string_literals;
using test::TemporaryDirectory;
using Bytes8 = std::vector<std::uint8_t>;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string big_endian(std::uint32_t value) {
  std::string bytes;
  for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(value >> shift & 0xff);
  return bytes;
}

std::string chunk(const std::string& type, const std::string& data) {
  const std::string both = type + data;
  const auto sum =
      crc32(0, reinterpret_cast<const Bytef*>(both.data()), static_cast<uInt>(both.size()));
  return big_endian(static_cast<std::uint32_t>(data.size())) + both +
         big_endian(static_cast<std::uint32_t>(sum));
}

/// `kind`: 0 gray, 2 colour, 3 palette, 6 colour with transparency.
std::string png(unsigned width, unsigned height, char depth, char kind, const std::string& rows,
                const std::string& palette = "") {
  std::string lines;
  const std::size_t stride = rows.size() / height;
  for (unsigned y = 0; y < height; ++y) lines += "\0"s + rows.substr(y * stride, stride);
  uLongf size = compressBound(lines.size());
  std::string packed(size, '\0');
  compress(reinterpret_cast<Bytef*>(packed.data()), &size,
           reinterpret_cast<const Bytef*>(lines.data()), lines.size());
  packed.resize(size);
  return "\x89PNG\r\n\x1a\n" +
         chunk("IHDR", big_endian(width) + big_endian(height) + depth + kind + "\0\0\0"s) +
         (palette.empty() ? "" : chunk("PLTE", palette)) + chunk("IDAT", packed) +
         chunk("IEND", "");
}

std::string jpeg(int width, int height, std::uint8_t red) {
  Bytes8 rgb;
  for (int i = 0; i < width * height; ++i) rgb.insert(rgb.end(), {red, 50, 50});
  const tjhandle handle = tjInitCompress();
  unsigned char* made = nullptr;
  unsigned long size = 0;
  tjCompress2(handle, rgb.data(), width, 0, height, TJPF_RGB, &made, &size, TJSAMP_444, 95, 0);
  std::string bytes(reinterpret_cast<const char*>(made), size);
  tjFree(made);
  tjDestroy(handle);
  return bytes;
}

Picture decoded(const std::string& file) {
  auto result = decode_picture(as_byte_view(file));
  const auto* const why = std::get_if<std::string>(&result);
  BOOST_REQUIRE_MESSAGE(why == nullptr, *why);
  return std::get<Picture>(std::move(result));
}

std::string refused(const std::string& file, std::size_t most = kMaxPixels) {
  const auto result = decode_picture(as_byte_view(file), most);
  const auto* const why = std::get_if<std::string>(&result);
  return why != nullptr ? *why : "";
}

struct Folder {
  TemporaryDirectory folder;
  void write(const std::string& name, const std::string& bytes) const {
    std::filesystem::create_directories((folder / name).parent_path());
    write_file(folder / name, as_byte_view(bytes));
  }
  /// Some pictures of cats (bright) and dogs (dark).
  void animals(unsigned count) const {
    for (unsigned i = 0; i < count; ++i) {
      const std::string number = std::to_string(i);
      write("all/cat/" + number + ".png",
            png(2, 2, 8, 0, std::string(4, static_cast<char>(200 + i))));
      write("all/dog/" + number + ".PNG", png(2, 2, 8, 0, std::string(4, static_cast<char>(i))));
    }
  }
};

model::Task task_of(std::vector<unsigned> input) {
  model::Task task;
  task.name = "animals";
  task.model = "cnn";
  task.sizes = {2};
  task.input = std::move(input);
  task.classes = 2;
  return task;
}

Dataset read(std::vector<std::filesystem::path> files, const model::Task& task) {
  model::DataFiles given;
  given.train = std::move(files);
  given.min_validation = 1;
  return read_dataset(given, task, 10);
}

std::string complaint(std::vector<std::filesystem::path> files, const model::Task& task) {
  try {
    static_cast<void>(read(std::move(files), task));
  } catch (const DataError& error) {
    return error.what();
  }
  return "none";
}

BOOST_AUTO_TEST_SUITE(picture_tests)

BOOST_AUTO_TEST_CASE(every_kind_of_png_is_decoded) {
  BOOST_TEST(decoded(png(2, 1, 8, 0, "\x10\xf0")).rgb == (Bytes8{16, 16, 16, 240, 240, 240}));
  BOOST_TEST(decoded(png(2, 1, 8, 0, "\x10\xf0")).gray);
  BOOST_TEST(decoded(png(2, 1, 8, 2, "\1\2\3\4\5\6")).rgb == (Bytes8{1, 2, 3, 4, 5, 6}));
  BOOST_TEST(!decoded(png(2, 1, 8, 2, "\1\2\3\4\5\6")).gray);
  BOOST_TEST(decoded(png(2, 1, 8, 6, "\1\2\3\xff\4\5\6\0"s)).rgb == (Bytes8{1, 2, 3, 4, 5, 6}));
  BOOST_TEST(decoded(png(2, 1, 16, 0, "\xff\xff\x80\x80")).rgb ==
             (Bytes8{255, 255, 255, 128, 128, 128}));
  BOOST_TEST(decoded(png(2, 1, 2, 3, "\x10", "\x0a\x14\x1e\x28\x32\x3c")).rgb ==
             (Bytes8{10, 20, 30, 40, 50, 60}));
}

BOOST_AUTO_TEST_CASE(jpeg_is_decoded) {
  const Picture picture = decoded(jpeg(8, 4, 200));
  BOOST_TEST(picture.width == 8U);
  BOOST_TEST(picture.height == 4U);
  BOOST_TEST(!picture.gray);
  BOOST_TEST(std::abs(picture.rgb[0] - 200) < 8);
  BOOST_TEST(std::abs(picture.rgb[1] - 50) < 8);
}

BOOST_AUTO_TEST_CASE(what_is_cut_short_too_large_or_no_picture_is_refused) {
  const std::string whole = png(64, 64, 8, 0, std::string(64 * 64, 'x'));
  BOOST_TEST(contains(refused(whole.substr(0, whole.size() - 30)), "cannot be decoded"));
  const std::string photo = jpeg(64, 64, 200);
  BOOST_TEST(contains(refused(photo.substr(0, photo.size() - 40)), "cannot be decoded"));
  BOOST_TEST(contains(refused(whole, 1000), "is 64 x 64 pixels, which is too large"));
  BOOST_TEST(contains(refused(photo, 1000), "is 64 x 64 pixels, which is too large"));
  BOOST_TEST(contains(refused("GIF89a"), "is neither PNG nor JPEG"));
  BOOST_TEST(contains(refused(""), "is neither PNG nor JPEG"));
}

BOOST_AUTO_TEST_CASE(a_picture_of_the_same_size_stays_and_another_is_the_mean_of_its_area) {
  const Picture picture = decoded(png(4, 2, 8, 0, "\0\x64\xc8\xff\0\x64\xc8\xff"s));
  const auto same = fitted(picture, 1, 2, 4);
  BOOST_TEST(same[0] == -1.0F);
  BOOST_TEST(same[1] == 100 / 127.5F - 1);
  BOOST_TEST(same[7] == 1.0F);
  const auto half = fitted(picture, 3, 1, 2);
  BOOST_TEST_REQUIRE(half.size() == 6U);
  BOOST_TEST(std::abs(half[0] - (50 / 127.5F - 1)) < 1e-6);
  BOOST_TEST(std::abs(half[1] - (227.5F / 127.5F - 1)) < 1e-6);
  BOOST_TEST(half[4] == half[0]);
  const auto third = fitted(picture, 1, 1, 3);
  BOOST_TEST(std::abs(third[0] - (25 / 127.5F - 1)) < 1e-6);  // (0 + 100/3) / (4/3)
  const auto large = fitted(picture, 1, 4, 8);
  BOOST_TEST(large[0] == large[1]);
  BOOST_TEST(large[2] == same[1]);
}

/// A JPEG of 16 x 8 pixels, red on the left and dark on the right, that says how it lies; `order` is "II"
/// or "MM".
std::string turned_jpeg(char orientation, const std::string& order = "MM") {
  Bytes8 rgb;
  for (int i = 0; i < 16 * 8; ++i) {
    rgb.insert(rgb.end(), {static_cast<std::uint8_t>(i % 16 < 8 ? 240 : 10), 10, 10});
  }
  const tjhandle handle = tjInitCompress();
  unsigned char* made = nullptr;
  unsigned long size = 0;
  tjCompress2(handle, rgb.data(), 16, 0, 8, TJPF_RGB, &made, &size, TJSAMP_444, 95, 0);
  std::string bytes(reinterpret_cast<const char*>(made), size);
  tjFree(made);
  tjDestroy(handle);
  const std::string value(1, orientation);
  const std::string tiff =
      order == "MM" ? "MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0"s + value + "\0\0\0\0\0\0"s
                    : "II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0"s + value + "\0\0\0\0\0\0\0"s;
  const std::string segment = "Exif\0\0"s + tiff;
  const std::string exif =
      "\xff\xe1"s + '\0' + static_cast<char>(segment.size() + 2) + segment;
  return bytes.substr(0, 2) + exif + bytes.substr(2);
}

BOOST_AUTO_TEST_CASE(a_photo_is_turned_upright) {
  const auto bright = [](const Picture& picture, std::size_t x, std::size_t y) {
    return picture.rgb[(y * picture.width + x) * 3] > 120;
  };
  // Where red lies then: left, right, right, left, top, top, bottom, bottom.
  constexpr std::array<const char*, 9> where{"", "left", "right", "right", "left", "top", "top", "bottom", "bottom"};
  for (char orientation = 1; orientation <= 8; ++orientation) {
    for (const char* const order : {"MM", "II"}) {
      const Picture picture = decoded(turned_jpeg(orientation, order));
      const std::string side = where.at(static_cast<std::size_t>(orientation));
      const bool lying = side == "left" || side == "right";
      BOOST_TEST_REQUIRE(picture.width == (lying ? 16U : 8U));
      BOOST_TEST_REQUIRE(picture.height == (lying ? 8U : 16U));
      const std::size_t right = picture.width - 1, bottom = picture.height - 1;
      BOOST_TEST(bright(picture, 0, 0) == (side == "left" || side == "top"));
      BOOST_TEST(bright(picture, right, 0) == (side == "right" || side == "top"));
      BOOST_TEST(bright(picture, 0, bottom) == (side == "left" || side == "bottom"));
      BOOST_TEST(bright(picture, right, bottom) == (side == "right" || side == "bottom"));
    }
  }
  BOOST_TEST(decoded(turned_jpeg(0)).width == 16U);
  BOOST_TEST(decoded(turned_jpeg(9)).width == 16U);
}

BOOST_AUTO_TEST_CASE(pictures_of_a_patient_are_on_one_side_and_files_of_the_system_do_not_count) {
  const Folder files;
  for (unsigned patient = 0; patient < 12; ++patient) {
    for (unsigned i = 0; i < 4; ++i) {
      const std::string name = "p" + std::to_string(patient) + "-" + std::to_string(i) + ".png";
      files.write("all/" + std::string(patient % 2 == 0 ? "ill/" : "well/") + name,
                  png(2, 2, 8, 0, std::string(3, static_cast<char>(i)) + static_cast<char>(patient)));
    }
  }
  files.write("all/ill/Thumbs.db", "x");
  files.write("all/well/.DS_Store", "x");
  files.write("all/desktop.ini", "x");
  model::DataFiles given;
  given.train = {files.folder / "all"};
  given.min_validation = 1;
  for (const char* const pattern : {"p([0-9]+)-", "p[0-9]+"}) {
    given.group_pattern = pattern;
    const Dataset dataset = read_dataset(given, task_of({1, 2, 2}), 10);
    BOOST_TEST(dataset.train.count() + dataset.validation.count() == 48U);
    std::map<float, int> sides;
    for (std::size_t i = 0; i < dataset.train.count(); ++i) sides[dataset.train.inputs[4 * i + 3]] |= 1;
    for (std::size_t i = 0; i < dataset.validation.count(); ++i) {
      sides[dataset.validation.inputs[4 * i + 3]] |= 2;
    }
    BOOST_TEST(sides.size() == 12U);
    for (const auto& [patient, side] : sides) BOOST_TEST(side != 3, patient);
    BOOST_TEST((dataset.noticed.ignored == std::set<std::string>{".DS_Store", "Thumbs.db", "desktop.ini"}));
    BOOST_TEST(sentences(dataset.noticed).back() ==
               "files of the system in the folders do not count: .DS_Store, Thumbs.db, desktop.ini");
  }
  given.group_pattern = "patient";
  try {
    static_cast<void>(read_dataset(given, task_of({1, 2, 2}), 10));
    BOOST_ERROR("was read");
  } catch (const DataError& error) {
    BOOST_TEST(contains(error.what(), "finds nothing in ill/p0-0.png"));
  }
}

BOOST_AUTO_TEST_CASE(a_folder_has_a_folder_for_each_class) {
  const Folder files;
  files.animals(20);
  files.write("all/.hidden", "x");
  const Dataset dataset = read({files.folder / "all"}, task_of({1, 2, 2}));
  BOOST_TEST(dataset.train.count() + dataset.validation.count() == 40U);
  for (std::size_t i = 0; i < dataset.train.count(); ++i) {
    BOOST_TEST((dataset.train.inputs[4 * i] > 0) == (dataset.train.targets[i] == 0));
  }
  BOOST_TEST(dataset.noticed.files.at(0).format == "classes 0 = cat, 1 = dog");
  BOOST_TEST(dataset.noticed.resized == 0U);
}

BOOST_AUTO_TEST_CASE(the_task_may_name_the_classes_and_pictures_of_other_sizes_are_counted) {
  const Folder files;
  files.animals(20);
  files.write("all/dog/photo.jpeg", jpeg(8, 8, 100));
  model::Task task = task_of({1, 2, 2});
  task.labels = {"dog", "cat"};
  BOOST_TEST(!model::problem(task).has_value());
  const Dataset dataset = read({files.folder / "all"}, task);
  BOOST_TEST(dataset.train.count() + dataset.validation.count() == 41U);
  BOOST_TEST(dataset.noticed.resized == 1U);
  BOOST_TEST(dataset.noticed.recoloured == 1U);
  BOOST_TEST(dataset.noticed.files.at(0).format == "classes 0 = dog, 1 = cat");
}

BOOST_AUTO_TEST_CASE(a_table_may_name_the_pictures_of_a_folder) {
  const Folder files;
  files.animals(20);
  std::string table = "id,label,file\n";
  for (int i = 0; i < 20; ++i) {
    table += std::to_string(i) + ",tom,cat/" + std::to_string(i) + ".png\n" + std::to_string(i) +
             ",rex,\"dog/" + std::to_string(i) + ".PNG\"\n";
  }
  files.write("labels.csv", table);
  const Dataset dataset =
      read({files.folder / "labels.csv", files.folder / "all"}, task_of({1, 2, 2}));
  BOOST_TEST(dataset.noticed.files.at(0).format == "classes 0 = rex, 1 = tom");
  BOOST_TEST(dataset.train.count() + dataset.validation.count() == 40U);
  BOOST_TEST(
      contains(complaint({files.folder / "all", files.folder / "labels.csv"}, task_of({1, 2, 2})),
               "must be followed by the folder"));
  files.write("labels.csv", table + "20,rex\n");
  BOOST_TEST(
      contains(complaint({files.folder / "labels.csv", files.folder / "all"}, task_of({1, 2, 2})),
               "labels.csv: line 42 has 2 cells"));
  files.write("labels.csv", table + "20,rex,dog/99.png\n");
  BOOST_TEST(
      contains(complaint({files.folder / "labels.csv", files.folder / "all"}, task_of({1, 2, 2})),
               "dog/99.png: No such file"));
}

BOOST_AUTO_TEST_CASE(folders_that_do_not_fit_the_task_are_explained) {
  const Folder files;
  files.animals(4);
  const auto all = files.folder / "all";
  model::Task three = task_of({1, 2, 2});
  three.classes = 3;
  BOOST_TEST(contains(complaint({all}, three), "has pictures of 2 classes, but task.classes is 3"));
  three.labels = {"cat", "cow", "hen"};
  BOOST_TEST(contains(complaint({all}, three), "is of the class \"dog\", which is none of"));
  BOOST_TEST(contains(complaint({all}, task_of({2, 2, 2})), "1 or 3 channels"));
  BOOST_TEST(contains(complaint({all / "cat"}, task_of({1, 2, 2})),
                      "holds pictures, but a folder for each"));
  files.write("empty/readme.txt", "x");
  BOOST_TEST(contains(complaint({files.folder / "empty"}, task_of({1, 2, 2})),
                      "holds no folder with pictures"));
  files.write("all/dog/cut.png", png(2, 2, 8, 0, "abcd").substr(0, 50));
  BOOST_TEST(contains(complaint({all}, task_of({1, 2, 2})), "dog/cut.png cannot be decoded"));
  std::filesystem::remove(all / "dog/cut.png");
  files.write("all/dog/notes.txt", "x");
  BOOST_TEST(contains(complaint({all}, task_of({1, 2, 2})), "notes.txt is neither .png nor .jpg"));
}

BOOST_AUTO_TEST_CASE(a_file_that_may_not_be_read_is_named) {
  if (geteuid() == 0) return;  // root may
  const Folder files;
  files.animals(4);
  chmod((files.folder / "all/cat/0.png").c_str(), 0);
  BOOST_TEST(
      contains(complaint({files.folder / "all"}, task_of({1, 2, 2})), "0.png: Permission denied"));
}

BOOST_AUTO_TEST_CASE(a_task_is_drafted_from_folders) {
  const Folder files;
  for (int i = 0; i < 9; ++i) {
    const auto bytes = png(30, 20, 8, 0, std::string(600, static_cast<char>(i)));
    files.write((i % 3 == 0 ? "all/ill/" : "all/well/") + std::to_string(i) + ".png", bytes);
  }
  files.write("more/odd/1.png", png(30, 20, 8, 0, std::string(600, 'x')));
  Draft draft = draft_pictures(std::vector<std::filesystem::path>{files.folder / "all", files.folder / "more"});
  BOOST_TEST(draft.task.labels == (std::vector<std::string>{"ill", "odd", "well"}));
  BOOST_TEST(draft.task.input == (std::vector<unsigned>{1, 20, 28}));
  BOOST_TEST(draft.task.model == "cnn");
  BOOST_TEST(draft.examples == 10U);
  draft.task.name = "drafted";
  BOOST_TEST(!model::problem(draft.task).has_value());
  files.write("all/ill/photo.jpg", jpeg(200, 100, 9));
  draft = draft_pictures(std::vector<std::filesystem::path>{files.folder / "all"});
  BOOST_TEST(draft.task.input[0] == 3U);
}

BOOST_AUTO_TEST_CASE(a_flat_folder_or_one_with_classes_can_be_predicted_for_file_by_file) {
  Folder site;
  site.animals(2);
  site.write("flat/b.png", png(2, 2, 8, 0, std::string(4, '\0')));
  site.write("flat/a.png", png(2, 2, 8, 0, std::string(4, '\xff')));
  site.write("flat/.DS_Store", "x");
  std::vector<std::string> names;
  std::vector<float> inputs;
  const auto take = [&](const UnlabelledRows& rows) {
    names.insert(names.end(), rows.names.begin(), rows.names.end());
    inputs.insert(inputs.end(), rows.inputs.begin(), rows.inputs.end());
  };
  const model::Task task = task_of({1, 2, 2});
  read_unlabelled({site.folder / "flat"}, task, 1, take);
  BOOST_TEST(names == (std::vector<std::string>{(site.folder / "flat/a.png").string(),
                                                (site.folder / "flat/b.png").string()}),
             boost::test_tools::per_element());
  BOOST_TEST(inputs == (std::vector<float>{1, 1, 1, 1, -1, -1, -1, -1}),
             boost::test_tools::per_element());
  names.clear();
  read_unlabelled({site.folder / "all", site.folder / "flat/b.png"}, task, 3, take);
  BOOST_TEST(names.size() == 5U);
  site.write("flat/notes.txt", "x");
  BOOST_CHECK_THROW(read_unlabelled({site.folder / "flat"}, task, 1, take), DataError);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace picture_test
