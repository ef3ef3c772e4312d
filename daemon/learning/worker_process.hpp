#pragma once

#include "daemon/learning/launcher.hpp"
#include "model/pipe/memfd.hpp"
#include "model/pipe/messages.hpp"
#include "model/pipe/pipe.hpp"
#include "net/asio/asio.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <sys/types.h>

namespace kith::daemon {

/// The worker is gone: it crashed, hung, or answered nonsense; in one sentence.  Start it again.
struct WorkerLost : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The worker refused what it was asked; it is well and waits for the next request.
struct WorkerRefused : std::runtime_error {
  WorkerRefused(pipe::FailureKind why, const std::string& what)
      : std::runtime_error(what), kind(why) {}
  pipe::FailureKind kind;
};

/// The exit status of a node whose worker refused what it cannot do without.
[[nodiscard]] int exit_code(pipe::FailureKind kind);

/// How a process ended, and what to do, in one sentence.
struct Ending {
  int status = 0;           ///< as waitpid() tells it
  std::uint64_t memory = 0; ///< bytes that it held at most
  bool out_of_memory = false;  ///< meanwhile the system ended some process for want of memory
  std::string last_words{};    ///< the last line of its messages
};
[[nodiscard]] std::string sentence(const Ending& ending);

/// The most memory that a process has held, in bytes; 0 if the system does not say.
[[nodiscard]] std::uint64_t peak_memory(pid_t pid);

/// The program to start: `configured`, or if that is empty the kith-worker beside this program.
[[nodiscard]] std::filesystem::path worker_command(const std::filesystem::path& configured);

/// The learning process, and one conversation with it; see docs/worker-protocol.md.
///
/// Ownership: the process ends with this object, at the latest; keep it while a call() waits.
/// Threads: the io thread.  One call() at a time.
class WorkerProcess {
 public:
  /// The answer to `Operation`, and the file that came with it.
  template <class Operation>
  struct Answer {
    typename Operation::Result result;
    pipe::Fd file;
  };
  using OnProgress = std::function<void(const pipe::Progress&)>;

  /// How a worker is started, as start() and Launcher do it.
  using Start = std::function<Started(int socket, int words)>;

  /// Throws Failure(EX_UNAVAILABLE) if there is no such program.
  WorkerProcess(net::asio::io_context& io, const Program& program);
  WorkerProcess(net::asio::io_context& io, const Start& start);
  ~WorkerProcess();
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  /// Asks, and waits for the answer.  `file` travels with the question and must stay open until
  /// then. Throws WorkerLost or WorkerRefused.
  template <class Operation>
  net::awaitable<Answer<Operation>> call(Operation operation, const pipe::Fd* file = nullptr) {
    const std::uint64_t id = ++last_id_;
    const bool sent = send(pipe::Request{id, std::move(operation)}, file);
    if (!sent) co_await lost();
    for (;;) {
      pipe::Message message = co_await receive();
      auto parsed = pipe::parse_reply<typename Operation::Result>(message.text);
      if (const auto* nonsense = std::get_if<std::string>(&parsed)) throw WorkerLost(*nonsense);
      auto& reply = std::get<0>(parsed);
      if (reply.id != id) throw WorkerLost("the worker answered another question");
      if (const auto* progress = std::get_if<pipe::Progress>(&reply.content)) {
        if (on_progress_) on_progress_(*progress);
        // One that sends them without end keeps nobody else from the thread.
        const auto executor = watch_.get_executor();
        co_await net::asio::post(executor, net::use_awaitable);
        continue;
      }
      if (const auto* failure = std::get_if<pipe::Failure>(&reply.content)) {
        throw WorkerRefused(failure->kind, failure->error);
      }
      Answer<Operation> answer;
      answer.result = std::get<2>(std::move(reply.content));
      answer.file = std::move(message.file);
      co_return answer;
    }
  }

  /// Whoever waits in call(), or calls later, finds the worker lost; it leaves by itself.
  void hang_up();

  void on_progress(OnProgress on_progress) { on_progress_ = std::move(on_progress); }
  [[nodiscard]] pid_t pid() const { return process_.pid; }

 private:
  class Words;

  [[nodiscard]] bool send(const pipe::Request& request, const pipe::Fd* file);
  net::awaitable<pipe::Message> receive();
  /// Throws WorkerLost, once it is known how it ended.
  net::awaitable<void> lost();
  /// True once it has ended; asks without waiting.
  bool ended();
  void kill();
  void strike();

  pipe::Pipe pipe_;
  net::asio::posix::stream_descriptor watch_;  // borrows the pipe's descriptor
  OnProgress on_progress_;
  std::uint64_t last_id_ = 0;
  Started process_;
  std::shared_ptr<Words> words_;
  std::uint64_t kills_before_ = 0;
  std::optional<Ending> ending_;
  bool hung_up_ = false, silent_ = false;
};

}  // namespace kith::daemon
