// A worker that learns nothing: it answers every request at once with made-up numbers, or
// misbehaves as the name of the file of training images says:
//
//   sleeps      as soon as it is opened
//   slow        never finishes training          dies       leaves in the first Average of all
//   blabs       trains without privacy, whatever it is asked for
//   swells      hands over a partial larger than the initial model
//   renames     hands over a partial whose weights have another name
//   fds         reports how many descriptors it was given as the number of parameters
//   killed      ends by SIGKILL in the first training of all
//   aborts      says "all is lost" and crashes there
//   leaves      says "good-bye" and ends with the status 3 there
//   diverges    training always does
//   stumbles    that of the first round does
//   keeps       hands over a checkpoint, "the checkpoint"
//   terminal    reports as the number of parameters 1 if it has a terminal, and 2 if it knows of a
//               password in its environment
//   scripted    takes the loss, the distance and the metric of each model from the files "losses",
//               "distances" and "metrics" in the state folder, lines "name=number" (1 if not
//               there), and writes every request to "requests" there; "examples" in "losses" is how
//               many there are in each row
#include "model/pipe/memfd.hpp"
#include "model/pipe/messages.hpp"
#include "model/pipe/pipe.hpp"
#include "model/snapshot.hpp"

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <unistd.h>

namespace {

using namespace kith;
namespace fs = std::filesystem;

constexpr std::size_t kModel = 200;   // weights
constexpr std::uint64_t kScored = 4;  // examples

Bytes snapshot(const std::string& name, std::size_t weights, float value) {
  return model::write_snapshot({{{name, {weights}}}}, std::vector<float>(weights, value));
}

class FakeWorker {
 public:
  explicit FakeWorker(int fd) : pipe_(pipe::Fd(fd)) {}

  void run() {
    while (auto message = pipe_.receive()) {
      const auto request = pipe::parse_request(message->text);
      if (!std::holds_alternative<pipe::Request>(request)) return;
      id_ = std::get<pipe::Request>(request).id;
      if (behaviour_ == "scripted") {
        std::ofstream(fs::path(state_) / "requests", std::ios::app) << message->text << "\n";
      }
      std::visit([this](const auto& operation) { answer(operation); },
                 std::get<pipe::Request>(request).operation);
    }
  }

 private:
  template <class Result>
  void reply(const Result& result, pipe::Fd file = pipe::Fd()) {
    const pipe::Reply<Result> reply{id_, result};
    const pipe::Message message{pipe::encode(reply), std::move(file)};
    static_cast<void>(pipe_.send(message));
  }
  void reply_rows(std::size_t rows) {
    const Bytes zeros(rows * kScored * sizeof(float));
    reply(pipe::Scored{kScored, 0}, pipe::sealed_memfd("rows", zeros));
  }

  void answer(const pipe::Open& open) {
    if (!open.data.train.empty()) behaviour_ = open.data.train[0].filename().string();
    // In a simulation such a file's name begins so.
    if (behaviour_.starts_with("train-")) behaviour_ = behaviour_.substr(6);
    state_ = open.state;
    if (behaviour_ != "blabs") privacy_ = open.privacy;
    if (behaviour_ == "sleeps") pause();
    pipe::Opened opened;
    opened.train = 10;
    opened.validation = opened.scored = kScored;
    opened.classes = 10;
    if (behaviour_ == "fds") {
      const auto all = fs::directory_iterator("/proc/self/fd");
      opened.parameters = static_cast<std::uint64_t>(std::distance(begin(all), end(all)));
    }
    if (behaviour_ == "terminal") {
      opened.parameters = (getsid(0) == getpid() ? 0U : 1U) + (std::getenv("PASSWORD") ? 2U : 0U);
    }
    opened.guards = {{"network", true, "it has none"}};
    if (behaviour_ == "open") opened.guards.push_back({"reading", false, "it reads what it likes"});
    reply(opened, pipe::sealed_memfd("initial", snapshot("w", kModel, 0)));
  }
  void answer(const pipe::Train& train) {
    if (behaviour_ == "slow") pause();
    if (behaviour_ == "diverges" || (behaviour_ == "stumbles" && train.round == 1)) {
      const pipe::Reply<pipe::Trained> refused{
          id_, pipe::Failure{pipe::FailureKind::diverged, "training diverged in epoch 1"}};
      static_cast<void>(pipe_.send({pipe::encode(refused), pipe::Fd()}));
      return;
    }
    const bool first = !fs::exists(fs::path(state_) / "fell");
    if (first && (behaviour_ == "killed" || behaviour_ == "aborts" || behaviour_ == "leaves")) {
      if (!state_.empty()) std::ofstream(fs::path(state_) / "fell") << "once";
      if (behaviour_ == "killed") raise(SIGKILL);
      std::fprintf(stderr, behaviour_ == "aborts" ? "all is lost\n" : "good-bye\n");
      if (behaviour_ == "aborts") std::abort();
      _exit(3);
    }
    const Bytes model =
        snapshot(behaviour_ == "renames" ? "v" : "w", behaviour_ == "swells" ? kModel + 1 : kModel,
                 static_cast<float>(train.round));
    pipe::Trained trained;
    trained.validation = {1, kScored, {{"accuracy", 0.5}}, {}};
    if (train.baseline) trained.baseline = trained.validation;
    if (privacy_) {  // every round costs 1
      const auto round = static_cast<double>(train.round);
      const double budget = privacy_->epsilon;
      trained.privacy = {std::min(round, std::floor(budget)), round <= budget};
      if (round > budget) return reply(trained);
    }
    reply(trained, pipe::sealed_memfd("partial", model));
  }
  void answer(const pipe::Average&) {
    const fs::path died = fs::path(state_) / "died";
    if (behaviour_ == "dies" && !fs::exists(died)) {
      std::ofstream(died) << "once";
      _exit(1);
    }
    reply(pipe::Evaluation{1, kScored, {{"accuracy", 0.5}}, {}});
  }
  void answer(const pipe::Score& score) {
    if (behaviour_ != "scripted") return reply_rows(2 + score.peers.size());
    std::vector<std::string> models{"M0", "self"};
    models.insert(models.end(), score.peers.begin(), score.peers.end());
    std::vector<float> rows;
    const auto scored = static_cast<std::size_t>(scripted("losses", {"examples"}, kScored)[0]);
    for (const double loss : scripted("losses", models)) {
      rows.insert(rows.end(), scored, static_cast<float>(loss));
    }
    reply(pipe::Scored{scored, 0}, pipe::sealed_memfd("rows", std::as_bytes(std::span(rows))));
  }
  void answer(const pipe::Measure& measure) {
    reply(pipe::Measured{scripted("losses", measure.members)});
  }
  void answer(const pipe::Distance& distance) {
    reply(pipe::Measured{scripted("distances", distance.members)});
  }
  std::vector<double> scripted(const char* file, const std::vector<std::string>& models,
                               double otherwise = 1) {
    std::map<std::string, double> script;
    std::ifstream in(fs::path(state_) / file);
    std::string model;
    while (std::getline(in >> std::ws, model, '=')) in >> script[model];
    std::vector<double> values;
    for (const std::string& name : models) {
      values.push_back(script.contains(name) ? script[name] : otherwise);
    }
    return values;
  }
  /// Of an average, which the script calls "self+a"; 0 if it is not there.  Theta is as good in it
  /// as the own partial.
  double loss_of(std::vector<std::string> members) {
    std::string name;
    for (const std::string& member : members) name += (name.empty() ? "" : "+") + member;
    double otherwise = 0;
    if (members.front() == "averaged") {
      members.front() = "self";
      otherwise = loss_of(members);
    }
    return scripted("losses", {name}, otherwise)[0];
  }
  void answer(const pipe::Keep&) { reply(pipe::Done{}); }
  void answer(const pipe::Initial&) { reply(pipe::Done{}); }
  void answer(const pipe::Graft&) { reply(pipe::Done{}); }
  void answer(const pipe::Refine& refine) {
    pipe::Trained trained;
    trained.best_epoch = refine.epochs;
    trained.validation = {scripted("losses", {refine.name})[0], kScored, {{"accuracy", 0.5}}, {}};
    reply(trained);
  }
  void answer(const pipe::Gradient&) {
    reply(pipe::Sloped{1, 0}, pipe::sealed_memfd("gradient", snapshot("w", kModel, 0)));
  }
  void answer(const pipe::Outcomes& outcomes) {
    if (behaviour_ != "scripted") return reply_rows(2);
    std::vector<float> rows(kScored, 0);
    rows.resize(2 * kScored, static_cast<float>(scripted("metrics", {outcomes.member})[0]));
    reply(pipe::Scored{kScored, 0}, pipe::sealed_memfd("rows", std::as_bytes(std::span(rows))));
  }
  void answer(const pipe::Try& mixture) {
    const auto loss = static_cast<float>(behaviour_ == "scripted" ? loss_of(mixture.members) : 0);
    const auto scored = static_cast<std::size_t>(scripted("losses", {"examples"}, kScored)[0]);
    const std::vector<float> row(scored, loss);
    reply(pipe::Scored{scored, 0}, pipe::sealed_memfd("rows", std::as_bytes(std::span(row))));
  }
  void answer(const pipe::Evaluate&) { reply(pipe::Evaluation{1, kScored, {{"accuracy", 0.5}}, {}}); }
  void answer(const pipe::Predict& predict) {  // each of two classes is as likely
    const std::vector<float> halves(2 * predict.examples, 0.5F);
    reply(pipe::Predicted{predict.examples, 2, 0},
          pipe::sealed_memfd("predictions", std::as_bytes(std::span(halves))));
  }
  void answer(const pipe::Inspect&) {
    reply(pipe::Inspected{{{"w", {kModel}, true, model::Role::shared}}, 1, {1}, 0});
  }
  void answer(const pipe::Checkpoint&) {
    if (behaviour_ != "keeps") return reply(pipe::Checkpointed{});
    const std::string_view text = "the checkpoint";
    reply(pipe::Checkpointed{text.size()}, pipe::sealed_memfd("checkpoint", as_byte_view(text)));
  }
  void answer(const pipe::Spend&) { reply(pipe::Spent{}); }
  void answer(const pipe::Load&) { reply(pipe::Done{}); }
  void answer(const pipe::Forget&) { reply(pipe::Done{}); }
  void answer(const pipe::Serve&) { reply(pipe::Done{}); }

  pipe::Pipe pipe_;
  std::uint64_t id_ = 0;
  std::string behaviour_, state_;
  std::optional<pipe::Privacy> privacy_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 64;
  FakeWorker(std::stoi(argv[2])).run();
}
