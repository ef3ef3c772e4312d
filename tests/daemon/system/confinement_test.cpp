// What somebody who has taken over the process that hears the network would try.  Each attempt is
// made in a process of its own, from inside all that `kith run` puts around itself, and must fail.
#include "daemon/system/confinement.hpp"

#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <netdb.h>
#include <memory>
#include <sched.h>
#include <seccomp.h>
#include <spawn.h>
#include <string>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace confinement_test {

using namespace kith::daemon;
namespace fs = std::filesystem;
using kith::test::TemporaryDirectory;

boost::test_tools::assertion_result with_landlock(boost::unit_test::test_unit_id) {
  const bool found = syscall(SYS_landlock_create_ruleset, nullptr, 0, 1U) > 0;
  boost::test_tools::assertion_result result(found);
  result.message() << "skipped: this kernel has no Landlock";
  return result;
}

/// The attempt failed, and because it is forbidden.
bool forbidden(long result) {
  return result == -1 && (errno == EPERM || errno == EACCES || errno == EAFNOSUPPORT);
}

/// A node's folder, and what its user has beside it.
struct Machine {
  Machine() {
    fs::create_directories(node / "state");
    std::ofstream(node / "charter.kith") << "the charter";
    std::ofstream(letters) << "private";
  }
  /// The exit status of a child that does `attempt`, confined: 0 if it came to true.
  int confined(const std::function<bool()>& attempt) const {
    const pid_t child = fork();
    if (child == 0) {
      std::signal(SIGUSR1, SIG_DFL);
      const Guard files = close_files({{"/etc", "/usr", "/lib", "/dev/urandom"}, {node}});
      for (const Guard& guard : close_calls()) {
        if (!guard.holds) _exit(2);
      }
      _exit(attempt() ? 0 : files.holds ? 1 : 3);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  TemporaryDirectory home;
  fs::path node = home / "node", letters = home / "letters";
};

#define KITH_CONFINED(...) BOOST_TEST(confined([&] { return forbidden(__VA_ARGS__); }) == 0)

BOOST_FIXTURE_TEST_SUITE(confinement_tests, Machine)

BOOST_AUTO_TEST_CASE(what_a_node_does_still_works) {
  const int status = confined([&] {
    std::ofstream(node / "state" / "new") << "report";
    fs::create_directory(node / "state" / "history");
    fs::create_hard_link(node / "state" / "new", node / "state" / "history" / "1");
    fs::rename(node / "state" / "new", node / "charter.kith");
    fs::remove_all(node / "state");
    std::string text;
    std::ifstream(node / "charter.kith") >> text;
    std::atomic<int> count = 0;
    std::thread([&] { ++count; }).join();
    addrinfo* found = nullptr;
    const bool looked_up = getaddrinfo("localhost", "7700", nullptr, &found) == 0;
    const int listening = socket(AF_INET6, SOCK_STREAM, 0);
    int pair[2];
    return text == "report" && count == 1 && looked_up && listening >= 0 &&
           listen(listening, 1) == 0 && socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0 &&
           raise(0) == 0;
  });
  BOOST_TEST(status == 0);
}

BOOST_AUTO_TEST_CASE(files_elsewhere_can_be_neither_read_nor_made_nor_changed,
                     *boost::unit_test::precondition(with_landlock)) {
  const fs::path other = home / "other";
  KITH_CONFINED(open(letters.c_str(), O_RDONLY));
  KITH_CONFINED(open(letters.c_str(), O_WRONLY));
  KITH_CONFINED(open(home.path().c_str(), O_RDONLY | O_DIRECTORY));
  KITH_CONFINED(open((node / ".." / "letters").c_str(), O_RDONLY));
  KITH_CONFINED(open(other.c_str(), O_WRONLY | O_CREAT, 0600));
  KITH_CONFINED(truncate(letters.c_str(), 0));
  KITH_CONFINED(unlink(letters.c_str()));
  KITH_CONFINED(mkdir(other.c_str(), 0700));
  KITH_CONFINED(symlink("/etc/shadow", other.c_str()));
  KITH_CONFINED(open("/etc/kith-was-here", O_WRONLY | O_CREAT, 0600));
  KITH_CONFINED(open(("/proc/" + std::to_string(getppid()) + "/environ").c_str(), O_RDONLY));
  BOOST_TEST(confined([&] {  // the letters into the node's folder, and out of it
    return rename(letters.c_str(), (node / "letters").c_str()) == -1 &&
           link(letters.c_str(), (node / "letters").c_str()) == -1 &&
           rename((node / "charter.kith").c_str(), other.c_str()) == -1;
  }) == 0);
  BOOST_TEST(fs::file_size(letters) == 7U);
  BOOST_TEST(!fs::exists(other));
}

BOOST_AUTO_TEST_CASE(program_of_ones_own_can_be_neither_started_nor_put_in_place) {
  char* const arguments[] = {const_cast<char*>("true"), nullptr};
  KITH_CONFINED(execv("/bin/true", arguments));
  KITH_CONFINED(syscall(SYS_execveat, 0, "", nullptr, nullptr, AT_EMPTY_PATH));
  KITH_CONFINED(fork());
  KITH_CONFINED(syscall(SYS_vfork));
  KITH_CONFINED(syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr));
  KITH_CONFINED(syscall(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, nullptr, nullptr, nullptr,
                        nullptr));
  BOOST_TEST(confined([] {
    return syscall(SYS_clone3, nullptr, 0) == -1 && errno == ENOSYS;
  }) == 0);
  BOOST_TEST(confined([&] {
    pid_t pid = 0;
    return posix_spawn(&pid, "/bin/true", nullptr, nullptr, arguments, nullptr) != 0;
  }) == 0);
}

BOOST_AUTO_TEST_CASE(nobody_else_can_be_looked_into_or_signalled) {
  KITH_CONFINED(ptrace(PTRACE_ATTACH, getppid(), nullptr, nullptr));
  KITH_CONFINED(syscall(SYS_process_vm_readv, getppid(), nullptr, 0, nullptr, 0, 0));
  KITH_CONFINED(syscall(SYS_process_vm_writev, getppid(), nullptr, 0, nullptr, 0, 0));
  KITH_CONFINED(syscall(SYS_pidfd_open, getppid(), 0));
  KITH_CONFINED(syscall(SYS_pidfd_getfd, 0, 0, 0));
  KITH_CONFINED(kill(getppid(), SIGUSR1));
  KITH_CONFINED(kill(-1, 0));
  KITH_CONFINED(syscall(SYS_tkill, getppid(), SIGUSR1));
  KITH_CONFINED(syscall(SYS_tgkill, getppid(), getppid(), SIGUSR1));
  KITH_CONFINED(syscall(SYS_rt_sigqueueinfo, getppid(), SIGUSR1, nullptr));
  KITH_CONFINED(syscall(SYS_shmget, 1, 4096, 0600));
  KITH_CONFINED(syscall(SYS_mq_open, "queue", O_RDWR | O_CREAT, 0600, nullptr));
  KITH_CONFINED(prctl(PR_SET_DUMPABLE, 1));
  const char letter = 'x';
  KITH_CONFINED(ioctl(0, TIOCSTI, &letter));
  KITH_CONFINED(syscall(SYS_ioctl, 0, TIOCSTI | (1UL << 32), &letter));
}

BOOST_AUTO_TEST_CASE(sockets_are_for_tcp_and_names_only) {
  for (const int family : {AF_UNIX, AF_PACKET, AF_VSOCK, AF_ALG, AF_BLUETOOTH, AF_KEY}) {
    KITH_CONFINED(socket(family, SOCK_STREAM, 0));
  }
  KITH_CONFINED(syscall(SYS_socket, AF_UNIX | (1UL << 32), SOCK_STREAM, 0));
  KITH_CONFINED(socket(AF_NETLINK, SOCK_RAW, 9));  // NETLINK_AUDIT
  int pair[2];  // whose ends could send to other paths
  KITH_CONFINED(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair));
  KITH_CONFINED(socketpair(AF_UNIX, SOCK_RAW, 0, pair));
}

BOOST_AUTO_TEST_CASE(kernel_gives_no_namespace_no_mount_and_no_module) {
  KITH_CONFINED(unshare(CLONE_NEWUSER));
  KITH_CONFINED(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
  KITH_CONFINED(syscall(SYS_clone, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_NEWNET, nullptr,
                        nullptr, nullptr, nullptr));
  KITH_CONFINED(setns(0, 0));
  KITH_CONFINED(mount("none", "/mnt", "tmpfs", 0, nullptr));
  KITH_CONFINED(chroot("/"));
  KITH_CONFINED(syscall(SYS_init_module, nullptr, 0, ""));
  KITH_CONFINED(syscall(SYS_finit_module, 0, "", 0));
  KITH_CONFINED(syscall(SYS_kexec_load, 0, 0, nullptr, 0));
  KITH_CONFINED(syscall(SYS_bpf, 0, nullptr, 0));
  KITH_CONFINED(syscall(SYS_perf_event_open, nullptr, 0, -1, -1, 0));
  KITH_CONFINED(syscall(SYS_userfaultfd, 0));
  KITH_CONFINED(syscall(SYS_keyctl, 0, 0));
  KITH_CONFINED(syscall(SYS_io_uring_setup, 1, nullptr));
  KITH_CONFINED(syscall(SYS_personality, 0));
  KITH_CONFINED(setuid(0));
}

BOOST_AUTO_TEST_CASE(thread_that_was_there_before_is_closed_to_calls_too) {
  const pid_t child = fork();
  if (child == 0) {
    std::atomic<bool> closed = false, held = false;
    std::thread early([&] {
      while (!closed) std::this_thread::yield();
      held = forbidden(unshare(CLONE_NEWUSER));
    });
    const Guards guards = close_calls();
    closed = true;
    early.join();
    _exit(held && guards.size() == 3 ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  BOOST_TEST(status == 0);
}

BOOST_AUTO_TEST_CASE(kernel_that_refuses_is_said_to) {
  const pid_t child = fork();
  if (child == 0) {
    // Nobody here may have a filter or rules of files any more: as in some containers.
    const std::unique_ptr<void, decltype(&seccomp_release)> old(seccomp_init(SCMP_ACT_ALLOW),
                                                                &seccomp_release);
    for (const int call : {SCMP_SYS(landlock_create_ruleset), SCMP_SYS(seccomp)}) {
      if (seccomp_rule_add(old.get(), SCMP_ACT_ERRNO(ENOSYS), call, 0) != 0) _exit(2);
    }
    if (seccomp_rule_add(old.get(), SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prctl), 1,
                         SCMP_A0(SCMP_CMP_EQ, PR_SET_SECCOMP)) != 0 ||
        seccomp_load(old.get()) != 0) {
      _exit(3);
    }
    Guards guards = close_calls();
    guards.push_back(close_files({{"/etc"}, {node}}));
    for (const Guard& guard : guards) {
      if (guard.holds || guard.what.empty()) _exit(1);
    }
    _exit(guards.size() == 4 ? 0 : 4);
  }
  int status = 0;
  waitpid(child, &status, 0);
  BOOST_TEST(status == 0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace confinement_test
