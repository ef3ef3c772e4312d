#include "daemon/doctor/program.hpp"

#include "model/pipe/fd.hpp"

#include <array>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace kith::daemon::doctor {

using std::chrono::steady_clock;

Said run_program(const std::filesystem::path& command, const std::string& argument,
                 std::chrono::milliseconds patience) {
  constexpr std::size_t kMost = 64 << 10;
  Said said;
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return {{}, 0, std::strerror(errno)};
  const pipe::Fd output(ends[0]);
  pipe::Fd input(ends[1]);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, input.get(), STDOUT_FILENO);
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  std::string program = command.string(), option = argument;
  const std::array<char*, 3> arguments{program.data(), option.data(), nullptr};
  pid_t pid = -1;
  const int error =
      ::posix_spawn(&pid, program.c_str(), &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  input = pipe::Fd();
  if (error != 0) return {{}, 0, std::strerror(error)};
  const auto end = steady_clock::now() + patience;
  const auto left = [end] {
    return std::chrono::duration_cast<std::chrono::milliseconds>(end - steady_clock::now()).count();
  };
  std::array<char, 4096> buffer{};
  for (bool open = true; open && left() > 0;) {
    pollfd ready{output.get(), POLLIN, 0};
    if (::poll(&ready, 1, static_cast<int>(left())) <= 0) continue;
    const ssize_t got = ::read(output.get(), buffer.data(), buffer.size());
    open = got > 0;
    if (open && said.output.size() < kMost)
      said.output.append(buffer.data(), static_cast<std::size_t>(got));
  }
  int status = 0;
  pid_t ended = 0;
  while ((ended = ::waitpid(pid, &status, WNOHANG)) == 0 && left() > 0) ::usleep(5000);
  if (ended == 0) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, &status, 0);
    said.fault = "it does not end within " + std::to_string(patience.count() / 1000) + " s";
    return said;
  }
  said.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return said;
}

}  // namespace kith::daemon::doctor
