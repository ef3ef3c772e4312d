#include "model/torch/sandbox.hpp"

#include "model/pipe/fd.hpp"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <memory>
#include <poll.h>
#include <sched.h>
#include <seccomp.h>
#include <set>
#include <stdexcept>
#include <string>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

namespace kith::worker {
namespace {

// ---- System calls ----

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

constexpr int kNeeded[] = {
    // Memory.
    SCMP_SYS(brk), SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mprotect), SCMP_SYS(mremap),
    SCMP_SYS(madvise), SCMP_SYS(mincore), SCMP_SYS(mlock), SCMP_SYS(munlock), SCMP_SYS(membarrier),
    SCMP_SYS(get_mempolicy),
    // What is open, and files that are only looked at.
    SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(pread64), SCMP_SYS(preadv), SCMP_SYS(write),
    SCMP_SYS(writev), SCMP_SYS(pwrite64), SCMP_SYS(lseek), SCMP_SYS(close), SCMP_SYS(dup),
    SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(statx),
    SCMP_SYS(fstatfs), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2),
    SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getdents64), SCMP_SYS(getcwd),
    SCMP_SYS(memfd_create), SCMP_SYS(ftruncate), SCMP_SYS(poll), SCMP_SYS(ppoll),
    SCMP_SYS(sendmsg), SCMP_SYS(recvmsg),
    // Threads.
    SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(get_robust_list), SCMP_SYS(rseq),
    SCMP_SYS(set_tid_address), SCMP_SYS(arch_prctl), SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity), SCMP_SYS(sched_getparam), SCMP_SYS(sched_getscheduler),
    SCMP_SYS(sched_get_priority_max), SCMP_SYS(sched_get_priority_min), SCMP_SYS(exit),
    SCMP_SYS(exit_group), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall),
    // Time, numbers, names.
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(times),
    SCMP_SYS(getrusage), SCMP_SYS(getrlimit), SCMP_SYS(sysinfo), SCMP_SYS(uname),
    SCMP_SYS(getcpu), SCMP_SYS(getrandom), SCMP_SYS(getpid), SCMP_SYS(getppid), SCMP_SYS(gettid),
    SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid),
    // They only ever take away.
    SCMP_SYS(landlock_create_ruleset), SCMP_SYS(landlock_add_rule),
    SCMP_SYS(landlock_restrict_self)};

// fcntl() could also have signals sent to others (F_SETOWN).
constexpr int kFcntl[] = {F_GETFD, F_SETFD,         F_GETFL,     F_SETFL,
                          F_DUPFD, F_DUPFD_CLOEXEC, F_ADD_SEALS, F_GET_SEALS};
constexpr int kPrctl[] = {PR_SET_NAME, PR_GET_NAME, PR_GET_DUMPABLE, PR_GET_NO_NEW_PRIVS};

// What a call of clone() must say and must not say to make a thread and nothing else.
constexpr scmp_datum_t kThread = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD;
constexpr scmp_datum_t kNoThread = CLONE_VFORK | CLONE_PTRACE | CLONE_PARENT | CLONE_NEWNS |
                                   CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
                                   CLONE_NEWPID | CLONE_NEWNET | CLONE_IO | CLONE_PIDFD;
constexpr scmp_datum_t kTemporary = O_TMPFILE & ~O_DIRECTORY;
constexpr scmp_datum_t kWrites = O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | kTemporary;

[[noreturn]] void refuse(const char* what, int error) {
  throw std::runtime_error(std::string("cannot take the network away from this process (") + what +
                           ": " + std::strerror(error) +
                           "); use a kernel with seccomp, or --no-sandbox at your own risk");
}

class Filter {
 public:
  explicit Filter(std::uint32_t otherwise)
      : context_(seccomp_init(otherwise), &seccomp_release) {
    if (!context_) refuse("seccomp_init", ENOMEM);
    // Libraries may have started threads before main(): the filter is for every one of them.
    if (const int rc = seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_TSYNC, 1); rc < 0) {
      refuse("seccomp thread sync", -rc);
    }
  }
  template <class... Conditions>
  void rule(std::uint32_t action, int call, Conditions... conditions) {
    const int rc =
        seccomp_rule_add(context_.get(), action, call, sizeof...(conditions), conditions...);
    if (rc < 0) refuse("seccomp rule", -rc);
  }
  template <class... Conditions>
  void allow(int call, Conditions... conditions) {
    rule(SCMP_ACT_ALLOW, call, conditions...);
  }
  void load() {
    if (const int rc = seccomp_load(context_.get()); rc < 0) refuse("seccomp_load", -rc);
  }

 private:
  std::unique_ptr<void, decltype(&seccomp_release)> context_;
};

scmp_arg_cmp argument(unsigned index, scmp_datum_t value) {
  return scmp_arg_cmp{index, SCMP_CMP_EQ, value, 0};
}

scmp_arg_cmp masked(unsigned index, scmp_datum_t mask, scmp_datum_t value) {
  return scmp_arg_cmp{index, SCMP_CMP_MASKED_EQ, mask, value};
}

void allow_needed_only() {
  Filter filter(SCMP_ACT_ERRNO(EPERM));
  for (const int call : kNeeded) filter.allow(call);
  filter.allow(SCMP_SYS(open), masked(1, kWrites, O_RDONLY));
  filter.allow(SCMP_SYS(openat), masked(2, kWrites, O_RDONLY));
  for (const int what : kFcntl) filter.allow(SCMP_SYS(fcntl), argument(1, unsigned(what)));
  for (const int what : kPrctl) filter.allow(SCMP_SYS(prctl), argument(0, unsigned(what)));
  filter.allow(SCMP_SYS(ioctl), argument(1, TCGETS));      // isatty(); none puts words into a terminal
  filter.allow(SCMP_SYS(prlimit64), argument(2, 0));       // only to ask
  filter.allow(SCMP_SYS(tgkill), argument(0, unsigned(getpid())));
  filter.allow(SCMP_SYS(clone), masked(0, kThread | kNoThread, kThread));
  filter.rule(SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3));   // its flags are in memory: use clone()
  filter.load();
}

void forbid_some() {
  Filter filter(SCMP_ACT_ALLOW);
  for (const int call : kForbidden) filter.rule(SCMP_ACT_ERRNO(EPERM), call);
  filter.load();
}

// ---- Files ----

// The kernel's interface, of which the headers of Debian 12 know the beginning only.
struct RulesetAttributes {
  std::uint64_t files = 0;   ///< from version 1 on
  std::uint64_t ports = 0;   ///< 4
  std::uint64_t scopes = 0;  ///< 6
};

/// All that this version of Landlock can take away.
RulesetAttributes everything(long version) {
  unsigned kinds = 13;              // of access to files
  if (version >= 2) ++kinds;        // to link and rename between folders
  if (version >= 3) ++kinds;        // to truncate
  if (version >= 5) ++kinds;        // ioctl() of devices
  RulesetAttributes all{(std::uint64_t{1} << kinds) - 1};
  if (version >= 4) all.ports = 3;   // to bind and to connect
  if (version >= 6) all.scopes = 3;  // abstract sockets and signals
  return all;
}

std::size_t size_of_attributes(long version) {
  if (version < 4) return offsetof(RulesetAttributes, ports);
  return version < 6 ? offsetof(RulesetAttributes, scopes) : sizeof(RulesetAttributes);
}

struct __attribute__((packed)) BeneathPath {
  std::uint64_t allowed;
  std::int32_t path;
};

long landlock_version() {
  constexpr std::uint32_t kVersion = 1;  // asks for it
  return syscall(SYS_landlock_create_ruleset, nullptr, 0, kVersion);
}

void allow_reading(int rules, const std::string& path) {
  constexpr std::uint64_t kFiles = 1 << 2, kFolders = 1 << 3;
  constexpr int kBeneath = 1;
  const pipe::Fd file(open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!file) return;  // what is not there cannot be read
  struct stat info {};
  const bool folder = fstat(file.get(), &info) == 0 && S_ISDIR(info.st_mode);
  const BeneathPath rule{folder ? kFiles | kFolders : kFiles, file.get()};
  syscall(SYS_landlock_add_rule, rules, kBeneath, &rule, 0);
}

/// Where what this program was linked with lies: more of it may be loaded as it goes.
std::set<std::string> folders_of_libraries() {
  std::set<std::string> folders;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    const auto path = line.find('/');
    if (path == std::string::npos || line.find(".so", path) == std::string::npos) continue;
    folders.insert(std::filesystem::path(line.substr(path)).parent_path().string());
  }
  return folders;
}

// Landlock restricts one thread, and there are others: each does it in a signal handler.
std::atomic<int> ruleset{-1};
std::atomic<int> restricted{0}, failed{0};

void restrict_this_thread(int) {
  const int before = errno;
  if (syscall(SYS_landlock_restrict_self, ruleset.load(), 0) != 0) ++failed;
  ++restricted;
  errno = before;
}

std::set<pid_t> threads() {
  std::set<pid_t> all;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
    all.insert(std::stoi(entry.path().filename().string()));
  }
  return all;
}

/// False if one of them does not answer, or cannot.
bool restrict_all_threads() {
  constexpr auto kPatience = std::chrono::seconds(5);
  const int signal = SIGRTMAX - 1;
  struct sigaction ours {}, before {};
  ours.sa_handler = restrict_this_thread;
  ours.sa_flags = SA_RESTART;
  if (sigaction(signal, &ours, &before) != 0) return false;
  // This one last, since it could not list them any more.  A thread has what the one that started
  // it has, so it is done when a look finds none that is new.
  const pid_t self = gettid();
  std::set<pid_t> asked{self};
  const auto end = std::chrono::steady_clock::now() + kPatience;
  for (bool found = true; found;) {
    found = false;
    for (const pid_t thread : threads()) {
      if (!asked.insert(thread).second) continue;
      const int goal = restricted + 1;
      if (syscall(SYS_tgkill, getpid(), thread, signal) != 0) continue;  // it has ended
      found = true;
      while (restricted < goal) {
        if (std::chrono::steady_clock::now() > end) return false;
        sched_yield();
      }
    }
  }
  restrict_this_thread(signal);
  sigaction(signal, &before, nullptr);
  return failed == 0;
}

}  // namespace

void close_inherited(int keep) {
  // Errors mean that there was nothing to close.
  if (keep > 3) close_range(3, static_cast<unsigned>(keep) - 1, 0);
  close_range(static_cast<unsigned>(keep) + 1, ~0U, 0);
}

Guards enter_sandbox(Calls calls) {
  // Nobody of the same user may look into this process, and nothing of it goes into a file.
  const bool private_memory = prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
  const rlimit none{0, 0};
  const bool no_core = setrlimit(RLIMIT_CORE, &none) == 0;
  setsid();  // no terminal; an error means that there is none
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) refuse("no_new_privs", errno);
  Guards guards{{"network", true, "it can make, reach and take over no socket"},
                {"memory", private_memory && no_core,
                 private_memory && no_core
                     ? "no other process of this user can look into it, and it leaves no core file"
                     : "other processes of this user can look into it"}};
  if (calls == Calls::needed) {
    allow_needed_only();
    guards.push_back({"processes", true,
                      "it can start no program, make no process, and signal or look into none"});
    guards.push_back({"writing", true, "it can make, change and remove no file"});
    return guards;
  }
  forbid_some();
  guards.push_back({"processes", false,
                    "it can make and signal processes, though start no program: the driver of a "
                    "GPU needs system calls that nobody has listed"});
  guards.push_back({"writing", false,
                    "it can write where its user can: the driver of a GPU needs files of its own"});
  return guards;
}

void close_other_files(const std::vector<std::string>& files) {
  const long version = landlock_version();
  if (version < 1) return;
  const RulesetAttributes all = everything(version);
  const long made = syscall(SYS_landlock_create_ruleset, &all, size_of_attributes(version), 0);
  if (made < 0) return;
  const pipe::Fd rules(static_cast<int>(made));
  std::set<std::string> readable(files.begin(), files.end());
  readable.insert({"/usr", "/lib", "/lib64", "/etc", "/sys", "/proc/self", "/proc/cpuinfo",
                   "/proc/meminfo", "/proc/stat", "/proc/sys", "/dev/null", "/dev/urandom"});
  readable.merge(folders_of_libraries());
  for (const std::string& path : readable) allow_reading(rules.get(), path);
  ruleset = rules.get();
  (void)restrict_all_threads();
}

Guards close_files() {
  const auto open = [](const std::string& why) {
    return Guards{{"reading", false,
                   why + ", so it can read what its user can, the node's keys among it"}};
  };
  const long version = landlock_version();
  if (version < 1) return open("this kernel has no Landlock, or it is turned off");
  const RulesetAttributes all = everything(version);
  const long made = syscall(SYS_landlock_create_ruleset, &all, size_of_attributes(version), 0);
  if (made < 0) return open(std::string("Landlock refuses (") + std::strerror(errno) + ")");
  const pipe::Fd file(static_cast<int>(made));
  ruleset = file.get();
  if (!restrict_all_threads()) return open("Landlock does not hold in every thread of it");
  return {{"reading", true, "since its data are read, it can open no file"}};
}

Guards leave_files_open() {
  return {{"reading", false,
           "it can read what its user can, the node's keys among it: the driver of a GPU opens "
           "files as it goes"}};
}

Guards no_guards() {
  Guards guards;
  for (const char* const name : {"network", "memory", "processes", "writing", "reading"}) {
    guards.push_back({name, false, "the worker was started with --no-sandbox"});
  }
  return guards;
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
