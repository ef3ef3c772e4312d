#include "model/torch/sandbox.hpp"

#include "tests/model/worker/worker_process.hpp"

#include <boost/test/unit_test.hpp>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <string>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace sandbox_test {

using namespace kith;
using namespace std::chrono_literals;
using test::WorkerProcess;

/// True if `claim` holds in a child that has entered the sandbox.
bool holds_in_sandbox(const std::function<bool()>& claim) {
  const pid_t child = fork();
  if (child == 0) {
    static_cast<void>(worker::enter_sandbox());
    _exit(claim() ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool refused(long result) { return result == -1 && errno == EPERM; }

std::string field(const std::filesystem::path& status, const std::string& name) {
  std::ifstream in(status);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(name + ":"))
      return line.substr(line.find_first_not_of("\t ", name.size() + 1));
  }
  return {};
}

std::filesystem::path process(pid_t pid) { return "/proc/" + std::to_string(pid); }

std::set<std::string> open_files(pid_t pid) {
  std::set<std::string> targets;
  for (const auto& entry : std::filesystem::directory_iterator(process(pid) / "fd")) {
    targets.insert(std::filesystem::read_symlink(entry.path()).string());
  }
  return targets;
}

/// Asks for something that needs no data, so that afterwards the worker is known to be serving.
void greet(WorkerProcess& worker) { static_cast<void>(worker.failure_of(pipe::Forget{"nobody"})); }

/// Runs the program, without a pipe, and returns its exit status.
int run_by_hand(const std::string& arguments) {
  const int status =
      std::system((std::string(KITH_WORKER) + " " + arguments + " >/dev/null 2>&1").c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

BOOST_AUTO_TEST_SUITE(sandbox_tests)

BOOST_AUTO_TEST_CASE(no_socket_can_be_made) {
  BOOST_TEST(holds_in_sandbox([] { return refused(socket(AF_INET, SOCK_STREAM, 0)); }));
  BOOST_TEST(holds_in_sandbox([] { return refused(socket(AF_UNIX, SOCK_DGRAM, 0)); }));
  BOOST_TEST(holds_in_sandbox([] {
    int ends[2];
    return refused(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
  }));
}

BOOST_AUTO_TEST_CASE(a_socket_from_before_can_neither_connect_nor_listen) {
  const pipe::Fd before(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr address{};
  address.sa_family = AF_INET;
  BOOST_TEST(
      holds_in_sandbox([&] { return refused(connect(before.get(), &address, sizeof address)); }));
  BOOST_TEST(
      holds_in_sandbox([&] { return refused(bind(before.get(), &address, sizeof address)); }));
  BOOST_TEST(holds_in_sandbox([&] { return refused(listen(before.get(), 1)); }));
  BOOST_TEST(holds_in_sandbox([&] { return refused(accept(before.get(), nullptr, nullptr)); }));
}

BOOST_AUTO_TEST_CASE(the_ways_around_are_closed) {
  BOOST_TEST(holds_in_sandbox([] { return refused(syscall(SYS_io_uring_setup, 1, nullptr)); }));
  BOOST_TEST(holds_in_sandbox([] { return refused(execl("/bin/true", "true", nullptr)); }));
  BOOST_TEST(holds_in_sandbox([] { return refused(syscall(SYS_pidfd_getfd, 0, 0, 0)); }));
  BOOST_TEST(holds_in_sandbox(
      [] { return refused(process_vm_readv(getppid(), nullptr, 0, nullptr, 0, 0)); }));
}

BOOST_AUTO_TEST_CASE(the_filter_reaches_threads_started_before) {
  BOOST_TEST(holds_in_sandbox([] { return true; }));
  const pid_t child = fork();
  if (child == 0) {
    std::atomic<bool> entered = false;
    bool held = false;
    std::thread early([&] {
      while (!entered) std::this_thread::yield();
      held = refused(socket(AF_INET, SOCK_STREAM, 0));
    });
    static_cast<void>(worker::enter_sandbox());
    entered = true;
    early.join();
    _exit(held ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  BOOST_TEST(status == 0);
}

BOOST_AUTO_TEST_CASE(an_open_pipe_goes_on_working) {
  BOOST_TEST(holds_in_sandbox([] { return true; }));
  WorkerProcess worker;
  greet(worker);
}

BOOST_AUTO_TEST_CASE(every_thread_of_the_worker_is_filtered_and_gains_no_privileges) {
  WorkerProcess worker;
  greet(worker);
  for (const auto& thread : std::filesystem::directory_iterator(process(worker.pid()) / "task")) {
    BOOST_TEST(field(thread.path() / "status", "Seccomp") == "2");
    BOOST_TEST(field(thread.path() / "status", "NoNewPrivs") == "1");
  }
}

BOOST_AUTO_TEST_CASE(the_worker_holds_no_socket_but_its_pipe_and_nothing_else_it_inherited) {
  const pipe::Fd low(socket(AF_INET, SOCK_DGRAM, 0));  // both without close-on-exec
  const pipe::Fd high(fcntl(low.get(), F_DUPFD, 100));
  WorkerProcess worker;
  greet(worker);
  int sockets = 0;
  std::set<std::string> expected;  // standard input, output and error, which it shares with us
  for (int fd = 0; fd < 3; ++fd) {
    std::error_code missing;
    expected.insert(
        std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd), missing).string());
  }
  for (const std::string& target : open_files(worker.pid())) {
    if (expected.contains(target)) continue;
    BOOST_TEST(target.starts_with("socket:"), target);
    ++sockets;
  }
  BOOST_TEST(sockets == 1);
}

BOOST_AUTO_TEST_CASE(the_sandbox_can_be_refused_on_request_only) {
  WorkerProcess worker({"--no-sandbox"});
  greet(worker);
  BOOST_TEST(field(process(worker.pid()) / "status", "Seccomp") ==
             field("/proc/self/status", "Seccomp"));
}

BOOST_AUTO_TEST_CASE(an_idle_worker_ends_within_a_second_when_its_pipe_closes) {
  WorkerProcess worker;
  greet(worker);
  worker.hang_up();
  BOOST_TEST((worker.exit_status(1s) == 0));
}

BOOST_AUTO_TEST_CASE(run_by_hand_it_says_what_it_is) {
  BOOST_TEST(run_by_hand("") == 64);
  BOOST_TEST(run_by_hand("--fd") == 64);
  BOOST_TEST(run_by_hand("--fd 9x") == 64);
  BOOST_TEST(run_by_hand("--fd 1") == 64);
  BOOST_TEST(run_by_hand("--fd 900") == 64);
  BOOST_TEST(run_by_hand("--unknown") == 64);
  BOOST_TEST(run_by_hand("--help") == 0);
  BOOST_TEST(run_by_hand("--version") == 0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace sandbox_test
