#include "model/pipe/pipe.hpp"

#include "model/pipe/breach.hpp"
#include "model/pipe/memfd.hpp"

#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

namespace pipe_test {

using namespace kith;
using namespace kith::pipe;

struct Ends {
  Ends() {
    auto [a, b] = make_pipe();
    left.emplace(std::move(a));
    right.emplace(std::move(b));
  }
  std::optional<Pipe> left, right;
};

std::string content(const Fd& file) {
  const auto opened = SealedMap::open(file, 1000);
  const ByteView bytes = std::get<SealedMap>(opened).bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::size_t open_files() {
  std::size_t count = 0;
  for (int fd = 0; fd < 256; ++fd) count += fcntl(fd, F_GETFD) != -1;
  return count;
}

void send_raw(int socket, const std::string& text, const std::vector<int>& files) {
  BOOST_REQUIRE(send_against_limits(socket, text, files));
}

BOOST_AUTO_TEST_SUITE(pipe_tests)

BOOST_AUTO_TEST_CASE(messages_keep_their_bounds_and_their_files) {
  Ends ends;
  BOOST_TEST(ends.left->send({"one", sealed_memfd("test", as_byte_view("first"))}));
  BOOST_TEST(ends.left->send({"two"}));
  BOOST_TEST(ends.left->send({"three", sealed_memfd("test", as_byte_view("third"))}));
  const auto one = ends.right->receive();
  const auto two = ends.right->receive();
  const auto three = ends.right->receive();
  BOOST_TEST(one->text == "one");
  BOOST_TEST(content(one->file) == "first");
  BOOST_TEST(two->text == "two");
  BOOST_TEST(!two->file);
  BOOST_TEST(three->text == "three");
  BOOST_TEST(content(three->file) == "third");
}

BOOST_AUTO_TEST_CASE(the_longest_message_passes) {
  Ends ends;
  const std::string longest(kMaxMessage, 'x');
  BOOST_TEST(ends.left->send({longest}));
  BOOST_TEST(ends.right->receive()->text == longest);
}

BOOST_AUTO_TEST_CASE(a_longer_message_counts_as_hanging_up) {
  Ends ends;
  send_raw(ends.left->native_handle(), std::string(kMaxMessage + 1, 'x'), {});
  send_raw(ends.left->native_handle(), "well-behaved", {});
  BOOST_TEST(!ends.right->receive());
  BOOST_TEST(ends.right->closed());
  BOOST_TEST(!ends.right->receive());
}

BOOST_AUTO_TEST_CASE(more_than_one_file_counts_as_hanging_up_and_leaks_none) {
  for (const std::size_t count : {2U, 3U, 20U}) {
    Ends ends;
    const std::size_t before = open_files();
    send_raw(ends.left->native_handle(), "greedy", std::vector<int>(count, 0));
    BOOST_TEST(!ends.right->receive());
    BOOST_TEST(ends.right->closed());
    BOOST_TEST(open_files() == before);
  }
}

BOOST_AUTO_TEST_CASE(hanging_up_is_seen_after_what_was_said_before) {
  Ends ends;
  BOOST_TEST(ends.left->send({"last words"}));
  ends.left.reset();
  BOOST_TEST(ends.right->receive()->text == "last words");
  BOOST_TEST(!ends.right->closed());
  BOOST_TEST(!ends.right->receive());
  BOOST_TEST(ends.right->closed());
}

BOOST_AUTO_TEST_CASE(sending_to_nobody_is_false_and_no_signal) {
  Ends ends;
  ends.right.reset();
  BOOST_TEST(!ends.left->send({"anyone?"}));
  BOOST_TEST(ends.left->closed());
}

BOOST_AUTO_TEST_CASE(trying_does_not_wait) {
  Ends ends;
  BOOST_TEST(!ends.right->try_receive());
  BOOST_TEST(!ends.right->closed());
  BOOST_TEST(ends.left->send({"now"}));
  BOOST_TEST(ends.right->try_receive()->text == "now");
  ends.left.reset();
  BOOST_TEST(!ends.right->try_receive());
  BOOST_TEST(ends.right->closed());
}

BOOST_AUTO_TEST_CASE(receive_waits_for_a_message) {
  Ends ends;
  std::thread sender([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    static_cast<void>(ends.left->send({"at last"}));
  });
  BOOST_TEST(ends.right->receive()->text == "at last");
  sender.join();
}

BOOST_AUTO_TEST_CASE(neither_ends_nor_received_files_survive_exec) {
  Ends ends;
  BOOST_TEST(ends.left->send({"file", sealed_memfd("test", as_byte_view("x"))}));
  const auto message = ends.right->receive();
  for (const int fd :
       {ends.left->native_handle(), ends.right->native_handle(), message->file.get()}) {
    BOOST_TEST((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pipe_test
