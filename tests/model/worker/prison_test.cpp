// What somebody who has taken over the worker would try.  Each attempt is made in a process of its
// own, from inside all that kith-worker puts around itself, and must fail.
#include "model/torch/sandbox.hpp"

#include "tests/model/worker/worker_process.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <netinet/in.h>
#include <sched.h>
#include <string>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace prison_test {

using namespace kith;
namespace fs = std::filesystem;
using test::TemporaryDirectory;

bool kernel_has_landlock() { return syscall(SYS_landlock_create_ruleset, nullptr, 0, 1U) > 0; }

boost::test_tools::assertion_result with_landlock(boost::unit_test::test_unit_id) {
  boost::test_tools::assertion_result found(kernel_has_landlock());
  found.message() << "skipped: this kernel has no Landlock";
  return found;
}

/// The exit status of a child that does `attempt` in the prison: 0 if it came to true.
int in_prison(const std::function<bool()>& attempt) {
  const pid_t child = fork();
  if (child == 0) {
    std::signal(SIGUSR1, SIG_DFL);
    static_cast<void>(worker::enter_sandbox());
    static_cast<void>(worker::close_files());
    _exit(attempt() ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// The attempt failed, and because it is forbidden.
bool forbidden(long result) { return result == -1 && (errno == EPERM || errno == EACCES); }

#define KITH_FORBIDDEN(...) BOOST_TEST(in_prison([&] { return forbidden(__VA_ARGS__); }) == 0)

/// What a node has beside its worker's files.
struct Node {
  Node() {
    std::ofstream(key) << "the node key";
    std::ofstream(checkpoint) << "the model";
  }
  std::string content(const fs::path& file) const {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  TemporaryDirectory folder;
  fs::path key = folder / "node.keys", checkpoint = folder / "checkpoint.safetensors";
};

BOOST_FIXTURE_TEST_SUITE(prison_tests, Node)

BOOST_AUTO_TEST_CASE(what_is_needed_still_works) {
  const int status = in_prison([] {
    std::atomic<int> count = 0;
    std::thread([&] { ++count; }).join();
    const int file = memfd_create("numbers", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    const bool written = write(file, "1", 1) == 1 && fcntl(file, F_ADD_SEALS, F_SEAL_WRITE) == 0;
    void* const code = mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);  // LibTorch makes its kernels
    return count == 1 && written && code != MAP_FAILED && raise(0) == 0;
  });
  BOOST_TEST(status == 0);
}

BOOST_AUTO_TEST_CASE(keys_cannot_be_read, *boost::unit_test::precondition(with_landlock)) {
  KITH_FORBIDDEN(open(key.c_str(), O_RDONLY));
  KITH_FORBIDDEN(syscall(SYS_open, key.c_str(), O_RDONLY));
  KITH_FORBIDDEN(open("/etc/passwd", O_RDONLY));
  KITH_FORBIDDEN(open("/proc/self/environ", O_RDONLY));
  KITH_FORBIDDEN(open(folder.path().c_str(), O_RDONLY | O_DIRECTORY));
}

BOOST_AUTO_TEST_CASE(no_thread_that_was_there_before_can_open_a_file_either,
                     *boost::unit_test::precondition(with_landlock)) {
  const pid_t child = fork();
  if (child == 0) {
    std::atomic<bool> closed = false, held = false;
    std::thread early([&] {
      while (!closed) std::this_thread::yield();
      held = forbidden(open(key.c_str(), O_RDONLY));
    });
    static_cast<void>(worker::enter_sandbox());
    const auto guards = worker::close_files();
    closed = true;
    early.join();
    _exit(held && guards.at(0).holds ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  BOOST_TEST(status == 0);
}

BOOST_AUTO_TEST_CASE(thread_that_cannot_be_reached_is_said_to_be_free,
                     *boost::unit_test::precondition(with_landlock)) {
  const pid_t child = fork();
  if (child == 0) {
    std::atomic<bool> deaf = false;
    std::thread early([&] {
      sigset_t all;
      sigfillset(&all);
      pthread_sigmask(SIG_BLOCK, &all, nullptr);
      deaf = true;
      for (;;) pause();
    });
    while (!deaf) std::this_thread::yield();
    static_cast<void>(worker::enter_sandbox());
    _exit(worker::close_files().at(0).holds ? 1 : 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  BOOST_TEST(status == 0);
}

BOOST_AUTO_TEST_CASE(files_can_be_neither_made_nor_changed_nor_replaced_nor_removed) {
  const fs::path other = folder / "other";
  KITH_FORBIDDEN(open(key.c_str(), O_WRONLY));
  KITH_FORBIDDEN(open(key.c_str(), O_RDWR));
  KITH_FORBIDDEN(open(checkpoint.c_str(), O_WRONLY));
  KITH_FORBIDDEN(open(checkpoint.c_str(), O_RDONLY | O_TRUNC));
  KITH_FORBIDDEN(open(other.c_str(), O_RDONLY | O_CREAT, 0600));
  KITH_FORBIDDEN(open(folder.path().c_str(), O_TMPFILE | O_RDWR, 0600));
  KITH_FORBIDDEN(creat(other.c_str(), 0600));
  KITH_FORBIDDEN(syscall(SYS_openat2, AT_FDCWD, key.c_str(), nullptr, 0));
  KITH_FORBIDDEN(truncate(key.c_str(), 0));
  KITH_FORBIDDEN(rename(checkpoint.c_str(), key.c_str()));
  KITH_FORBIDDEN(unlink(key.c_str()));
  KITH_FORBIDDEN(symlink("/etc/shadow", other.c_str()));
  KITH_FORBIDDEN(link(key.c_str(), other.c_str()));
  KITH_FORBIDDEN(mkdir(other.c_str(), 0700));
  KITH_FORBIDDEN(mknod(other.c_str(), S_IFIFO | 0600, 0));
  KITH_FORBIDDEN(chmod(key.c_str(), 0666));
  KITH_FORBIDDEN(chown(key.c_str(), 65534, 65534));
  BOOST_TEST(content(key) == "the node key");
  BOOST_TEST(content(checkpoint) == "the model");
  BOOST_TEST(!fs::exists(other));
}

BOOST_AUTO_TEST_CASE(disk_cannot_be_filled_through_a_file_that_is_open_for_reading) {
  const int file = open(checkpoint.c_str(), O_RDWR | O_CLOEXEC);  // by mistake even for writing
  BOOST_TEST_REQUIRE(file >= 0);
  KITH_FORBIDDEN(fallocate(file, 0, 0, 1 << 30));
  KITH_FORBIDDEN(syscall(SYS_copy_file_range, file, nullptr, file, nullptr, 1, 0));
  close(file);
  BOOST_TEST(fs::file_size(checkpoint) == 9U);
}

BOOST_AUTO_TEST_CASE(memory_of_the_node_can_be_neither_read_nor_written) {
  const std::string memory = "/proc/" + std::to_string(getpid()) + "/mem";
  KITH_FORBIDDEN(open(memory.c_str(), O_WRONLY));
  KITH_FORBIDDEN(open(memory.c_str(), O_RDWR));
  KITH_FORBIDDEN(process_vm_readv(getppid(), nullptr, 0, nullptr, 0, 0));
  KITH_FORBIDDEN(process_vm_writev(getppid(), nullptr, 0, nullptr, 0, 0));
  KITH_FORBIDDEN(syscall(SYS_ptrace, 16, getppid(), 0, 0));
  KITH_FORBIDDEN(syscall(SYS_pidfd_open, getppid(), 0));
  KITH_FORBIDDEN(syscall(SYS_kcmp, getpid(), getppid(), 0, 0, 0));
}

BOOST_AUTO_TEST_CASE(memory_and_descriptors_of_the_node_cannot_be_looked_at,
                     *boost::unit_test::precondition(with_landlock)) {
  const std::string node = "/proc/" + std::to_string(getpid());
  KITH_FORBIDDEN(open((node + "/mem").c_str(), O_RDONLY));
  KITH_FORBIDDEN(open((node + "/environ").c_str(), O_RDONLY));
  KITH_FORBIDDEN(open((node + "/fd/0").c_str(), O_RDONLY));
}

BOOST_AUTO_TEST_CASE(no_process_and_no_namespace_can_be_made) {
  KITH_FORBIDDEN(syscall(SYS_fork));
  KITH_FORBIDDEN(syscall(SYS_vfork));
  KITH_FORBIDDEN(fork());
  KITH_FORBIDDEN(syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr));
  KITH_FORBIDDEN(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
  KITH_FORBIDDEN(syscall(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, nullptr, nullptr, nullptr,
                         nullptr));
  KITH_FORBIDDEN(syscall(SYS_clone, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_NEWNET, nullptr,
                         nullptr, nullptr, nullptr));
  BOOST_TEST(in_prison([] {  // its flags cannot be looked at; libraries fall back on clone()
    return syscall(SYS_clone3, nullptr, 0) == -1 && errno == ENOSYS;
  }) == 0);
  KITH_FORBIDDEN(unshare(CLONE_NEWUSER));
  KITH_FORBIDDEN(setns(0, 0));
  KITH_FORBIDDEN(execl("/bin/true", "true", nullptr));
  KITH_FORBIDDEN(syscall(SYS_execveat, 0, "", nullptr, nullptr, AT_EMPTY_PATH));
}

BOOST_AUTO_TEST_CASE(nobody_can_be_reached) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  const int before = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  KITH_FORBIDDEN(socket(AF_INET, SOCK_STREAM, 0));
  KITH_FORBIDDEN(socket(AF_UNIX, SOCK_STREAM, 0));
  KITH_FORBIDDEN(socket(AF_NETLINK, SOCK_RAW, 0));
  KITH_FORBIDDEN(connect(before, reinterpret_cast<sockaddr*>(&address), sizeof address));
  KITH_FORBIDDEN(sendto(before, "x", 1, 0, reinterpret_cast<sockaddr*>(&address), sizeof address));
  KITH_FORBIDDEN(syscall(SYS_io_uring_setup, 1, nullptr));
  close(before);
}

BOOST_AUTO_TEST_CASE(nobody_else_can_be_signalled) {
  KITH_FORBIDDEN(kill(getppid(), SIGUSR1));
  KITH_FORBIDDEN(kill(-1, 0));
  KITH_FORBIDDEN(syscall(SYS_tkill, getppid(), SIGUSR1));
  KITH_FORBIDDEN(syscall(SYS_tgkill, getppid(), getppid(), SIGUSR1));
  KITH_FORBIDDEN(syscall(SYS_rt_sigqueueinfo, getppid(), SIGUSR1, nullptr));
  KITH_FORBIDDEN(syscall(SYS_pidfd_send_signal, 0, SIGUSR1, nullptr, 0));
  KITH_FORBIDDEN(fcntl(0, F_SETOWN, getppid()));
  KITH_FORBIDDEN(syscall(SYS_sched_setaffinity, getppid(), 0, nullptr));
  KITH_FORBIDDEN(setpriority(PRIO_PROCESS, static_cast<id_t>(getppid()), 19));
}

BOOST_AUTO_TEST_CASE(words_cannot_be_put_into_a_terminal_and_the_way_out_is_shut) {
  const char letter = 'x';
  KITH_FORBIDDEN(ioctl(0, TIOCSTI, &letter));
  KITH_FORBIDDEN(prctl(PR_SET_DUMPABLE, 1));
  KITH_FORBIDDEN(syscall(SYS_prlimit64, getppid(), RLIMIT_CPU, "0123456789abcdef", nullptr));
  KITH_FORBIDDEN(mount("none", "/mnt", "tmpfs", 0, nullptr));
  KITH_FORBIDDEN(syscall(SYS_bpf, 0, nullptr, 0));
  KITH_FORBIDDEN(syscall(SYS_keyctl, 0, 0));
  KITH_FORBIDDEN(syscall(SYS_perf_event_open, nullptr, 0, -1, -1, 0));
  KITH_FORBIDDEN(chroot("/"));
}

BOOST_AUTO_TEST_CASE(worker_leaves_no_core_and_nobody_looks_into_it) {
  BOOST_TEST(in_prison([] {
    rlimit core{};
    return prctl(PR_GET_DUMPABLE) == 0 && getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0;
  }) == 0);
}

/// A table of examples, written there.
pipe::Open table_at(const fs::path& file, const fs::path& state) {
  std::ofstream data(file);
  for (int i = 0; i < 80; ++i) data << i % 7 << (i % 2 != 0 ? ",x\n" : ",y\n");
  pipe::Open open;
  open.task.name = "least";
  open.task.model = "mlp";
  open.task.sizes = {4};
  using Kind = model::Column::Kind;
  open.task.columns = {
      {.name = "a", .kind = Kind::number, .high = 6},
      {.name = "b", .kind = Kind::category, .target = true, .values = {{"x"}, {"y"}}}};
  open.task.classes = 2;
  open.data.train = {file};
  open.state = state.string();
  return open;
}

BOOST_AUTO_TEST_CASE(kith_that_was_taken_over_cannot_have_the_worker_read_other_files_for_it,
                     *boost::unit_test::precondition(with_landlock)) {
  const TemporaryDirectory state;
  const auto ours = table_at(folder / "data.csv", state.path());
  const auto others = table_at(folder / "letters.csv", state.path());
  const std::string files = ours.data.train[0].string() + "\n" + state.path().string();
  ::setenv("KITH_FILES", files.c_str(), 1);
  test::WorkerProcess honest, taken_over;
  ::unsetenv("KITH_FILES");
  BOOST_TEST(honest.ask(ours).train > 0U);
  const auto refusal = taken_over.failure_of(others);
  BOOST_TEST(static_cast<int>(refusal.kind) == static_cast<int>(pipe::FailureKind::permission));
  test::WorkerProcess by_hand;  // who was told nothing is not bound
  BOOST_TEST(by_hand.ask(others).train > 0U);
}

BOOST_AUTO_TEST_CASE(worker_says_what_holds_and_what_does_not) {
  const TemporaryDirectory state;
  const pipe::Open open = table_at(folder / "data.csv", state.path());
  const auto guards = [&](std::vector<std::string> arguments) {
    test::WorkerProcess worker(arguments);
    return worker.ask(open).guards;
  };
  const auto held = guards({});
  BOOST_TEST(held.size() == 5U);
  for (const auto& guard : held) {
    BOOST_TEST(guard.holds == (guard.name != "reading" || kernel_has_landlock()), guard.what);
    BOOST_TEST(!guard.what.empty());
  }
  for (const auto& guard : guards({"--no-sandbox"})) BOOST_TEST(!guard.holds, guard.name);
  int broken = 0;
  for (const auto& guard : guards({"--gpu"})) broken += guard.holds ? 0 : 1;
  BOOST_TEST(broken == 3);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace prison_test
