#include "daemon/learning/launcher.hpp"

#include "daemon/learning/worker_process.hpp"
#include "daemon/system/confinement.hpp"
#include "daemon/system/failure.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <sys/wait.h>
#include <unistd.h>

namespace launcher_test {

using namespace kith;
using namespace kith::daemon;
namespace asio = net::asio;

/// The exit status of a child, which ends with all that it started.
int apart(const std::function<bool()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    try {
      _exit(body() ? 0 : 1);
    } catch (const std::exception& error) {
      static_cast<void>(!write(STDERR_FILENO, error.what(), std::string(error.what()).size()));
      _exit(2);
    }
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

WorkerProcess::Start by(Launcher& launcher) {
  return [&launcher](int socket, int words) { return launcher.start(socket, words); };
}

std::uint64_t examples(asio::io_context& io, WorkerProcess& worker) {
  std::uint64_t train = 0;
  auto body = [&]() -> net::awaitable<void> {
    pipe::Open question;
    question.task.name = "task";
    question.task.sizes = {1};
    question.data.train = {"honest"};
    const auto answer = co_await worker.call(question);
    train = answer.result.train;
  };
  asio::co_spawn(io, std::move(body), net::rethrow);
  io.restart();
  io.run();
  return train;
}

BOOST_AUTO_TEST_SUITE(launcher_tests)

BOOST_AUTO_TEST_CASE(confined_process_starts_its_worker_again_and_again_and_no_other_program) {
  const test::TemporaryDirectory node;
  BOOST_TEST(apart([&] {
    Launcher launcher(Program{KITH_FAKE_WORKER});
    const Guard files = close_files({{"/etc"}, {node.path()}});
    asio::io_context io;
    for (const Guard& guard : close_calls()) {
      if (!guard.holds) return false;
    }
    for (int life = 0; life < 3; ++life) {
      WorkerProcess worker(io, by(launcher));
      if (worker.pid() <= 0 || examples(io, worker) != 10U) return false;
    }
    return execl(KITH_FAKE_WORKER, KITH_FAKE_WORKER, nullptr) == -1;
  }) == 0);
}

BOOST_AUTO_TEST_CASE(confined_process_ends_its_worker_and_hears_how_it_ended) {
  BOOST_TEST(apart([] {
    Launcher launcher(Program{"/bin/sleep"});  // complains of its arguments, and ends
    for (const Guard& guard : close_calls()) {
      if (!guard.holds) return false;
    }
    asio::io_context io;
    WorkerProcess worker(io, by(launcher));
    try {
      (void)examples(io, worker);
    } catch (const WorkerLost& lost) {
      return std::string(lost.what()).find("exit status 1") != std::string::npos;
    }
    return false;
  }) == 0);
}

BOOST_AUTO_TEST_CASE(program_that_cannot_be_started_is_named_and_the_next_try_is_as_good) {
  const test::TemporaryDirectory folder;
  const auto program = folder / "worker";
  BOOST_TEST(apart([&] {
    Launcher launcher(Program{program});
    asio::io_context io;
    try {
      const WorkerProcess worker(io, by(launcher));
      return false;
    } catch (const Failure& failure) {
      const std::string what = failure.what();
      if (failure.code() != EX_UNAVAILABLE || what.find(program) == std::string::npos) return false;
    }
    std::filesystem::create_symlink(KITH_FAKE_WORKER, program);
    WorkerProcess worker(io, by(launcher));
    return examples(io, worker) == 10U;
  }) == 0);
}

BOOST_AUTO_TEST_CASE(launcher_that_was_stopped_holds_nobody_up_for_long) {
  const int status = apart([] {
    Launcher launcher({KITH_FAKE_WORKER});
    std::ifstream children("/proc/self/task/" + std::to_string(gettid()) + "/children");
    pid_t it = -1;
    if (!(children >> it) || kill(it, SIGSTOP) != 0) return false;
    for (int i = 0; i < 2; ++i) {
      asio::io_context io;
      try {
        WorkerProcess worker(io, by(launcher));
        return false;
      } catch (const Failure& failure) {
        if (failure.code() != EX_SOFTWARE) return false;
      }
    }
    return kill(it, SIGKILL) == 0;
  });
  BOOST_TEST(status == 0);
}

BOOST_AUTO_TEST_CASE(path_with_a_line_break_is_refused_in_one_sentence) {
  const Program program{KITH_FAKE_WORKER, false, {"/data/images", "/data/la\nbels"}};
  const auto is_right = [](const Failure& failure) {
    return failure.code() == EX_CONFIG &&
           std::string_view(failure.what()).find("/data/la bels") != std::string_view::npos;
  };
  BOOST_CHECK_EXCEPTION((void)start(program, 0, 1), Failure, is_right);
  BOOST_CHECK_EXCEPTION(Launcher{program}, Failure, is_right);
}

BOOST_AUTO_TEST_CASE(launcher_ends_with_whoever_made_it_and_keeps_nothing_of_it_open) {
  int ends[2];
  BOOST_TEST_REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  BOOST_TEST(apart([] {
    const Launcher launcher(Program{KITH_FAKE_WORKER});
    return true;
  }) == 0);
  close(ends[1]);
  char none = 0;
  BOOST_TEST(read(ends[0], &none, 1) == 0);  // nobody holds the other end
  close(ends[0]);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace launcher_test
