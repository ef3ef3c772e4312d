#include "model/torch/sandbox.hpp"

#include <cerrno>
#include <cstring>
#include <memory>
#include <poll.h>
#include <seccomp.h>
#include <stdexcept>
#include <string>
#include <sys/prctl.h>
#include <thread>
#include <unistd.h>

namespace kith::worker {
namespace {

constexpr int kForbidden[] = {
    // The network.  io_uring could do all of it past this filter.
    SCMP_SYS(socket), SCMP_SYS(socketpair), SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(listen),
    SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register),
    // Other programs and processes, whose sockets could be borrowed.
    SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(ptrace), SCMP_SYS(pidfd_getfd),
    SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
    // The kernel.
    SCMP_SYS(bpf), SCMP_SYS(setns), SCMP_SYS(unshare), SCMP_SYS(mount), SCMP_SYS(kexec_load),
    SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(userfaultfd), SCMP_SYS(keyctl)};

[[noreturn]] void refuse(const char* what, int error) {
  throw std::runtime_error(std::string("cannot take the network away from this process (") + what +
                           ": " + std::strerror(error) +
                           "); use a kernel with seccomp, or --no-sandbox at your own risk");
}

}  // namespace

void close_inherited(int keep) {
  // Errors mean that there was nothing to close.
  if (keep > 3) close_range(3, static_cast<unsigned>(keep) - 1, 0);
  close_range(static_cast<unsigned>(keep) + 1, ~0U, 0);
}

void enter_sandbox() {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) refuse("no_new_privs", errno);
  const std::unique_ptr<void, decltype(&seccomp_release)> filter(seccomp_init(SCMP_ACT_ALLOW),
                                                                 &seccomp_release);
  if (!filter) refuse("seccomp_init", ENOMEM);
  // Libraries may have started threads before main(): the filter is for every one of them.
  if (const int rc = seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1); rc < 0) {
    refuse("seccomp thread sync", -rc);
  }
  for (const int call : kForbidden) {
    if (const int rc = seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EPERM), call, 0); rc < 0) {
      refuse("seccomp rule", -rc);
    }
  }
  if (const int rc = seccomp_load(filter.get()); rc < 0) refuse("seccomp_load", -rc);
}

void end_with(int pipe) {
  std::thread([pipe] {
    pollfd watched{pipe, 0, 0};  // a hang-up is reported without being asked for
    while (poll(&watched, 1, -1) < 0 && errno == EINTR) {
    }
    _exit(0);
  }).detach();
}

}  // namespace kith::worker
