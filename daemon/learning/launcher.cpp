#include "daemon/learning/launcher.hpp"

#include "daemon/system/failure.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <chrono>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <string>
#include <string_view>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

extern char** environ;

namespace kith::daemon {
namespace {

constexpr int kWorkerFd = 3;
constexpr std::chrono::milliseconds kPatience = std::chrono::seconds(5);  // with the launcher

// What a program that computes may want to know of its surroundings.  All else, as the passwords
// that some put there, is not the worker's business.
constexpr std::array<std::string_view, 26> kPassedOn{
    "PATH=",   "HOME=",   "TMPDIR=", "LANG=",  "LC_",     "TZ=",     "LD_LIBRARY_PATH=",
    "OMP_",    "GOMP_",   "KMP_",    "MKL_",   "OPENBLAS_", "BLIS_", "DNNL_",
    "ONEDNN_", "ATEN_",   "TORCH",   "PYTORCH", "CUDA",   "NVIDIA_", "PYTHON",
    "VIRTUAL_ENV=", "ASAN_", "LSAN_", "TSAN_", "UBSAN_"};

std::vector<char*> environment() {
  std::vector<char*> passed;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const auto begins = [text](std::string_view name) { return text.starts_with(name); };
    if (std::ranges::any_of(kPassedOn, begins)) passed.push_back(*entry);
  }
  passed.push_back(nullptr);
  return passed;
}

/// What a new process does, which shares no lock with anybody: system calls only.
[[noreturn]] void become(char* const* arguments, char* const* surroundings, int socket, int words,
                         int failure) {
  constexpr int kOutOfTheWay = 16;
  ::setsid();  // it has no terminal
  socket = ::fcntl(socket, F_DUPFD_CLOEXEC, kOutOfTheWay);
  words = ::fcntl(words, F_DUPFD_CLOEXEC, kOutOfTheWay);
  failure = ::fcntl(failure, F_DUPFD_CLOEXEC, kOutOfTheWay);
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (nothing >= 0) ::dup2(nothing, STDIN_FILENO);
  if (::dup2(words, STDOUT_FILENO) >= 0 && ::dup2(words, STDERR_FILENO) >= 0 &&
      ::dup2(socket, kWorkerFd) >= 0) {
    // Asio's sockets are not close-on-exec, and a worker has no business with any of them.
    ::syscall(SYS_close_range, kWorkerFd + 1, ~0U, 4U);  // CLOSE_RANGE_CLOEXEC
    ::execve(arguments[0], arguments, surroundings);
  }
  const int error = errno;
  if (::write(failure, &error, sizeof error) < 0) ::_exit(126);
  ::_exit(127);
}

/// The number of the error, or what was started; with `more` flags of clone(2).
std::pair<int, Started> make_process(const Program& program, int socket, int words,
                                     unsigned long more) {
  std::string command = program.command.string(), option = "--fd", fd = std::to_string(kWorkerFd);
  std::string driver = "--gpu";
  const std::array<char*, 5> arguments{command.data(), option.data(), fd.data(),
                                       program.gpu ? driver.data() : nullptr, nullptr};
  std::string files = "KITH_FILES=";
  for (const auto& file : program.files) files += file.string() + "\n";
  std::vector<char*> surroundings = environment();
  surroundings.back() = files.data();
  surroundings.push_back(nullptr);
  std::array<int, 2> failure{};
  if (::pipe2(failure.data(), O_CLOEXEC) != 0) return {errno, Started()};
  const pipe::Fd listening(failure[0]);
  pipe::Fd telling(failure[1]);
  int handle = -1;
  const long pid =
      ::syscall(SYS_clone, more | CLONE_PIDFD | SIGCHLD, nullptr, &handle, nullptr, nullptr);
  if (pid == 0) {
    become(arguments.data(), surroundings.data(), socket, words, telling.get());
  }
  if (pid < 0) return {errno, Started()};
  Started started{static_cast<pid_t>(pid), pipe::Fd(handle)};
  telling = pipe::Fd();
  int error = 0;
  ssize_t got = 0;
  do {
    got = ::read(listening.get(), &error, sizeof error);
  } while (got < 0 && errno == EINTR);
  return {got > 0 ? error : 0, std::move(started)};
}

/// A worker is told one file a line (KITH_FILES).
void require_lines(const Program& program) {
  for (const auto& file : program.files) {
    std::string name = file.string();
    if (name.find('\n') == name.npos) continue;
    std::ranges::replace(name, '\n', ' ');
    throw Failure(EX_CONFIG, "the path " + name +
                                 " has a line break in it, and a worker cannot be told such a file: "
                                 "rename it");
  }
}

Started or_failure(const Program& program, std::pair<int, Started> made) {
  if (made.first == 0) return std::move(made.second);
  throw Failure(EX_UNAVAILABLE, "cannot start the worker " + program.command.string() + ": " +
                                    std::strerror(made.first) + "; correct worker.command");
}

/// Two messages with a descriptor each in, one with the process and its number out.
void launch_for_ever(pipe::Pipe pipe, const Program& program) {
  for (;;) {
    const auto socket = pipe.receive();
    if (!socket) return;
    const auto words = pipe.receive();
    if (!words) return;
    auto [error, started] =
        make_process(program, socket->file.get(), words->file.get(), CLONE_PARENT);
    pipe::Message reply;
    reply.text = std::to_string(error) + " " + std::to_string(started.pid);
    reply.file = std::move(started.handle);
    if (!pipe.send(reply)) return;
  }
}

}  // namespace

Started start(const Program& program, int socket, int words) {
  require_lines(program);
  auto made = make_process(program, socket, words, 0);
  if (made.first != 0 && made.second.pid > 0) ::waitpid(made.second.pid, nullptr, 0);
  return or_failure(program, std::move(made));
}

Launcher::Launcher(Program program) : program_(std::move(program)), pipe_(pipe::Fd()) {
  require_lines(program_);
  auto [ours, theirs] = pipe::make_pipe();
  const pid_t pid = ::fork();
  if (pid < 0) {
    throw Failure(EX_OSERR, std::string("cannot start a process: ") + std::strerror(errno) +
                                "; let this user have more");
  }
  if (pid > 0) {
    pipe_ = pipe::Pipe(std::move(ours));
    return;
  }
  ::setsid();                       // no Ctrl-C: it ends with its pipe
  std::signal(SIGPIPE, SIG_IGN);    // the worker's messages may find nobody any more
  ::prctl(PR_SET_NAME, "kith-launcher");
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  const int pipe = ::fcntl(theirs.get(), F_DUPFD_CLOEXEC, 3);
  const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(nothing, standard);
  if (pipe > 3) ::close_range(3, static_cast<unsigned>(pipe) - 1, 0);
  ::close_range(static_cast<unsigned>(pipe) + 1, ~0U, 0);
  try {
    launch_for_ever(pipe::Pipe(pipe::Fd(pipe)), program_);
  } catch (const std::exception&) {  // kith finds its pipe closed, and says so
  }
  ::_exit(0);
}

Started Launcher::start(int socket, int words) {
  const auto hand_over = [this](int descriptor) {
    pipe::Message message;
    message.text = "start";
    message.file = pipe::Fd(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
    return message.file && pipe_.send(message);
  };
  // The network waits meanwhile, so not for long.
  const auto answers = [this] {
    pollfd answer{pipe_.native_handle(), POLLIN, 0};
    return ::poll(&answer, 1, static_cast<int>(kPatience.count())) > 0;
  };
  const bool asked = pipe_.native_handle() >= 0 && hand_over(socket) && hand_over(words);
  auto answer = asked && answers() ? pipe_.receive() : std::nullopt;
  if (!answer) pipe_ = pipe::Pipe(pipe::Fd());  // what it may answer later would be taken for another
  int error = 0;
  Started started;
  if (answer) {
    const char* const begin = answer->text.data();
    const char* const end = begin + answer->text.size();
    const auto [rest, bad] = std::from_chars(begin, end, error);
    if (bad == std::errc() && rest != end) (void)std::from_chars(rest + 1, end, started.pid);
    started.handle = std::move(answer->file);
  }
  if (!answer || (error == 0 && started.pid <= 0)) {
    throw Failure(EX_SOFTWARE,
                  "the process that starts workers is gone, or stopped; start the node again");
  }
  if (error != 0 && started.pid > 0) ::waitpid(started.pid, nullptr, 0);
  return or_failure(program_, {error, std::move(started)});
}

}  // namespace kith::daemon
