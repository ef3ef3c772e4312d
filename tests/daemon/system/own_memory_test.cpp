#include "daemon/system/own_memory.hpp"

#include <boost/test/unit_test.hpp>

#include <csignal>
#include <fcntl.h>
#include <string>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace own_memory_test {

using namespace kith::daemon;

/// Of a process of the same user, who is not root; true if another may write there.
bool others_can_write(bool closed) {
  int ready[2];
  BOOST_TEST_REQUIRE(pipe2(ready, O_CLOEXEC) == 0);
  const auto become_nobody = [] {
    constexpr uid_t kNobody = 65534;
    if (geteuid() == 0 && setresuid(kNobody, kNobody, kNobody) != 0) _exit(2);
  };
  const pid_t owner = fork();
  if (owner == 0) {
    become_nobody();
    // What setresuid() did to it too, execve() undoes in a real program.
    const std::string script = "echo >&" + std::to_string(dup(ready[1])) + "; exec sleep 60";
    if (!closed) execl("/bin/sh", "sh", "-c", script.c_str(), nullptr);
    close_own_memory();
    if (write(ready[1], "x", 1) != 1) _exit(3);
    for (;;) pause();
  }
  char byte = 0;
  BOOST_TEST_REQUIRE(read(ready[0], &byte, 1) == 1);
  const pid_t other = fork();
  if (other == 0) {
    become_nobody();
    _exit(open(("/proc/" + std::to_string(owner) + "/mem").c_str(), O_RDWR) >= 0 ? 1 : 0);
  }
  int status = 0;
  waitpid(other, &status, 0);
  kill(owner, SIGKILL);
  waitpid(owner, nullptr, 0);
  close(ready[0]);
  close(ready[1]);
  BOOST_TEST_REQUIRE((WIFEXITED(status) && WEXITSTATUS(status) < 2));
  return WEXITSTATUS(status) == 1;
}

BOOST_AUTO_TEST_SUITE(own_memory_tests)

BOOST_AUTO_TEST_CASE(memory_that_was_closed_cannot_be_opened_by_another_process_of_the_user) {
  if (!others_can_write(false)) {
    BOOST_TEST_MESSAGE("skipped: on this system no process looks into another");
    return;
  }
  BOOST_TEST(!others_can_write(true));
}

BOOST_AUTO_TEST_CASE(process_whose_memory_is_closed_leaves_no_core_and_nor_does_what_it_starts) {
  const pid_t child = fork();
  if (child == 0) {
    close_own_memory();
    rlimit core{1, 1};
    const bool none = getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur == 0 && core.rlim_max == 0;
    _exit(none && prctl(PR_GET_DUMPABLE) == 0 ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  BOOST_TEST(status == 0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace own_memory_test
