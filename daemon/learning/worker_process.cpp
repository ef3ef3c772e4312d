#include "daemon/learning/worker_process.hpp"

#include "daemon/system/failure.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>

extern char** environ;

namespace kith::daemon {
namespace {

using namespace std::chrono_literals;

constexpr int kWorkerFd = 3;
constexpr auto kSilence = 30min;      // without a word during a request: it hangs
constexpr auto kLeaveTaking = 500ms;  // from hang-up to SIGKILL

pid_t spawn(const std::filesystem::path& command, int socket, bool gpu) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, socket, kWorkerFd);
  // Asio's sockets are not close-on-exec, and a worker has no business with any of them.
  posix_spawn_file_actions_addclosefrom_np(&actions, kWorkerFd + 1);
  std::string program = command.string(), option = "--fd", fd = std::to_string(kWorkerFd);
  std::string driver = "--gpu";
  std::array<char*, 5> arguments{program.data(), option.data(), fd.data(),
                                 gpu ? driver.data() : nullptr, nullptr};
  pid_t pid = -1;
  const int error =
      posix_spawn(&pid, program.c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    throw Failure(EX_UNAVAILABLE, "cannot start the worker " + program + ": " +
                                      std::strerror(error) + "; correct worker.command");
  }
  return pid;
}

}  // namespace

std::filesystem::path worker_command(const std::filesystem::path& configured) {
  if (!configured.empty()) return configured;
  std::error_code ec;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", ec);
  return self.parent_path() / "kith-worker";
}

WorkerProcess::WorkerProcess(net::asio::io_context& io, const std::filesystem::path& command,
                             bool gpu)
    : pipe_(pipe::Fd()), watch_(io) {
  auto [ours, theirs] = pipe::make_pipe();
  pid_ = spawn(command, theirs.get(), gpu);
  pipe_ = pipe::Pipe(std::move(ours));
  watch_.assign(pipe_.native_handle());
}

WorkerProcess::~WorkerProcess() {
  hang_up();
  for (auto waited = 0ms; waited < kLeaveTaking; waited += 10ms) {
    if (waitpid(pid_, nullptr, WNOHANG) != 0) return;
    std::this_thread::sleep_for(10ms);
  }
  kill();
}

void WorkerProcess::hang_up() {
  if (std::exchange(hung_up_, true)) return;
  watch_.release();  // ends the wait in receive()
  pipe_ = pipe::Pipe(pipe::Fd());
}

void WorkerProcess::kill() {
  ::kill(pid_, SIGKILL);  // its files appear whole or not at all
  waitpid(pid_, nullptr, 0);
}

void WorkerProcess::send(const pipe::Request& request, const pipe::Fd* file) {
  pipe::Message message;
  message.text = pipe::encode(request);
  if (file) {
    message.file = pipe::Fd(fcntl(file->get(), F_DUPFD_CLOEXEC, 0));
    if (!message.file) {
      throw Failure(EX_TEMPFAIL, "no file descriptor is left; raise the limit (ulimit -n)");
    }
  }
  if (hung_up_ || !pipe_.send(message)) throw WorkerLost("the worker has gone");
}

net::awaitable<pipe::Message> WorkerProcess::receive() {
  net::error_code ec;
  const net::Deadline deadline(watch_.get_executor(), kSilence, [this] { ::kill(pid_, SIGKILL); });
  for (;;) {
    auto message = pipe_.try_receive();
    if (message) co_return std::move(*message);
    if (pipe_.closed()) throw WorkerLost("the worker has gone");
    co_await watch_.async_wait(net::asio::posix::stream_descriptor::wait_read,
                               net::asio::redirect_error(net::use_awaitable, ec));
    if (ec || hung_up_) throw WorkerLost("the worker was let go");
  }
}

}  // namespace kith::daemon
