#include "model/pipe/memfd.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <fcntl.h>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

namespace memfd_test {

using namespace kith;
using namespace kith::pipe;

std::string why_refused(const Fd& file, std::size_t max_size = 1000) {
  const auto opened = SealedMap::open(file, max_size);
  const auto* const why = std::get_if<std::string>(&opened);
  return why != nullptr ? *why : "";
}

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

BOOST_AUTO_TEST_SUITE(memfd_tests)

BOOST_AUTO_TEST_CASE(content_comes_out_as_it_went_in) {
  const std::string content(100'000, 'k');
  const Fd file = sealed_memfd("test", as_byte_view(content));
  const auto opened = SealedMap::open(file, content.size());
  const ByteView bytes = std::get<SealedMap>(opened).bytes();
  BOOST_TEST(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()) == content);
}

BOOST_AUTO_TEST_CASE(a_sealed_file_can_be_neither_written_nor_resized_nor_unsealed) {
  const Fd file = sealed_memfd("test", as_byte_view("content"));
  BOOST_TEST(pwrite(file.get(), "C", 1, 0) == -1);
  BOOST_TEST(ftruncate(file.get(), 3) == -1);
  BOOST_TEST(ftruncate(file.get(), 30) == -1);
  BOOST_TEST(fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK) == -1);
  BOOST_TEST(why_refused(file) == "");
}

BOOST_AUTO_TEST_CASE(a_file_that_lacks_one_seal_is_refused) {
  const int all = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
  for (const int missing : {F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE, F_SEAL_SEAL}) {
    const Fd file(memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    BOOST_REQUIRE(write(file.get(), "content", 7) == 7);
    BOOST_REQUIRE(fcntl(file.get(), F_ADD_SEALS, all & ~missing) == 0);
    BOOST_TEST(contains(why_refused(file), "not sealed"), "without seal " << missing);
  }
}

BOOST_AUTO_TEST_CASE(what_is_no_file_in_memory_is_refused) {
  std::string name = "/tmp/kith-test-XXXXXX";
  const Fd on_disk(mkstemp(name.data()));
  unlink(name.c_str());
  BOOST_TEST(write(on_disk.get(), "content", 7) == 7);
  BOOST_TEST(why_refused(on_disk) != "");
  BOOST_TEST(contains(why_refused(Fd(open("/dev/zero", O_RDONLY | O_CLOEXEC))), "memfd"));
  BOOST_TEST(contains(why_refused(Fd()), "memfd"));
}

BOOST_AUTO_TEST_CASE(size_is_checked_before_mapping) {
  BOOST_TEST(contains(why_refused(sealed_memfd("test", {})), "empty"));
  const Fd file = sealed_memfd("test", as_byte_view("content"));
  BOOST_TEST(why_refused(file, 7) == "");
  BOOST_TEST(contains(why_refused(file, 6), "more than the 6"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace memfd_test
