#include "daemon/system/confinement.hpp"

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;

// ---- Files ----

// The kernel's interface, of which the headers of Debian 12 know the beginning only.
struct FileRules {
  std::uint64_t files = 0;   ///< from version 1 on
  std::uint64_t ports = 0;   ///< 4
  std::uint64_t scopes = 0;  ///< 6
};
struct __attribute__((packed)) PathRule {
  std::uint64_t allowed = 0;
  std::int32_t path = -1;
};

constexpr std::uint64_t bit(unsigned n) { return std::uint64_t{1} << n; }
constexpr std::uint64_t kWriteFile = bit(1), kReadFile = bit(2), kReadFolder = bit(3),
                        kRemoveFolder = bit(4), kRemoveFile = bit(5), kMakeFolder = bit(7),
                        kMakeFile = bit(8), kMakeSocket = bit(9), kMove = bit(13),
                        kTruncate = bit(14), kDevice = bit(15);
constexpr std::uint64_t kRead = kReadFile | kReadFolder;
constexpr std::uint64_t kWrite = kRead | kWriteFile | kRemoveFolder | kRemoveFile | kMakeFolder |
                                 kMakeFile | kMakeSocket | kMove | kTruncate;
constexpr std::uint64_t kOfFiles = kReadFile | kWriteFile | kTruncate | kDevice;

/// All that this version of Landlock can take away.
std::uint64_t all_files(long version) {
  unsigned kinds = 13;          // of access to files
  if (version >= 2) ++kinds;    // to link and rename between folders
  if (version >= 3) ++kinds;    // to truncate
  if (version >= 5) ++kinds;    // ioctl() of devices
  return bit(kinds) - 1;
}

/// False if the kernel refuses.  What is not there needs no rule.
bool allow(int rules, const fs::path& path, std::uint64_t access) {
  const int file = ::open(path.c_str(), O_PATH | O_CLOEXEC);
  if (file < 0) return true;
  struct stat info {};
  const bool folder = ::fstat(file, &info) == 0 && S_ISDIR(info.st_mode);
  PathRule rule;
  rule.allowed = folder ? access : access & kOfFiles;
  rule.path = file;
  constexpr int kBeneath = 1;
  const bool added = ::syscall(SYS_landlock_add_rule, rules, kBeneath, &rule, 0) == 0;
  ::close(file);
  return added;
}

/// -1, and errno, if it cannot be.
int make_rules(long version, const Reach& reach) {
  FileRules all{all_files(version)};
  if (version >= 6) all.scopes = 1;  // abstract sockets; signals it must send to its worker
  const std::size_t size =
      version >= 6 ? sizeof all : offsetof(FileRules, ports);
  const int rules = static_cast<int>(::syscall(SYS_landlock_create_ruleset, &all, size, 0));
  if (rules < 0) return -1;
  bool made = true;
  for (const fs::path& path : reach.read) made = made && allow(rules, path, kRead & all.files);
  for (const fs::path& path : reach.write) {
    made = made && allow(rules, path, (kWrite | kDevice) & all.files);
  }
  if (made) return rules;
  const int why = errno;
  ::close(rules);
  errno = why;
  return -1;
}

// ---- System calls ----

constexpr int kPrograms[] = {SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork), SCMP_SYS(vfork)};

constexpr int kOthers[] = {
    SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
    SCMP_SYS(process_madvise), SCMP_SYS(process_mrelease), SCMP_SYS(pidfd_open),
    SCMP_SYS(pidfd_getfd), SCMP_SYS(kcmp), SCMP_SYS(kill), SCMP_SYS(tkill),
    SCMP_SYS(rt_sigqueueinfo), SCMP_SYS(rt_tgsigqueueinfo), SCMP_SYS(setpriority),
    SCMP_SYS(move_pages), SCMP_SYS(migrate_pages), SCMP_SYS(shmget), SCMP_SYS(shmat),
    SCMP_SYS(shmctl), SCMP_SYS(msgget), SCMP_SYS(msgsnd), SCMP_SYS(msgrcv), SCMP_SYS(msgctl),
    SCMP_SYS(semget), SCMP_SYS(semop), SCMP_SYS(semtimedop), SCMP_SYS(semctl), SCMP_SYS(mq_open),
    SCMP_SYS(mq_unlink)};

constexpr int kKernel[] = {
    SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter), SCMP_SYS(io_uring_register), SCMP_SYS(bpf),
    SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd), SCMP_SYS(keyctl), SCMP_SYS(add_key),
    SCMP_SYS(request_key), SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module),
    SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load), SCMP_SYS(unshare), SCMP_SYS(setns),
    SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root), SCMP_SYS(chroot),
    SCMP_SYS(open_tree), SCMP_SYS(move_mount), SCMP_SYS(fsopen), SCMP_SYS(fsconfig),
    SCMP_SYS(fsmount), SCMP_SYS(fspick), SCMP_SYS(mount_setattr), SCMP_SYS(name_to_handle_at),
    SCMP_SYS(open_by_handle_at), SCMP_SYS(fanotify_init), SCMP_SYS(quotactl), SCMP_SYS(swapon),
    SCMP_SYS(swapoff), SCMP_SYS(reboot), SCMP_SYS(acct), SCMP_SYS(syslog), SCMP_SYS(sethostname),
    SCMP_SYS(setdomainname), SCMP_SYS(settimeofday), SCMP_SYS(clock_settime), SCMP_SYS(adjtimex),
    SCMP_SYS(clock_adjtime), SCMP_SYS(iopl), SCMP_SYS(ioperm), SCMP_SYS(modify_ldt),
    SCMP_SYS(personality), SCMP_SYS(vhangup), SCMP_SYS(lookup_dcookie), SCMP_SYS(capset),
    SCMP_SYS(setuid), SCMP_SYS(setgid), SCMP_SYS(setreuid), SCMP_SYS(setregid),
    SCMP_SYS(setresuid), SCMP_SYS(setresgid), SCMP_SYS(setgroups), SCMP_SYS(mknod),
    SCMP_SYS(mknodat)};

constexpr scmp_datum_t kNamespaces[] = {CLONE_NEWNS,  CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
                                        CLONE_NEWUSER, CLONE_NEWPID,   CLONE_NEWNET};
// As the kernel numbers them; <sys/socket.h> is not for this folder.
constexpr scmp_datum_t kInternet = 2, kInternet6 = 10, kNetlink = 16;
constexpr scmp_datum_t kDatagram = 2, kRaw = 3;

class DenyList {
 public:
  DenyList() : context_(seccomp_init(SCMP_ACT_ALLOW), &seccomp_release) {
    failed_ = context_ ? 0 : ENOMEM;
    // Threads that are there already as well.
    if (context_) note(seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_TSYNC, 1));
  }
  template <class... Conditions>
  void deny(int call, Conditions... conditions) {
    answer(EPERM, call, conditions...);
  }
  template <class... Conditions>
  void answer(int error, int call, Conditions... conditions) {
    if (failed_ != 0) return;
    note(seccomp_rule_add(context_.get(), SCMP_ACT_ERRNO(static_cast<std::uint32_t>(error)), call,
                          sizeof...(conditions), conditions...));
  }
  /// 0, or what the kernel says against it.
  int load() {
    if (failed_ == 0) note(seccomp_load(context_.get()));
    return failed_;
  }

 private:
  void note(int result) {
    if (result < 0 && failed_ == 0) failed_ = -result;
  }
  std::unique_ptr<void, decltype(&seccomp_release)> context_;
  int failed_ = 0;
};

scmp_arg_cmp is(unsigned argument, scmp_datum_t value) {
  return scmp_arg_cmp{argument, SCMP_CMP_EQ, value, 0};
}
scmp_arg_cmp is_not(unsigned argument, scmp_datum_t value) {
  return scmp_arg_cmp{argument, SCMP_CMP_NE, value, 0};
}
scmp_arg_cmp above(unsigned argument, scmp_datum_t value) {
  return scmp_arg_cmp{argument, SCMP_CMP_GT, value, 0};
}
scmp_arg_cmp masked(unsigned argument, scmp_datum_t mask, scmp_datum_t value) {
  return scmp_arg_cmp{argument, SCMP_CMP_MASKED_EQ, mask, value};
}

void deny_sockets(DenyList& list) {
  // Also those of this machine: who may talk to the user's other services needs no file and no
  // program of its own.  The socket for kith's own verbs is there by now.
  for (scmp_datum_t family = 0; family < kNetlink; ++family) {
    if (family == kInternet || family == kInternet6) continue;
    list.answer(EAFNOSUPPORT, SCMP_SYS(socket), is(0, family));
  }
  list.answer(EAFNOSUPPORT, SCMP_SYS(socket), above(0, kNetlink));
  // Whoever looks up names asks the kernel for addresses and routes.
  list.answer(EAFNOSUPPORT, SCMP_SYS(socket), is(0, kNetlink), is_not(2, 0));
  // A pair of datagram sockets is not tied to one another: each end may send to any path.
  for (const scmp_datum_t type : {kDatagram, kRaw}) {
    list.answer(EAFNOSUPPORT, SCMP_SYS(socketpair), masked(1, 0xf, type));
  }
}

void deny_processes(DenyList& list) {
  for (const int call : kPrograms) list.deny(call);
  list.deny(SCMP_SYS(clone), masked(0, CLONE_THREAD, 0));
  for (const scmp_datum_t flag : kNamespaces) list.deny(SCMP_SYS(clone), masked(0, flag, flag));
  list.answer(ENOSYS, SCMP_SYS(clone3));  // its flags are in memory: use clone()
  for (const int call : kOthers) list.deny(call);
  list.deny(SCMP_SYS(tgkill), is_not(0, static_cast<scmp_datum_t>(::getpid())));
  list.deny(SCMP_SYS(prctl), masked(0, 0xffffffff, PR_SET_DUMPABLE));
  list.deny(SCMP_SYS(prctl), masked(0, 0xffffffff, PR_SET_PTRACER));
  // Words that are put into a terminal are commands to the shell in it.
  for (const unsigned request : {unsigned{TIOCSTI}, unsigned{TIOCLINUX}}) {
    list.deny(SCMP_SYS(ioctl), masked(1, 0xffffffff, request));
  }
}

}  // namespace

Guard close_files(const Reach& reach) {
  const auto open = [](const std::string& why) {
    return Guard{"files", false, why + ", so it can read and change what its user can"};
  };
  constexpr std::uint32_t kVersion = 1;  // asks for it
  const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, kVersion);
  if (version < 1) return open("this kernel has no Landlock, or it is turned off");
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return open("no_new_privs is refused");
  const int rules = make_rules(version, reach);
  const bool closed =
      rules >= 0 && ::syscall(SYS_landlock_restrict_self, rules, 0) == 0;
  const int why = errno;
  if (rules >= 0) ::close(rules);
  if (!closed) return open(std::string("Landlock refuses (") + std::strerror(why) + ")");
  return {"files", true, "it can read its own folders and the system's, and change its own only"};
}

Guards close_calls() {
  DenyList list;
  deny_processes(list);
  deny_sockets(list);
  for (const int call : kKernel) list.deny(call);
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);  // else load() is refused, and says so
  const int failed = list.load();
  const std::string why =
      failed == 0 ? ""
                  : std::string("; this kernel refuses a filter (") + std::strerror(failed) + ")";
  const auto guard = [&](const char* name, const char* holds, const char* broken) {
    return Guard{name, failed == 0, failed == 0 ? holds : broken + why};
  };
  return {guard("processes",
                "it can start no program and no process, and signal or look into none but its "
                "worker",
                "it can start programs, and signal and look into other processes of its user"),
          guard("sockets", "it can speak TCP and look up names, and nothing else",
                "it can speak to whatever its user can"),
          guard("kernel", "it can make no namespace, no mount and the like",
                "it can ask the kernel for whatever its user can")};
}

}  // namespace kith::daemon
