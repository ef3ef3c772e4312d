#include "model/data/scratch.hpp"

#include "model/data/dataset.hpp"
#include "model/data/file.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <csignal>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

namespace scratch_test {

using namespace kith;
using namespace kith::data;

/// A file for whatever takes more than so many bytes, while this lives.
struct Scratch {
  explicit Scratch(std::size_t above) { use_scratch(file, above); }
  ~Scratch() {
    use_scratch(-1, 0);
    ::close(file);
  }
  Scratch(const Scratch&) = delete;
  [[nodiscard]] std::uint64_t used() const {
    struct stat status {};
    ::fstat(file, &status);
    return static_cast<std::uint64_t>(status.st_blocks) * 512;
  }
  test::TemporaryDirectory folder;
  int file = open_scratch(folder.path());
};

BOOST_AUTO_TEST_SUITE(scratch_tests)

BOOST_AUTO_TEST_CASE(what_is_large_lies_in_the_file_and_leaves_it_again) {
  const Scratch scratch(1 << 16);
  BOOST_REQUIRE(scratch.file >= 0);
  BOOST_TEST(std::filesystem::is_empty(scratch.folder.path()));  // it has no name
  {
    const Inputs small(1000, 1);
    BOOST_TEST(scratch.used() == 0U);
    Inputs large(100'000, 2);
    BOOST_TEST(scratch.used() >= 400'000U);
    for (int i = 0; i < 100'000; ++i) large.push_back(static_cast<float>(i));
    BOOST_TEST(large[99'999] == 2);
    BOOST_TEST(large[199'999] == 99'999);
    const Inputs moved = std::move(large);
    BOOST_TEST(moved.size() == 200'000U);
  }
  BOOST_TEST(scratch.used() == 0U);
}

BOOST_AUTO_TEST_CASE(a_full_disk_is_told_before_anything_is_written) {
  const Scratch scratch(0);
  rlimit usual{};
  BOOST_REQUIRE(::getrlimit(RLIMIT_FSIZE, &usual) == 0);
  ::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1 << 20, usual.rlim_max};
  BOOST_REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  BOOST_CHECK_EXCEPTION(Inputs(1 << 20), DataError, [](const DataError& error) {
    return std::string(error.what()).starts_with("the examples take 4 MiB, too much for memory");
  });
  ::setrlimit(RLIMIT_FSIZE, &usual);
}

/// A table whose rows tell who they are.
Dataset read(const std::filesystem::path& folder) {
  std::string rows = "a,b,sick\n";
  for (int i = 0; i < 3000; ++i) {
    rows += std::to_string(i) + "," + std::to_string(i % 7) + "," + std::to_string(i % 2) + "\n";
  }
  write_file(folder / "train.csv", as_byte_view(rows));
  using Kind = model::Column::Kind;
  model::Task task;
  task.columns = {{.name = "a", .kind = Kind::number, .low = 0, .high = 3000},
                  {.name = "b", .kind = Kind::number, .low = 0, .high = 7},
                  {.name = "sick", .kind = Kind::yes_no, .target = true}};
  task.classes = 2;
  model::DataFiles files;
  files.train = {folder / "train.csv"};
  return read_dataset(files, task, 100);
}

BOOST_AUTO_TEST_CASE(examples_are_the_same_in_memory_and_in_the_file) {
  const Scratch scratch(1 << 14);
  const Dataset there = read(scratch.folder.path());
  BOOST_TEST(scratch.used() > 0U);
  use_scratch(-1, 0);
  const Dataset here = read(scratch.folder.path());
  use_scratch(scratch.file, 1 << 14);
  BOOST_TEST(there.train.count() + there.validation.count() == 3000U);
  BOOST_TEST((there.train.inputs == here.train.inputs));
  BOOST_TEST((there.validation.inputs == here.validation.inputs));
  BOOST_TEST((there.train.targets == here.train.targets));
  BOOST_TEST(there.fingerprint == here.fingerprint);
  // Each row is still together, and where its place says.
  for (std::size_t i = 0; i < there.train.count(); ++i) {
    const auto place = static_cast<double>(there.train_places[i]);
    BOOST_TEST(std::abs(static_cast<double>(there.train.inputs[4 * i]) - (place / 1500 - 1)) < 1e-5);
    BOOST_TEST(there.train.targets[i] == static_cast<std::int64_t>(there.train_places[i] % 2));
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace scratch_test
