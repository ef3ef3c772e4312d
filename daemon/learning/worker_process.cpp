#include "daemon/learning/worker_process.hpp"

#include "daemon/system/console.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/system/log.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <string_view>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace kith::daemon {
namespace {

using namespace std::chrono_literals;

constexpr auto kSilence = 30min;      // without a word during a request: it hangs
constexpr auto kLeaveTaking = 500ms;  // from hang-up to SIGKILL
constexpr auto kLastBreath = 5s;      // from the end of its pipe to its own: it gives back memory

/// How many processes the system has ended for want of memory, as far as it says.
std::uint64_t out_of_memory_kills() {
  const auto count = [](const std::filesystem::path& file) {
    std::ifstream in(file);
    std::uint64_t value = 0;
    for (std::string name; in >> name >> value;) {
      if (name == "oom_kill") return value;
    }
    return std::uint64_t{0};
  };
  std::uint64_t kills = count("/proc/vmstat");
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    if (!line.starts_with("0::")) continue;
    kills += count("/sys/fs/cgroup" + line.substr(3) + "/memory.events");
  }
  return kills;
}

std::string name_of_signal(int signal) {
  const char* const name = sigabbrev_np(signal);
  return name == nullptr ? "signal " + std::to_string(signal) : "SIG" + std::string(name);
}

}  // namespace

/// The worker's messages, line by line into the log.
class WorkerProcess::Words : public std::enable_shared_from_this<Words> {
 public:
  explicit Words(net::asio::io_context& io) : end_(io) {}

  /// The end for the worker.
  pipe::Fd open() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) {
      throw Failure(EX_TEMPFAIL, "no file descriptor is left; raise the limit (ulimit -n)");
    }
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    end_.assign(ends[0]);
    return pipe::Fd(ends[1]);
  }
  /// Until rest(): so only while somebody waits for the worker does this, too.
  void listen() {
    listening_ = true;
    if (waiting_ || !end_.is_open()) return;
    waiting_ = true;
    end_.async_wait(net::asio::posix::stream_descriptor::wait_read,
                    [self = shared_from_this()](net::error_code ec) {
                      self->waiting_ = false;
                      if (ec || !self->listening_) return;
                      self->read();
                      self->listen();
                    });
  }
  void rest() {
    listening_ = false;
    if (end_.is_open()) end_.cancel();
  }
  /// What has come, without waiting for more; a pipeful, for who writes without end.
  void read() {
    std::array<char, 4096> some{};
    constexpr int kPipeful = 16;
    for (int times = 0; times < kPipeful && end_.is_open(); ++times) {
      const ssize_t got = ::read(end_.native_handle(), some.data(), some.size());
      if (got < 0) return;
      if (got == 0) return end_.close();
      for (const char c : std::string_view(some.data(), static_cast<std::size_t>(got))) add(c);
    }
  }
  [[nodiscard]] const std::string& last() const { return last_; }

 private:
  static constexpr std::size_t kMaxLine = 500;   // bytes
  static constexpr unsigned kMaxLines = 200;     // of one worker

  void add(char c) {
    if (c != '\n') {
      if (line_.size() < kMaxLine) line_ += c;
      return;
    }
    if (line_.empty()) return;
    last_ = std::exchange(line_, {});
    if (++lines_ <= kMaxLines) log::info("worker_says", {{"line", last_}});
    if (lines_ == kMaxLines) log::warn("worker_says", {{"line", "more than will be shown"}});
  }

  net::asio::posix::stream_descriptor end_;
  std::string line_, last_;
  unsigned lines_ = 0;
  bool listening_ = false, waiting_ = false;
};

int exit_code(pipe::FailureKind kind) {
  switch (kind) {
    case pipe::FailureKind::config:
    case pipe::FailureKind::diverged:
      return EX_CONFIG;
    case pipe::FailureKind::data:
      return EX_DATAERR;
    case pipe::FailureKind::disk:
      return EX_IOERR;
    case pipe::FailureKind::permission:
      return EX_NOPERM;
    case pipe::FailureKind::memory:
      return EX_OSERR;
    case pipe::FailureKind::software:
      break;
  }
  return EX_SOFTWARE;
}

std::string sentence(const Ending& ending) {
  const std::string held = ", when it held " + human_bytes(ending.memory);
  const std::string said =
      ending.last_words.empty() ? "" : "; its last words: " + ending.last_words;
  if (WIFEXITED(ending.status)) {
    const int code = WEXITSTATUS(ending.status);
    return "the worker ended by itself with exit status " + std::to_string(code) + held + said +
           (code == 0 ? "; it should end with its pipe only" : "; see its messages in the log");
  }
  const int signal = WTERMSIG(ending.status);
  if (signal == SIGKILL && ending.out_of_memory) {
    return "the system killed the worker for want of memory" + held +
           "; give this machine more, or lower task.batch, task.sizes or worker.threads";
  }
  if (signal == SIGKILL) {
    return "the worker was killed (SIGKILL)" + held +
           "; if nobody did it, the machine may have been short of memory: see dmesg" + said;
  }
  if (signal == SIGILL) {
    return "the worker crashed (SIGILL)" + held +
           "; this processor may lack an instruction that its LibTorch wants: install another build" +
           said;
  }
  if (signal == SIGTERM || signal == SIGINT || signal == SIGHUP) {
    return "somebody ended the worker (" + name_of_signal(signal) + ")" + held;
  }
  return "the worker crashed (" + name_of_signal(signal) + ")" + held +
         "; if it does so again, report it with its messages in the log" + said;
}

std::uint64_t peak_memory(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string word; status >> word;) {
    std::uint64_t kibibytes = 0;
    if (word == "VmHWM:" && status >> kibibytes) return kibibytes << 10;
  }
  return 0;
}

std::filesystem::path worker_command(const std::filesystem::path& configured) {
  if (!configured.empty()) return configured;
  std::error_code ec;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", ec);
  return self.parent_path() / "kith-worker";
}

WorkerProcess::WorkerProcess(net::asio::io_context& io, const Start& start)
    : pipe_(pipe::Fd()), watch_(io) {
  auto [ours, theirs] = pipe::make_pipe();
  words_ = std::make_shared<Words>(io);
  const pipe::Fd words = words_->open();
  kills_before_ = out_of_memory_kills();
  process_ = start(theirs.get(), words.get());
  pipe_ = pipe::Pipe(std::move(ours));
  watch_.assign(pipe_.native_handle());
}

WorkerProcess::WorkerProcess(net::asio::io_context& io, const Program& program)
    : WorkerProcess(io, [&](int socket, int words) { return start(program, socket, words); }) {}

WorkerProcess::~WorkerProcess() {
  hang_up();
  for (auto waited = 0ms; waited < kLeaveTaking; waited += 10ms) {
    if (ended()) return;
    std::this_thread::sleep_for(10ms);
  }
  kill();
}

void WorkerProcess::hang_up() {
  if (std::exchange(hung_up_, true)) return;
  watch_.release();  // ends the wait in receive()
  words_->rest();
  pipe_ = pipe::Pipe(pipe::Fd());
}

bool WorkerProcess::ended() {
  if (ending_) return true;
  Ending ending;
  rusage usage{};
  const pid_t found = wait4(process_.pid, &ending.status, WNOHANG, &usage);
  if (found == 0 || (found < 0 && errno == EINTR)) return false;  // else it is gone, at any rate
  words_->read();
  ending.memory = static_cast<std::uint64_t>(usage.ru_maxrss) << 10;
  ending.out_of_memory = out_of_memory_kills() > kills_before_;
  ending.last_words = words_->last();
  ending_ = std::move(ending);
  return true;
}

void WorkerProcess::kill() {
  if (ended()) return;
  strike();  // it writes no file
  while (!ended()) std::this_thread::sleep_for(1ms);
}

// By what stands for the process: a process that was closed may signal no number.
void WorkerProcess::strike() {
  ::syscall(SYS_pidfd_send_signal, process_.handle.get(), SIGKILL, nullptr, 0);
}

bool WorkerProcess::send(const pipe::Request& request, const pipe::Fd* file) {
  pipe::Message message;
  message.text = pipe::encode(request);
  if (file) {
    message.file = pipe::Fd(fcntl(file->get(), F_DUPFD_CLOEXEC, 0));
    if (!message.file) {
      throw Failure(EX_TEMPFAIL, "no file descriptor is left; raise the limit (ulimit -n)");
    }
  }
  return !hung_up_ && pipe_.send(message);
}

net::awaitable<pipe::Message> WorkerProcess::receive() {
  struct Listening {
    explicit Listening(std::shared_ptr<Words> whose) : words(std::move(whose)) { words->listen(); }
    ~Listening() { words->rest(); }
    Listening(const Listening&) = delete;
    Listening& operator=(const Listening&) = delete;
    std::shared_ptr<Words> words;
  };
  net::error_code ec;
  const Listening listening(words_);
  const net::Deadline deadline(watch_.get_executor(), kSilence, [this] {
    silent_ = true;
    strike();
  });
  for (;;) {
    auto message = pipe_.try_receive();
    if (message) co_return std::move(*message);
    if (pipe_.closed()) co_await lost();
    co_await watch_.async_wait(net::asio::posix::stream_descriptor::wait_read,
                               net::asio::redirect_error(net::use_awaitable, ec));
    if (ec || hung_up_) throw WorkerLost("the worker was let go");
  }
}

// It has closed its pipe, most likely by ending.
net::awaitable<void> WorkerProcess::lost() {
  if (hung_up_) throw WorkerLost("the worker was let go");
  net::asio::steady_timer timer(watch_.get_executor());
  for (auto waited = 0ms; !ended() && waited < kLastBreath; waited += 10ms) {
    net::error_code ec;
    timer.expires_after(10ms);
    co_await timer.async_wait(net::asio::redirect_error(net::use_awaitable, ec));
  }
  if (hung_up_) throw WorkerLost("the worker was let go");
  if (!ended()) {
    kill();
    throw WorkerLost("the worker closed its pipe and did not end; it was killed");
  }
  if (silent_) {
    throw WorkerLost("the worker said nothing for 30 minutes and was ended, when it held " +
                     human_bytes(ending_->memory));
  }
  throw WorkerLost(sentence(*ending_));
}

}  // namespace kith::daemon
