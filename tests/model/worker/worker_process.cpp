#include "tests/model/worker/worker_process.hpp"

#include "model/pipe/memfd.hpp"

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace kith::test {

const std::string& test_device() {
  static const std::string device = [] {
    const char* const chosen = std::getenv("KITH_TEST_DEVICE");
    return std::string(chosen != nullptr ? chosen : "cpu");
  }();
  return device;
}

WorkerProcess::WorkerProcess(const std::vector<std::string>& extra_arguments, As user) {
  auto [ours, theirs] = pipe::make_pipe();
  std::vector<std::string> arguments{KITH_WORKER, "--fd", std::to_string(theirs.get())};
  if (test_device() != "cpu") arguments.push_back("--gpu");
  arguments.insert(arguments.end(), extra_arguments.begin(), extra_arguments.end());
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("cannot fork");
  if (pid_ == 0) {
    fcntl(theirs.get(), F_SETFD, 0);
    constexpr uid_t kNobody = 65534;
    if (user == As::nobody && setresuid(kNobody, kNobody, kNobody) != 0) _exit(126);
    execv(KITH_WORKER, argv.data());
    _exit(127);
  }
  pipe_.emplace(std::move(ours));
}

WorkerProcess::~WorkerProcess() {
  if (pid_ > 0) kill();
}

void WorkerProcess::send(const pipe::Message& message) {
  if (!pipe_->send(message)) throw std::runtime_error("the worker has hung up");
}

pipe::Message WorkerProcess::receive() {
  auto message = pipe_->receive();
  if (!message) throw std::runtime_error("the worker has hung up");
  return std::move(*message);
}

Bytes WorkerProcess::last_file() const {
  constexpr std::size_t kMost = 1 << 28;
  const auto mapped = pipe::SealedMap::open(last_file_, kMost);
  if (const auto* const why = std::get_if<std::string>(&mapped)) throw std::runtime_error(*why);
  const ByteView view = std::get<pipe::SealedMap>(mapped).bytes();
  return {view.begin(), view.end()};
}

void WorkerProcess::write(const char* name, const pipe::Fd& file) const {
  const auto mapped = pipe::SealedMap::open(file, std::size_t{1} << 28);
  if (const auto* const why = std::get_if<std::string>(&mapped)) throw std::runtime_error(*why);
  const ByteView bytes = std::get<pipe::SealedMap>(mapped).bytes();
  std::ofstream out(state_ / name, std::ios::binary);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

void WorkerProcess::kill() {
  ::kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

std::optional<int> WorkerProcess::exit_status(std::chrono::milliseconds within) {
  const auto end = std::chrono::steady_clock::now() + within;
  while (std::chrono::steady_clock::now() < end) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = -1;
      return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return std::nullopt;
}

}  // namespace kith::test
