#pragma once

#include "crypto/bytes.hpp"
#include "model/pipe/messages.hpp"
#include "model/pipe/pipe.hpp"

#include <chrono>
#include <concepts>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <sys/types.h>
#include <variant>
#include <vector>

namespace kith::test {

/// What the tests compute on: "cpu", unless the environment variable KITH_TEST_DEVICE says "cuda".
[[nodiscard]] const std::string& test_device();

/// A worker's first request: one thread, seed 7, 64 scored examples.
[[nodiscard]] inline pipe::Open question(const model::Task& task, const pipe::DataFiles& files,
                                         const std::filesystem::path& state) {
  return {task, files, state.string(), 1, 7, 64, test_device()};
}

/// Whose process it is: of the user who runs the test, or, if that is root, of nobody.
enum class As { oneself, nobody };

/// A kith-worker of our own, at the other end of a real pipe.  As kith does, this writes down what
/// the worker keeps, and has private training counted first.
class WorkerProcess {
 public:
  explicit WorkerProcess(const std::vector<std::string>& extra_arguments = {},
                         As user = As::oneself);
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;
  ~WorkerProcess();  ///< kills what is still running

  template <class Result>
  struct Answer {
    std::variant<pipe::Failure, Result> content;
    pipe::Fd file;
    std::vector<pipe::Progress> progress;
  };

  template <class Operation>
  Answer<typename Operation::Result> try_ask(const Operation& operation, pipe::Fd file = {}) {
    using Result = typename Operation::Result;
    if constexpr (std::same_as<Operation, pipe::Open>) {
      state_ = operation.state;
      private_ = operation.privacy.has_value();
    }
    if constexpr (std::same_as<Operation, pipe::Train>) {
      if (private_) ask(pipe::Spend{operation.round, operation.epochs});
    }
    send({pipe::encode(pipe::Request{++last_id_, operation}), std::move(file)});
    Answer<Result> answer;
    for (;;) {
      pipe::Message message = receive();
      auto parsed = pipe::parse_reply<Result>(message.text);
      if (auto* const error = std::get_if<std::string>(&parsed)) throw std::runtime_error(*error);
      auto& reply = std::get<pipe::Reply<Result>>(parsed);
      if (reply.id != last_id_) throw std::runtime_error("a reply to another request");
      if (auto* const progress = std::get_if<pipe::Progress>(&reply.content)) {
        answer.progress.push_back(*progress);
        continue;
      }
      if (auto* const failure = std::get_if<pipe::Failure>(&reply.content)) {
        answer.content = *failure;
      } else {
        answer.content = std::get<Result>(reply.content);
      }
      answer.file = std::move(message.file);
      if constexpr (std::same_as<Operation, pipe::Checkpoint>) {
        if (answer.file) write(pipe::kCheckpointFile, answer.file);
      }
      if constexpr (std::same_as<Operation, pipe::Spend>) {
        if (answer.file) write(pipe::kLedgerFile, answer.file);
      }
      return answer;
    }
  }

  /// The result; throws what the worker said if it failed.
  template <class Operation>
  typename Operation::Result ask(const Operation& operation, pipe::Fd file = {}) {
    auto answer = try_ask(operation, std::move(file));
    if (auto* const failure = std::get_if<pipe::Failure>(&answer.content)) {
      throw std::runtime_error(failure->error);
    }
    last_file_ = std::move(answer.file);
    return std::get<typename Operation::Result>(answer.content);
  }
  /// The failure; throws if there was none.
  template <class Operation>
  pipe::Failure failure_of(const Operation& operation, pipe::Fd file = {}) {
    return std::get<pipe::Failure>(try_ask(operation, std::move(file)).content);
  }

  void send(const pipe::Message& message);
  pipe::Message receive();
  /// What came with the last result of ask(), mapped, copied.
  [[nodiscard]] Bytes last_file() const;

  [[nodiscard]] pid_t pid() const { return pid_; }
  void hang_up() { pipe_.reset(); }
  void kill();
  /// The exit status, or nullopt if it has not ended by then.
  std::optional<int> exit_status(std::chrono::milliseconds within);

 private:
  void write(const char* name, const pipe::Fd& file) const;

  pid_t pid_ = -1;
  std::filesystem::path state_;
  bool private_ = false;
  std::optional<pipe::Pipe> pipe_;
  std::uint64_t last_id_ = 0;
  pipe::Fd last_file_;
};

}  // namespace kith::test
