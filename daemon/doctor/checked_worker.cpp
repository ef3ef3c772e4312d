#include "daemon/doctor/checked_worker.hpp"

#include "daemon/learning/worker_process.hpp"
#include "daemon/system/disk.hpp"
#include "model/pipe/breach.hpp"

#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace kith::daemon::doctor {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr auto kPatience = std::chrono::minutes(2);  // without a word of it

/// Throws if an object has a field that `known` has not: most likely a slip in the name of one that
/// may be left out.
void require_fields_of(const json& object, const json& known, const std::string& where) {
  for (const auto& [name, value] : object.items()) {
    if (known.contains(name)) continue;
    throw Deviation("the field \"" + name.substr(0, 64) + "\" of " + where +
                    " is none of the protocol's");
  }
}

}  // namespace

CheckedWorker::CheckedWorker(const Program& program, std::filesystem::path words)
    : words_(std::move(words)), pipe_(pipe::Fd()) {
  const File file(words_, O_WRONLY | O_CREAT | O_APPEND);
  auto [ours, theirs] = pipe::make_pipe();
  process_ = start(program, theirs.get(), file.descriptor());
  pipe_ = pipe::Pipe(std::move(ours));
}

CheckedWorker::~CheckedWorker() {
  hang_up();
  if (ends_within(1s)) return;
  ::kill(process_.pid, SIGKILL);
  while (!ends_within(1s)) {
  }
}

void CheckedWorker::send(const std::string& text, const pipe::Fd& file) {
  pipe::Message message;
  message.text = text;
  if (file) message.file = pipe::Fd(::fcntl(file.get(), F_DUPFD_CLOEXEC, 0));
  if (!pipe_.send(message)) throw Deviation("it had hung up" + last_words());
}

pipe::Message CheckedWorker::receive() {
  pollfd ready{pipe_.native_handle(), POLLIN, 0};
  constexpr auto kWait = std::chrono::milliseconds(kPatience).count();
  if (::poll(&ready, 1, static_cast<int>(kWait)) <= 0) {
    ::kill(process_.pid, SIGKILL);
    throw Deviation("it said nothing for two minutes, and was ended");
  }
  auto message = pipe_.receive();
  if (message) return *std::move(message);
  (void)ends_within(2s);
  throw Deviation("it hung up" + last_words());
}

json CheckedWorker::exchange(const std::string& text) {
  send(text);
  const std::string answer = receive().text;
  json parsed = json::parse(answer, nullptr, false);
  if (!parsed.is_object()) throw Deviation("it answered with \"" + shown(answer) + "\", no object");
  return parsed;
}

void CheckedWorker::breach(const std::string& text, std::size_t files) {
  const pipe::Fd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const std::vector<int> attached(files, nothing.get());
  (void)pipe::send_against_limits(pipe_.native_handle(), text, attached);
}

void CheckedWorker::hang_up() { pipe_ = pipe::Pipe(pipe::Fd()); }

bool CheckedWorker::ends_within(std::chrono::milliseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  for (;;) {
    if (!ended_) ended_ = ::waitpid(process_.pid, &status_, WNOHANG) != 0;
    if (ended_ || std::chrono::steady_clock::now() >= end) return ended_;
    std::this_thread::sleep_for(5ms);
  }
}

std::optional<std::size_t> CheckedWorker::open_descriptors() const {
  std::error_code denied;
  const auto all =
      std::filesystem::directory_iterator("/proc/" + std::to_string(process_.pid) + "/fd", denied);
  if (denied) return std::nullopt;
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

std::string CheckedWorker::shown(const std::string& text) {
  constexpr std::size_t kMost = 200;
  return text.size() <= kMost ? text : text.substr(0, kMost) + "...";
}

void CheckedWorker::require_known(const std::string& answer, const std::string& whole) {
  const json known = json::parse(whole), said = json::parse(answer);
  static const json progress =
      json::parse(pipe::encode(pipe::Reply<pipe::Done>{0, pipe::Progress{}}));
  static const json evaluation =
      json::parse(pipe::encode(pipe::Reply<pipe::Evaluation>{0, pipe::Evaluation{}}));
  if (said.contains("progress")) {
    require_fields_of(said["progress"], progress.at("progress"), "a progress");
    return;
  }
  if (!said.value("ok", false)) return;
  require_fields_of(said, known, "its answer");
  for (const char* const name : {"validation", "baseline"}) {
    if (said.contains(name) && said[name].is_object()) {
      require_fields_of(said[name], evaluation, std::string("the evaluation \"") + name + "\"");
    }
  }
}

void CheckedWorker::require_sentence(const std::string& error) {
  if (!error.empty() && error.find('\n') == error.npos) return;
  throw Deviation("it refused with an \"error\" that is not one sentence on one line");
}

std::string CheckedWorker::last_words() const {
  constexpr std::size_t kMost = 1 << 20;
  Ending ending;
  if (ended_) ending.status = status_;
  std::string text = read_text(words_, kMost);
  while (text.ends_with('\n')) text.pop_back();
  ending.last_words = text.substr(text.rfind('\n') + 1);
  if (ended_) return ": " + sentence(ending);
  return ending.last_words.empty() ? "" : "; its last words: " + ending.last_words;
}

}  // namespace kith::daemon::doctor
