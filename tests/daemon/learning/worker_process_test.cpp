#include "daemon/learning/worker_process.hpp"

#include "daemon/system/failure.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <optional>

namespace worker_process_test {

using namespace std::chrono_literals;
using namespace kith;
using namespace kith::daemon;
namespace asio = net::asio;

pipe::Open open_as(const std::string& behaviour) {
  pipe::Open open;
  open.task.name = "task";
  open.task.sizes = {1};
  open.data.train = {behaviour};
  return open;
}

/// Runs one coroutine to its end; rethrows what it throws.
template <class Body>
void run(asio::io_context& io, Body body) {
  asio::co_spawn(io, std::move(body), net::rethrow);
  io.restart();
  io.run();
}

BOOST_AUTO_TEST_SUITE(worker_process_tests)

BOOST_AUTO_TEST_CASE(answers_come_with_their_file) {
  asio::io_context io;
  WorkerProcess worker(io, Program{KITH_FAKE_WORKER});
  auto body = [&]() -> net::awaitable<void> {
    const pipe::Open question = open_as("honest");
    const auto answer = co_await worker.call(question);
    BOOST_TEST(answer.result.train == 10U);
    const auto map = pipe::SealedMap::open(answer.file, 1000);
    BOOST_TEST(std::holds_alternative<pipe::SealedMap>(map));
  };
  run(io, std::move(body));
}

BOOST_AUTO_TEST_CASE(worker_inherits_nothing_but_its_pipe) {
  const pipe::Fd leak(::open("/dev/null", O_RDONLY));  // as Asio opens its sockets
  asio::io_context io;
  WorkerProcess worker(io, Program{KITH_FAKE_WORKER});
  auto body = [&]() -> net::awaitable<void> {
    const pipe::Open question = open_as("fds");
    const auto answer = co_await worker.call(question);
    // Three standard ones, the pipe, and the folder being listed.
    BOOST_TEST(answer.result.parameters == 5U);
  };
  run(io, std::move(body));
}

BOOST_AUTO_TEST_CASE(hanging_up_ends_a_call_under_way_and_every_later_one) {
  asio::io_context io;
  WorkerProcess worker(io, Program{KITH_FAKE_WORKER});
  int lost = 0;
  auto body = [&]() -> net::awaitable<void> {
    const pipe::Open question = open_as("slow");
    co_await worker.call(question);
    for (int i = 0; i < 2; ++i) {
      try {
        const pipe::Train train{1, 1, false};
        co_await worker.call(train);
      } catch (const WorkerLost&) {
        ++lost;
      }
    }
  };
  asio::steady_timer timer(io, 200ms);
  timer.async_wait([&](net::error_code) { worker.hang_up(); });
  run(io, std::move(body));
  BOOST_TEST(lost == 2);
}

/// What is said of a worker that ends in its training.
std::string obituary(const std::string& behaviour) {
  asio::io_context io;
  WorkerProcess worker(io, Program{KITH_FAKE_WORKER});
  std::string said;
  const test::TemporaryDirectory state;
  auto body = [&]() -> net::awaitable<void> {
    pipe::Open question = open_as(behaviour);
    question.state = state.path().string();
    co_await worker.call(question);
    try {
      const pipe::Train train{1, 1, false};
      co_await worker.call(train);
    } catch (const WorkerLost& lost) {
      said = lost.what();
    }
  };
  run(io, std::move(body));
  return said;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

BOOST_AUTO_TEST_CASE(how_a_worker_died_is_one_sentence_with_its_memory_and_last_words) {
  const std::string killed = obituary("killed");
  BOOST_TEST(contains(killed, "killed"), killed);
  BOOST_TEST(contains(killed, "iB"), killed);
  const std::string crashed = obituary("aborts");
  BOOST_TEST(contains(crashed, "crashed (SIGABRT)"), crashed);
  BOOST_TEST(contains(crashed, "its last words: all is lost"), crashed);
  const std::string left = obituary("leaves");
  BOOST_TEST(contains(left, "exit status 3"), left);
  BOOST_TEST(contains(left, "good-bye"), left);
}

BOOST_AUTO_TEST_CASE(every_ending_says_what_to_do) {
  Ending ending{.status = SIGKILL, .memory = std::uint64_t{3} << 30};
  BOOST_TEST(contains(sentence(ending), "see dmesg"), sentence(ending));
  ending.out_of_memory = true;
  BOOST_TEST(contains(sentence(ending), "for want of memory, when it held 3.0 GiB; give"),
             sentence(ending));
  ending.status = SIGSEGV;
  BOOST_TEST(contains(sentence(ending), "crashed (SIGSEGV)"), sentence(ending));
  ending.status = SIGILL;
  BOOST_TEST(contains(sentence(ending), "install another build"), sentence(ending));
  ending.status = SIGTERM;
  BOOST_TEST(contains(sentence(ending), "somebody ended"), sentence(ending));
  ending.status = 71 << 8;
  BOOST_TEST(contains(sentence(ending), "exit status 71"), sentence(ending));
}

BOOST_AUTO_TEST_CASE(refusals_become_the_exit_status_that_fits) {
  using enum pipe::FailureKind;
  BOOST_TEST(exit_code(config) == EX_CONFIG);
  BOOST_TEST(exit_code(data) == EX_DATAERR);
  BOOST_TEST(exit_code(software) == EX_SOFTWARE);
  BOOST_TEST(exit_code(disk) == EX_IOERR);
  BOOST_TEST(exit_code(permission) == EX_NOPERM);
  BOOST_TEST(exit_code(memory) == EX_OSERR);
}

BOOST_AUTO_TEST_CASE(worker_has_no_terminal_and_does_not_see_what_else_is_in_the_environment) {
  ::setenv("PASSWORD", "secret", 1);
  asio::io_context io;
  WorkerProcess worker(io, Program{KITH_FAKE_WORKER});
  ::unsetenv("PASSWORD");
  auto body = [&]() -> net::awaitable<void> {
    const pipe::Open question = open_as("terminal");
    const auto answer = co_await worker.call(question);
    BOOST_TEST(answer.result.parameters == 0U);
  };
  run(io, std::move(body));
}

BOOST_AUTO_TEST_CASE(program_that_does_not_exist_is_named) {
  asio::io_context io;
  const auto names_it = [](const Failure& failure) {
    return failure.code() == EX_UNAVAILABLE &&
           std::string(failure.what()).find("/no/such/worker") < 1000;
  };
  BOOST_CHECK_EXCEPTION(WorkerProcess(io, Program{"/no/such/worker"}), Failure, names_it);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace worker_process_test
