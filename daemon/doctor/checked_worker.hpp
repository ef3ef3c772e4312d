#pragma once

#include "daemon/learning/launcher.hpp"
#include "model/pipe/messages.hpp"
#include "model/pipe/pipe.hpp"

#include <chrono>
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

namespace kith::daemon::doctor {

/// The worker does not do what the protocol says; in what way, in a sentence without its end.
struct Deviation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A worker that is looked at: unlike WorkerProcess it waits, sends what nobody should, and is
/// strict.
class CheckedWorker {
 public:
  /// What came back for an operation.
  template <class Operation>
  struct Answer {
    typename Operation::Result result;
    pipe::Fd file;
    std::vector<pipe::Progress> progress;
  };

  /// Starts it; what it writes goes to the file `words`.  Throws Failure if there is no such
  /// program.
  CheckedWorker(const Program& program, std::filesystem::path words);
  ~CheckedWorker();  ///< ends it
  CheckedWorker(const CheckedWorker&) = delete;
  CheckedWorker& operator=(const CheckedWorker&) = delete;

  /// The failure that it answers with, or its result.  Throws Deviation if it answers with anything
  /// else, or not within two minutes of its last message.
  template <class Operation>
  std::variant<pipe::Failure, Answer<Operation>> try_ask(const Operation& operation,
                                                         const pipe::Fd& file = {}) {
    using Result = typename Operation::Result;
    const std::uint64_t id = ++last_id_;
    send(pipe::encode(pipe::Request{id, operation}), file);
    Answer<Operation> answer;
    for (;;) {
      pipe::Message message = receive();
      auto parsed = pipe::parse_reply<Result>(message.text);
      if (const auto* wrong = std::get_if<std::string>(&parsed)) {
        throw Deviation("it answered with \"" + shown(message.text) + "\", and " + *wrong);
      }
      auto& reply = std::get<pipe::Reply<Result>>(parsed);
      if (reply.id != id) throw Deviation("it answered with the id of another request");
      const pipe::Reply<Result> whole{id, Result{}};
      require_known(message.text, pipe::encode(whole));
      if (const auto* progress = std::get_if<pipe::Progress>(&reply.content)) {
        answer.progress.push_back(*progress);
        continue;
      }
      if (auto* failure = std::get_if<pipe::Failure>(&reply.content)) {
        require_sentence(failure->error);
        return *std::move(failure);
      }
      answer.result = std::get<Result>(std::move(reply.content));
      answer.file = std::move(message.file);
      return answer;
    }
  }
  /// The result; throws Deviation if it refuses.
  template <class Operation>
  Answer<Operation> ask(const Operation& operation, const pipe::Fd& file = {}) {
    auto answer = try_ask(operation, file);
    if (const auto* failure = std::get_if<pipe::Failure>(&answer)) {
      throw Deviation("it refused: " + failure->error);
    }
    return std::get<Answer<Operation>>(std::move(answer));
  }
  /// Throws Deviation unless it refuses, with one of these kinds.
  template <class Operation>
  void expect_refusal(const Operation& operation, const std::set<pipe::FailureKind>& kinds,
                      const std::string& what, const pipe::Fd& file = {}) {
    const auto answer = try_ask(operation, file);
    const auto* failure = std::get_if<pipe::Failure>(&answer);
    if (failure == nullptr) throw Deviation("it accepted " + what);
    if (!kinds.contains(failure->kind)) {
      throw Deviation("it refused " + what + " with another kind: " + failure->error);
    }
  }
  /// Sends this text and returns what comes back, whatever it is.
  nlohmann::json exchange(const std::string& text);

  /// Sends what breaks the limits of the pipe.
  void breach(const std::string& text, std::size_t files);
  void send(const std::string& text, const pipe::Fd& file = {});
  pipe::Message receive();  ///< throws Deviation
  void hang_up();
  /// Whether it has ended within that time.
  bool ends_within(std::chrono::milliseconds time);
  /// How many files it has open; nullopt if this user may not know.
  [[nodiscard]] std::optional<std::size_t> open_descriptors() const;

 private:
  static std::string shown(const std::string& text);
  static void require_known(const std::string& answer, const std::string& whole);
  static void require_sentence(const std::string& error);
  [[nodiscard]] std::string last_words() const;

  std::filesystem::path words_;
  pipe::Pipe pipe_;
  Started process_;
  bool ended_ = false;
  int status_ = 0;
  std::uint64_t last_id_ = 0;
};

}  // namespace kith::daemon::doctor
