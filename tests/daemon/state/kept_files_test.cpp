#include "daemon/state/kept_files.hpp"

#include "daemon/system/disk.hpp"
#include "daemon/system/log.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <sstream>

namespace kept_files_test {

using namespace kith;
using namespace kith::daemon;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

struct Kept {
  test::TemporaryDirectory folder;
  net::asio::io_context io;
  DiskQueue disk{io};
  KeptFiles files{io, disk};
  std::ostringstream said;

  Kept() { log::configure(log::Level::error, log::Format::text, said); }
  ~Kept() {
    log::configure(log::Level::error, log::Format::text);
    files.stop();
    disk.end();
  }
  static Bytes bytes(std::string_view text) {
    const ByteView view = as_byte_view(text);
    return {view.begin(), view.end()};
  }
  void run_for(net::Duration time) {
    const auto busy = net::asio::make_work_guard(io);  // the disk's thread is at work
    io.restart();
    io.run_for(time);
  }
  std::string content(const fs::path& file) {
    run_for(200ms);
    return fs::exists(file) ? read_text(file, 1000) : "";
  }
};

BOOST_FIXTURE_TEST_SUITE(kept_files_tests, Kept)

BOOST_AUTO_TEST_CASE(newest_content_is_on_the_disk_soon) {
  const fs::path file = folder.path() / "file";
  for (const char* text : {"one", "two", "three"}) files.put(file, bytes(text));
  BOOST_TEST(content(file) == "three");
  BOOST_TEST(said.str() == "");
}

BOOST_AUTO_TEST_CASE(disk_that_refuses_is_tried_again_and_ends_nothing) {
  const fs::path file = folder.path() / "later" / "file";
  files.put(file, bytes("old"));
  files.put(file, bytes("new"));
  BOOST_TEST(content(file) == "");
  BOOST_TEST(said.str().find("file_not_kept") != std::string::npos);
  fs::create_directory(folder.path() / "later");
  files.put(folder.path() / "other", bytes("other"));
  BOOST_TEST(content(folder.path() / "other") == "other");
  run_for(11s);
  BOOST_TEST(content(file) == "new");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace kept_files_test
