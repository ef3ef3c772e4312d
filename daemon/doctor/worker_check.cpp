#include "daemon/doctor/worker_check.hpp"

#include "daemon/doctor/checked_worker.hpp"
#include "daemon/doctor/program.hpp"
#include "daemon/learning/encoded_snapshot.hpp"
#include "daemon/learning/learner.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "model/data/dataset.hpp"
#include "model/data/file.hpp"
#include "model/data/inputs.hpp"
#include "model/pipe/memfd.hpp"
#include "model/snapshot.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <sstream>
#include <unistd.h>
#include <utility>

namespace kith::daemon::doctor {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using nlohmann::json;
using pipe::FailureKind;
using pipe::ModelName;
using pipe::Split;

/// For what is to happen within a second: this machine may be busy.
constexpr auto kGrace = 5s;

/// What a worker need not offer, and has said so.
struct NotOffered : std::runtime_error {
  using std::runtime_error::runtime_error;
};

void require(bool holds, const std::string& otherwise) {
  if (!holds) throw Deviation(otherwise);
}

std::string text(double number) {
  std::ostringstream out;
  out.precision(6);
  out << number;
  return out.str();
}

void require_near(double one, double other, const std::string& what, double tolerance = 1e-4) {
  const double scale = std::max({1.0, std::abs(one), std::abs(other)});
  require(std::abs(one - other) <= tolerance * scale,
          what + ": " + text(one) + " and " + text(other));
}

Bytes bytes_of(const pipe::Fd& file, const std::string& what) {
  require(static_cast<bool>(file), "no file came with " + what);
  const auto mapped = pipe::SealedMap::open(file, kLargestSnapshot);
  if (const auto* why = std::get_if<std::string>(&mapped)) throw Deviation(what + ": " + *why);
  const ByteView view = std::get<pipe::SealedMap>(mapped).bytes();
  return {view.begin(), view.end()};
}

std::vector<float> floats_of(const pipe::Fd& file, std::size_t count, const std::string& what) {
  const Bytes bytes = bytes_of(file, what);
  require(bytes.size() == count * sizeof(float),
          what + " has " + std::to_string(bytes.size()) + " bytes, not the " +
              std::to_string(count * sizeof(float)) + " of " + std::to_string(count) + " numbers");
  std::vector<float> values(count);
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

/// A model that was handed over, which must be laid out as M0 is.
std::vector<float> model_of(const Bytes& file, const model::Schema& schema,
                            const std::string& what) {
  const auto read = model::read_peer_snapshot(file, schema);
  if (const auto* error = std::get_if<model::SnapshotError>(&read)) {
    throw Deviation(what + " is not laid out as M0 is: " + error->what);
  }
  return std::get<model::Snapshot>(read).copy_values();
}

double length(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
  }
  return std::sqrt(sum);
}

double mean(std::span<const float> values) {
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value);
  return sum / static_cast<double>(values.size());
}

/// What an evaluation should be, whatever the model.
void require_sound(const pipe::Evaluation& judged, const model::Task& task,
                   std::uint64_t examples) {
  require(judged.examples == examples || model::predicts_words(task),
          "an evaluation is of " + std::to_string(judged.examples) + " examples, and there are " +
              std::to_string(examples));
  const std::string metric = model::metric_of(task);
  require(judged.metrics.contains(metric),
          "an evaluation lacks the metric \"" + metric + "\", which people are told first");
  if (judged.confusion.empty()) return;
  require(judged.confusion.size() == std::size_t{task.classes} * task.classes,
          "\"confusion\" does not have a number for each pair of classes");
  std::uint64_t all = 0;
  for (const std::uint64_t count : judged.confusion) all += count;
  require(all == judged.examples, "\"confusion\" does not add up to \"examples\"");
}

/// Two nodes of one task, the worker of each, and what is known of them.
class Scene {
 public:
  Scene(Config config, fs::path folder) : config_(std::move(config)), folder_(std::move(folder)) {}

  /// A new state folder, whose name is not the plainest.
  fs::path new_state() {
    const fs::path path = folder_ / ("state no. " + std::to_string(++states_) + " \xc3\xa4");
    on_disk("create", [&] { fs::create_directories(path); });
    return path;
  }
  [[nodiscard]] pipe::Open request(const fs::path& state, std::uint64_t seed = 1) const {
    Config own = config_;
    own.node.state = state;
    own.learning.seed = seed;
    own.learning.score_examples = kAll;
    pipe::Open open = opening(own);
    open.data.split_key = "node " + std::to_string(seed);
    open.privacy.reset();
    return open;
  }
  [[nodiscard]] std::unique_ptr<CheckedWorker> start(const fs::path& state) const {
    Config own = config_;
    own.node.state = state;
    return std::make_unique<CheckedWorker>(worker_program(own), folder_ / "what it wrote");
  }

  /// The first node's worker, with a partial of its own, and the second's as "peer".
  CheckedWorker& ready() {
    if (worker_) return *worker_;
    state_ = new_state();
    worker_ = start(state_);
    const pipe::Open open = request(state_);
    auto answer = worker_->ask(open);
    opened = answer.result;
    initial = bytes_of(answer.file, "M0");
    const auto read = model::read_snapshot(initial);
    if (const auto* error = std::get_if<model::SnapshotError>(&read)) {
      throw Deviation("M0 is no snapshot: " + error->what);
    }
    schema = std::get<model::Snapshot>(read).schema;
    partial = train(*worker_, 1);
    if (peer.empty()) {
      const fs::path other_state = new_state();
      const auto other = start(other_state);
      const pipe::Open same_task = request(other_state, 2);
      const auto others = other->ask(same_task);
      other_initial = bytes_of(others.file, "the other node's M0");
      other_frozen = others.result.frozen;
      peer = train(*other, 1);
    }
    load(*worker_, "peer", peer);
    return *worker_;
  }
  /// Whatever became of it, the next check begins with another.
  void replace() { worker_.reset(); }

  static Bytes train(CheckedWorker& worker, std::uint64_t round, std::uint64_t epochs = 2) {
    const pipe::Train train{round, epochs, true};
    const auto answer = worker.ask(train);
    return bytes_of(answer.file, "the partial");
  }
  static void load(CheckedWorker& worker, const std::string& name, const Bytes& snapshot) {
    const pipe::Fd file = pipe::sealed_memfd("snapshot", snapshot);
    const pipe::Load load{name};
    worker.ask(load, file);
  }
  [[nodiscard]] Bytes snapshot(const std::vector<float>& values) const {
    return model::write_snapshot(schema, values);
  }
  /// Rows of scores: M0's, the partial's, and those of `peers`.
  std::vector<std::vector<float>> score(CheckedWorker& worker, std::vector<std::string> peers,
                                        std::uint64_t examples = 0) const {
    const std::size_t count = 2 + peers.size();
    const pipe::Score question{std::move(peers), examples};
    const auto answer = worker.ask(question);
    const std::uint64_t wanted = examples == 0 ? opened.scored : std::min(examples, opened.scored);
    require(answer.result.examples == wanted, "it scored " +
                                                  std::to_string(answer.result.examples) +
                                                  " examples, not " + std::to_string(wanted));
    const auto all = floats_of(answer.file, count * wanted, "the scores");
    std::vector<std::vector<float>> rows;
    for (std::size_t i = 0; i < count; ++i) {
      const auto from = all.begin() + static_cast<std::ptrdiff_t>(i * wanted);
      rows.emplace_back(from, from + static_cast<std::ptrdiff_t>(wanted));
    }
    return rows;
  }
  std::vector<float> row_of(CheckedWorker& worker, const pipe::Mixture& mixture) const {
    const pipe::Try question{mixture};
    const auto answer = worker.ask(question);
    return floats_of(answer.file, opened.scored, "the scores of try");
  }
  [[nodiscard]] const model::Task& task() const { return config_.task; }
  [[nodiscard]] const Config& config() const { return config_; }
  [[nodiscard]] const fs::path& state() const { return state_; }
  /// Of the split.
  [[nodiscard]] std::uint64_t examples(Split split) const {
    return split == Split::train  ? opened.train
           : split == Split::test ? opened.test
                                  : opened.validation;
  }

  pipe::Opened opened;        ///< of the first node
  Bytes initial, partial;     ///< of the first node, in round 1
  model::Schema schema;       ///< of what travels
  Bytes other_initial, peer;  ///< the second node's
  std::string other_frozen;

 private:
  static constexpr std::uint64_t kAll = 1 << 20;  // examples to score
  Config config_;
  fs::path folder_, state_;
  unsigned states_ = 0;
  std::unique_ptr<CheckedWorker> worker_;
};

/// Asks for what a worker need not offer.
template <class Operation>
CheckedWorker::Answer<Operation> ask_for(CheckedWorker& worker, const Operation& operation) {
  auto answer = worker.try_ask(operation);
  if (const auto* failure = std::get_if<pipe::Failure>(&answer)) {
    if (failure->kind == FailureKind::config) throw NotOffered(failure->error);
    throw Deviation("it refused: " + failure->error);
  }
  return std::get<CheckedWorker::Answer<Operation>>(std::move(answer));
}

// ---- Opening ----

void before_open(Scene& scene) {
  const auto worker = scene.start(scene.new_state());
  const pipe::Evaluate early{ModelName::served, Split::validation};
  worker->expect_refusal(early, {FailureKind::software}, "evaluate before open");
}

void no_requests(Scene& scene) {
  CheckedWorker& worker = scene.ready();
  struct Bad {
    std::string text;
    std::uint64_t id;
  };
  const std::vector<Bad> all{{"nonsense", 0},
                             {"[1]", 0},
                             {"\xff\xfe", 0},
                             {"{\"op\":\"forget\",\"peer\":\"a\"}", 0},
                             {"{\"id\":71,\"op\":\"dance\"}", 71},
                             {"{\"id\":72,\"op\":\"train\",\"round\":1}", 72},
                             {"{\"id\":73,\"op\":\"load\",\"peer\":7}", 73},
                             {std::string(30'000, '[') + std::string(30'000, ']'), 0}};
  for (const Bad& bad : all) {
    const json answer = worker.exchange(bad.text);
    const std::string shown = bad.text.substr(0, 40);
    const auto reply = pipe::parse_reply<pipe::Done>(answer.dump());
    const auto* parsed = std::get_if<pipe::Reply<pipe::Done>>(&reply);
    const auto* failure = parsed ? std::get_if<pipe::Failure>(&parsed->content) : nullptr;
    require(failure != nullptr, "to \"" + shown + "\" it answered " + answer.dump());
    require(failure->kind == FailureKind::software && parsed->id == bad.id,
            "to \"" + shown + "\" it answered " + answer.dump() + ", not with the id " +
                std::to_string(bad.id) + " and the kind software");
  }
}

void open_says(Scene& scene) {
  scene.ready();
  const pipe::Opened& opened = scene.opened;
  require(opened.train > 0 && opened.validation > 0, "it found no examples");
  require(opened.scored == opened.validation,
          "\"scored\" is " + std::to_string(opened.scored) + " though all " +
              std::to_string(opened.validation) + " validation examples were to be scored");
  require(opened.classes == scene.task().classes, "\"classes\" is not that of the task");
  require(opened.round == 0 && !opened.resumed, "it went on from a checkpoint that is not there");
  require(opened.parameters >= scene.schema.parameters(),
          "\"parameters\" is less than M0 has numbers");
  (void)model_of(scene.initial, scene.schema, "M0");
}

void same_start(Scene& scene) {
  scene.ready();
  require(scene.initial == scene.other_initial,
          "another node of the same task, with another seed, got another M0");
  require(scene.opened.frozen == scene.other_frozen,
          "another node of the same task, with another seed, got another \"frozen\"");
}

void open_once(Scene& scene) {
  CheckedWorker& worker = scene.ready();
  const pipe::Open again = scene.request(scene.state());
  worker.expect_refusal(again, {FailureKind::software}, "a second open");
}

void open_refuses(Scene& scene) {
  const fs::path state = scene.new_state();
  const auto worker = scene.start(state);
  pipe::Open open = scene.request(state);
  open.data.train = {state / "not there.csv"};
  worker->expect_refusal(open, {FailureKind::data, FailureKind::permission},
                         "a file of examples that is not there");
  open = scene.request(state);
  open.data.min_validation = 1'000'000'000;
  worker->expect_refusal(open, {FailureKind::data},
                         "fewer validation examples than min_validation");
  open = scene.request(state / "not there");
  worker->expect_refusal(open, {FailureKind::config, FailureKind::permission},
                         "a state folder that is not there");
  const pipe::Open good = scene.request(state);
  worker->ask(good);
}

void later_fields(Scene& scene) {
  CheckedWorker& worker = scene.ready();
  const json answer =
      worker.exchange(R"({"id":99,"op":"forget","peer":"nobody","colour":{"of":["later"]}})");
  require(answer.value("ok", false) && answer.value("id", 0) == 99, "it answered " + answer.dump());
}

// ---- Training ----

void trains(Scene& scene) {
  CheckedWorker& worker = scene.ready();
  const pipe::Train question{2, 3, true};
  const auto answer = worker.ask(question);
  const pipe::Trained& trained = answer.result;
  (void)model_of(bytes_of(answer.file, "the partial"), scene.schema, "the partial");
  require(trained.best_epoch >= 1 && trained.best_epoch <= 3, "\"best_epoch\" is none of 1 to 3");
  require(trained.baseline.has_value(), "no baseline came though one was asked for");
  require(!trained.privacy.has_value(), "it reports privacy that nobody asked for");
  require_sound(trained.validation, scene.task(), scene.opened.validation);
  const pipe::Evaluate own{ModelName::partial, Split::validation};
  const auto judged = worker.ask(own);
  require_near(judged.result.loss, trained.validation.loss,
               "evaluate and train give another loss of the partial");
  scene.replace();
}

void tells_progress(Scene& scene) {
  CheckedWorker& worker = scene.ready();
  const pipe::Train question{2, 3, false};
  const auto answer = worker.ask(question);
  std::uint64_t last = 0;
  for (const pipe::Progress& progress : answer.progress) {
    if (progress.phase != "partial") continue;
    require(progress.epochs == 3 && progress.epoch >= last && progress.epoch <= 3,
            "epoch " + std::to_string(progress.epoch) + " of " + std::to_string(progress.epochs) +
                " came after epoch " + std::to_string(last));
    last = progress.epoch;
  }
  require(last == 3, "no progress told of the last of three epochs, with \"phase\" partial");
  require(!answer.result.baseline, "a baseline came though none was asked for");
  scene.replace();
}

void repeats_itself(Scene& scene) {
  scene.ready();
  const Bytes before = scene.partial;
  scene.replace();
  scene.ready();  // another process, the same seed
  require(scene.partial == before, "the same seed, round and theta gave another partial");
}

void baseline_is_honest(Scene& scene) {
  CheckedWorker& worker = scene.ready();
  const pipe::Evaluate own{ModelName::partial, Split::validation};
  const pipe::Evaluate alone{ModelName::baseline, Split::validation};
  require_near(worker.ask(own).result.loss, worker.ask(alone).result.loss,
               "after round 1, in which both start from M0, partial and baseline differ", 1e-6);
}

void train_refuses(Scene& scene) {
  CheckedWorker& worker = scene.ready();
  const auto before = scene.score(worker, {});
  const pipe::Train none{2, 0, true};
  worker.expect_refusal(none, {FailureKind::config}, "training for 0 epochs");
  const pipe::Train pulled{2, 1, true, pipe::Pull{"nobody", 1}};
  worker.expect_refusal(pulled, {FailureKind::software},
                        "a pull towards a model that is not there");
  require(scene.score(worker, {}) == before, "a refused training changed the partial");
}

void keeps_layers(Scene& scene) {
  CheckedWorker& worker = scene.ready();
  const auto start = model_of(scene.initial, scene.schema, "M0");
  for (const pipe::Layers layers : {pipe::Layers::last, pipe::Layers::others}) {
    const pipe::Train question{2, 1, false, {}, layers};
    const auto answer = ask_for(worker, question);
    const auto after = model_of(bytes_of(answer.file, "the partial"), scene.schema, "the partial");
    if (scene.task().model == "script") continue;  // what is last there follows from the names
    std::size_t at = 0;
    for (const model::TensorSpec& tensor : scene.schema.tensors) {
      const bool last = tensor.name.starts_with("output.");
      const auto size = static_cast<std::size_t>(model::Schema{{tensor}}.parameters());
      const bool changed = !std::equal(start.begin() + static_cast<std::ptrdiff_t>(at),
                                       start.begin() + static_cast<std::ptrdiff_t>(at + size),
                                       after.begin() + static_cast<std::ptrdiff_t>(at));
      at += size;
      require(!changed || last == (layers == pipe::Layers::last),
              "the tensor " + tensor.name + " changed, in training with \"layers\" " +
                  (last ? "others" : "last"));
    }
  }
  scene.replace();
}

void pulls(Scene& scene) {
  CheckedWorker& worker = scene.ready();
  const auto start = model_of(scene.initial, scene.schema, "M0");
  const auto moved = [&](const std::optional<pipe::Pull>& pull) {
    const pipe::Train question{2, 2, false, pull};
    const auto answer = ask_for(worker, question);
    return length(start, model_of(bytes_of(answer.file, "the partial"), scene.schema, "it"));
  };
  const double freely = moved({}), weakly = moved(pipe::Pull{"averaged", 0});
  require_near(freely, weakly, "a pull of strength 0 changes the partial", 1e-3);
  const double strength = 0.5 / scene.task().learning_rate;
  require(moved(pipe::Pull{"averaged", strength}) < freely,
          "a pull towards theta leaves the partial as far from it as none");
  scene.replace();
}

// ---- Peers ----

void loads(Scene& scene) {
  CheckedWorker& worker = scene.ready();
  Scene::load(worker, "copy", scene.partial);
  const auto rows = scene.score(worker, {"copy", "peer"});
  for (std::size_t i = 0; i < rows[1].size(); ++i) {
    require_near(static_cast<double>(rows[1][i]), static_cast<double>(rows[2][i]),
                 "the partial, loaded as a peer's, scores otherwise than the partial");
  }
  const pipe::Forget forget{"copy"};
  worker.ask(forget);
  const pipe::Score gone{{"copy"}};
  worker.expect_refusal(gone, {FailureKind::software}, "to score a peer that it had to forget");
}

void load_refuses(Scene& scene) {
  CheckedWorker& worker = scene.ready();
  const auto before = scene.score(worker, {"peer"});
  const pipe::Load load{"peer"};
  const auto refuse = [&](const std::string& what, const pipe::Fd& file, FailureKind kind) {
    worker.expect_refusal(load, {kind}, what, file);
  };
  refuse("load without a file", pipe::Fd(), FailureKind::software);
  {
    std::FILE* const unsealed = std::tmpfile();
    require(unsealed != nullptr, "there is no room for a temporary file");
    std::fwrite(scene.peer.data(), 1, scene.peer.size(), unsealed);
    std::fflush(unsealed);
    const pipe::Fd file(::dup(::fileno(unsealed)));
    std::fclose(unsealed);
    refuse("a snapshot in a file that is not sealed", file, FailureKind::data);
  }
  const auto sealed = [](const Bytes& bytes) { return pipe::sealed_memfd("snapshot", bytes); };
  Bytes bad = scene.peer;
  bad.pop_back();
  refuse("a snapshot that is a byte short", sealed(bad), FailureKind::data);
  bad = scene.peer;
  bad.push_back(std::byte{0});
  refuse("a snapshot with a byte too many", sealed(bad), FailureKind::data);
  bad = scene.peer;
  bad[10] ^= std::byte{1};
  refuse("a snapshot with a tensor of another name", sealed(bad), FailureKind::data);
  auto values = model_of(scene.peer, scene.schema, "the peer's snapshot");
  auto strange = values;
  strange.back() = std::nanf("");
  refuse("a snapshot with a number that is none", sealed(scene.snapshot(strange)),
         FailureKind::data);
  for (const char* const own : {"self", "averaged", "baseline", "served"}) {
    const pipe::Load as_own{own};
    worker.expect_refusal(as_own, {FailureKind::software},
                          std::string("a peer called \"") + own + "\"", sealed(scene.peer));
  }
  // Theta is as long as M0 or longer: a thousand times the longer of the two is above any limit.
  const pipe::Average theta{{{"self"}, {1}}};
  worker.ask(theta);
  const auto known = model_of(scene.partial, scene.schema, "the partial");
  const auto start = model_of(scene.initial, scene.schema, "M0");
  const std::vector<float> nothing(known.size(), 0.0F);
  const double longest = std::max(length(known, nothing), length(start, nothing));
  const double far = 1000 * longest / std::sqrt(static_cast<double>(known.size()));
  const std::vector<float> absurd(known.size(), static_cast<float>(far));
  refuse("a snapshot with a norm of a thousand times that of theta", sealed(scene.snapshot(absurd)),
         FailureKind::data);
  require(scene.score(worker, {"peer"}) == before,
          "a snapshot that was refused changed what was there of that peer");
  scene.replace();
}

void scores(Scene& scene) {
  CheckedWorker& worker = scene.ready();
  const auto rows = scene.score(worker, {"peer", "averaged", "baseline"});
  const double most = model::largest_score(scene.task()) * (1 + 1e-5);
  for (const auto& row : rows) {
    for (const float value : row) {
      require(value >= 0 && static_cast<double>(value) <= most,
              "a score is " + text(static_cast<double>(value)) + ", and they are from 0 to " +
                  text(most));
    }
  }
  require(rows[0] == rows[3], "theta is M0 before the first average, and scores otherwise");
  require(scene.score(worker, {"peer", "averaged", "baseline"}) == rows,
          "asked again, it gave other scores");
}

void scores_some(Scene& scene) {
  CheckedWorker& worker = scene.ready();
  const std::uint64_t some = (scene.opened.scored + 1) / 2;
  const auto few = scene.score(worker, {"peer"}, some), all = scene.score(worker, {"peer"});
  for (std::size_t row = 0; row < few.size(); ++row) {
    require(std::equal(few[row].begin(), few[row].end(), all[row].begin()),
            "the scores of the first " + std::to_string(some) +
                " examples are others when all are asked for");
  }
  (void)scene.score(worker, {"peer"}, scene.opened.scored + 1000);
}

void scores_follow(Scene& scene) {
  const model::Task& task = scene.task();
  if (!task.class_weights.empty()) throw NotOffered("the task weighs its classes");
  CheckedWorker& worker = scene.ready();
  auto scored = scene.score(worker, {})[1];
  const pipe::Outcomes question{"self", Split::validation};
  const auto answer = worker.ask(question);
  const auto both = floats_of(answer.file, 2 * scene.opened.validation, "the rows of outcomes");
  std::vector<float> expected;
  for (std::size_t i = 0; i < scene.opened.validation; ++i) {
    expected.push_back(static_cast<float>(model::score(task, static_cast<double>(both[i]))));
  }
  std::ranges::sort(scored);
  std::ranges::sort(expected);
  for (std::size_t i = 0; i < scored.size(); ++i) {
    require_near(static_cast<double>(scored[i]), static_cast<double>(expected[i]),
                 "scores do not follow from the losses that outcomes gives", 1e-3);
  }
}

// ---- Averages ----

void tries(Scene& scene) {
  CheckedWorker& worker = scene.ready();
  const auto before = scene.score(worker, {"peer"});
  require(scene.row_of(worker, {{"self"}, {1}}) == before[1],
          "the average of the partial alone scores otherwise than the partial");
  require(scene.row_of(worker, {{"self", "peer"}, {1, 3}}) ==
              scene.row_of(worker, {{"self", "peer"}, {0.25, 0.75}}),
          "weights are not divided by their sum");
  require(scene.score(worker, {"peer"}) == before, "try changed a model");
  // The same average, made here.
  const auto own = model_of(scene.partial, scene.schema, "the partial");
  const auto other = model_of(scene.peer, scene.schema, "the peer's snapshot");
  std::vector<float> average;
  for (std::size_t i = 0; i < own.size(); ++i) {
    average.push_back(static_cast<float>(0.25 * static_cast<double>(own[i]) +
                                         0.75 * static_cast<double>(other[i])));
  }
  Scene::load(worker, "made here", scene.snapshot(average));
  const auto row = scene.row_of(worker, {{"self", "peer"}, {1, 3}});
  const auto expected = scene.score(worker, {"made here"})[2];
  for (std::size_t i = 0; i < row.size(); ++i) {
    require_near(static_cast<double>(row[i]), static_cast<double>(expected[i]),
                 "the average of two models is not what their numbers' average scores", 1e-3);
  }
}

void averages(Scene& scene) {
  CheckedWorker& worker = scene.ready();
  const pipe::Average question{{{"self", "peer"}, {1, 1}}};
  const auto answer = worker.ask(question);
  require_sound(answer.result, scene.task(), scene.opened.validation);
  const pipe::Evaluate theta{ModelName::averaged, Split::validation};
  require_near(worker.ask(theta).result.loss, answer.result.loss,
               "evaluate and average give another loss of theta");
  require(scene.score(worker, {"averaged"})[2] == scene.row_of(worker, {{"self", "peer"}, {1, 1}}),
          "theta scores otherwise than the average that it was made of");
  const Bytes next = Scene::train(worker, 2, 1);
  require(next != scene.partial, "the next round did not start from the average");
  scene.replace();
}

void average_refuses(Scene& scene) {
  CheckedWorker& worker = scene.ready();
  const auto before = scene.score(worker, {"averaged"});
  const std::vector<std::pair<pipe::Mixture, std::string>> all{
      {{{}, {}}, "an average of nothing"},
      {{{"self", "peer"}, {1}}, "an average with a weight too few"},
      {{{"self", "peer"}, {1, -1}}, "a weight below 0"},
      {{{"self"}, {0}}, "weights that add up to 0"},
      {{{"self", "nobody"}, {1, 1}}, "an average with a model that is not there"}};
  for (const auto& [mixture, what] : all) {
    const pipe::Average average{mixture};
    worker.expect_refusal(average, {FailureKind::software}, what);
    const pipe::Try attempt{mixture};
    worker.expect_refusal(attempt, {FailureKind::software}, what + ", in try");
  }
  require(scene.score(worker, {"averaged"}) == before, "an average that was refused changed theta");
}

void keeps(Scene& scene) {
  CheckedWorker& worker = scene.ready();
  const pipe::Keep keep{{{"self", "peer"}, {1, 1}}, "both"};
  worker.ask(keep);
  const auto before = scene.score(worker, {"both"});
  require(before[2] == scene.row_of(worker, {{"self", "peer"}, {1, 1}}),
          "what was kept scores otherwise than the average that it was made of");
  Scene::load(worker, "peer", scene.initial);
  require(scene.score(worker, {"both"})[2] == before[2],
          "what was kept changed with a model that it was made of");
  const pipe::Keep again{{{"both", "self"}, {1, 1}}, "both"};
  worker.ask(again);  // as a running average does
  const pipe::Keep as_own{{{"self"}, {1}}, "averaged"};
  worker.expect_refusal(as_own, {FailureKind::software}, "to keep a model as \"averaged\"");
  scene.replace();
}

void evaluates(Scene& scene) {
  CheckedWorker& worker = scene.ready();
  for (const ModelName name :
       {ModelName::baseline, ModelName::averaged, ModelName::partial, ModelName::served}) {
    for (const Split split : {Split::validation, Split::test, Split::train}) {
      const pipe::Evaluate question{name, split};
      const auto answer = worker.ask(question);
      require_sound(answer.result, scene.task(), scene.examples(split));
    }
  }
}

void serves(Scene& scene) {
  CheckedWorker& worker = scene.ready();
  const pipe::Serve serve{{{"self"}, {1}}};
  worker.ask(serve);
  const pipe::Evaluate of_served{ModelName::served, Split::validation};
  const pipe::Evaluate of_partial{ModelName::partial, Split::validation};
  const double loss = worker.ask(of_served).result.loss;
  require_near(loss, worker.ask(of_partial).result.loss,
               "the partial is served, and judged otherwise");
  Scene::train(worker, 2, 1);
  require(worker.ask(of_served).result.loss == loss, "what is served changed with the partial");
  scene.replace();
}

void outcomes(Scene& scene) {
  CheckedWorker& worker = scene.ready();
  const pipe::Outcomes question{"self", Split::validation};
  const auto answer = worker.ask(question);
  const std::uint64_t count = answer.result.examples;
  require(count == scene.opened.validation, "\"examples\" is not how many the split has");
  const auto rows = floats_of(answer.file, 2 * count, "the rows of outcomes");
  const pipe::Evaluate own{ModelName::partial, Split::validation};
  const auto judged = worker.ask(own);
  if (model::predicts_words(scene.task())) return;
  if (scene.task().class_weights.empty() && !model::is_multi_label(scene.task())) {
    require_near(mean(std::span(rows).first(count)), judged.result.loss,
                 "the mean of the first row is not the loss of evaluate", 1e-3);
  }
  const std::string metric = model::is_regression(scene.task()) ? "r2" : "accuracy";
  if (judged.result.metrics.contains(metric) && !model::is_multi_label(scene.task())) {
    require_near(mean(std::span(rows).subspan(count)), judged.result.metric(metric),
                 "the mean of the second row is not the " + metric + " of evaluate", 1e-3);
  }
}

// ---- What only some strategies ask for ----

void measures(Scene& scene) {
  CheckedWorker& worker = scene.ready();
  const pipe::Measure question{{"self", "peer", "averaged"}, Split::train};
  const auto answer = ask_for(worker, question);
  require(answer.result.values.size() == 3, "\"values\" has not one number for each member");
  const pipe::Evaluate own{ModelName::partial, Split::train};
  if (!scene.task().class_weights.empty() ||
      model::data_kind(scene.task()) == model::DataKind::text ||
      model::is_multi_label(scene.task())) {
    return;
  }
  require_near(answer.result.values[0], worker.ask(own).result.loss,
               "measure and evaluate give another loss of the partial", 1e-3);
}

void distances(Scene& scene) {
  CheckedWorker& worker = scene.ready();
  const pipe::Keep keep{{{"self", "peer"}, {1, 1}}, "middle"};
  worker.ask(keep);
  const pipe::Distance question{"self", {"self", "peer", "middle"}};
  const auto answer = ask_for(worker, question);
  const auto& values = answer.result.values;
  require(values.size() == 3, "\"values\" has not one number for each member");
  require(values[0] == 0, "a model is not at the distance 0 from itself");
  require_near(values[1],
               length(model_of(scene.partial, scene.schema, "the partial"),
                      model_of(scene.peer, scene.schema, "the peer's snapshot")),
               "the distance of two models is not that of their numbers");
  require_near(2 * values[2], values[1], "the middle of two models is not half way");
}

void grafts(Scene& scene) {
  CheckedWorker& worker = scene.ready();
  for (const pipe::Layers layers : {pipe::Layers::last, pipe::Layers::others}) {
    const bool last = layers == pipe::Layers::last;
    const pipe::Graft graft{last ? "one" : "other", last ? "self" : "peer", last ? "peer" : "self",
                            layers};
    ask_for(worker, graft);
  }
  // The partial's last layer on the peer's others, both ways.
  const auto rows = scene.score(worker, {"one", "other"});
  require(rows[2] == rows[3],
          "\"last\" from one model onto another is not \"others\" the other way");
}

void refines(Scene& scene) {
  CheckedWorker& worker = scene.ready();
  const auto before = scene.score(worker, {"averaged", "baseline"});
  const pipe::Refine refine{"refined", "peer", 2, 1, 0.5};
  const auto answer = ask_for(worker, refine);
  require(!answer.file, "a file came with refine");
  require(answer.result.best_epoch == 1, "\"best_epoch\" is not 1 of 1");
  const auto after = scene.score(worker, {"averaged", "baseline", "refined", "peer"});
  require(std::equal(before.begin(), before.end(), after.begin()),
          "refine changed the partial, theta or the baseline");
  require(after[4] != after[5], "the refined model is the one that it started from");
  const pipe::Refine none{"refined", "peer", 2, 1, 0};
  worker.expect_refusal(none, {FailureKind::config}, "a share of 0");
}

void draws(Scene& scene) {
  CheckedWorker& worker = scene.ready();
  const pipe::Initial same{"drawn", scene.task().seed};
  ask_for(worker, same);
  const auto rows = scene.score(worker, {"drawn"});
  require(rows[0] == rows[2], "drawn from the task's seed, it is not M0");
}

void slopes(Scene& scene) {
  CheckedWorker& worker = scene.ready();
  const std::uint64_t half = scene.opened.train / 2, rest = scene.opened.train - half;
  const auto slope = [&](std::uint64_t first, std::uint64_t count) {
    const pipe::Gradient question{"averaged", 5, first, count};
    auto answer = ask_for(worker, question);
    auto values = model_of(bytes_of(answer.file, "the gradient"), scene.schema, "the gradient");
    return std::pair(answer.result, std::move(values));
  };
  const auto all = slope(0, scene.opened.train), one = slope(0, half),
             other = slope(half, scene.opened.train);
  require(all.first.examples == scene.opened.train && one.first.examples == half &&
              other.first.examples == rest,
          "\"examples\" is not how many there were so far on");
  const double share = static_cast<double>(half) / static_cast<double>(scene.opened.train);
  if (scene.task().class_weights.empty() &&
      model::data_kind(scene.task()) != model::DataKind::text) {
    for (std::size_t i = 0; i < all.second.size(); ++i) {
      require_near(static_cast<double>(all.second[i]),
                   share * static_cast<double>(one.second[i]) +
                       (1 - share) * static_cast<double>(other.second[i]),
                   "the gradients of two halves do not add up to that of all", 1e-3);
    }
  }
  require(slope(scene.opened.train, 5).first.examples == 0, "past the end \"examples\" is not 0");
}

// ---- What becomes of a model ----

std::vector<float> predicted(Scene& scene, CheckedWorker& worker, const data::Inputs& inputs,
                             std::uint64_t examples) {
  const pipe::Fd file = pipe::sealed_memfd("inputs", std::as_bytes(std::span(inputs)));
  const pipe::Predict question{ModelName::partial, examples};
  const auto answer = worker.try_ask(question, file);
  if (const auto* failure = std::get_if<pipe::Failure>(&answer)) {
    if (failure->kind == FailureKind::config) throw NotOffered(failure->error);
    throw Deviation("it refused: " + failure->error);
  }
  const auto& said = std::get<CheckedWorker::Answer<pipe::Predict>>(answer);
  require(said.result.examples == examples, "it answers for another number of examples");
  require(said.result.numbers == model::outputs(scene.task()),
          "\"numbers\" is " + std::to_string(said.result.numbers) + ", and the task wants " +
              std::to_string(model::outputs(scene.task())) + " for an example");
  return floats_of(said.file, examples * said.result.numbers, "the predictions");
}

void predicts(Scene& scene) {
  CheckedWorker& worker = scene.ready();
  const model::Task& task = scene.task();
  // Which of the test examples comes first does not matter: kith reads them as it reads all files.
  const auto dataset = data::read_dataset(scene.request(scene.state()).data, task, 1);
  const std::uint64_t examples = std::min<std::uint64_t>(dataset.test.count(), pipe::kMaxPredicted);
  if (model::predicts_words(task))
    throw NotOffered("the task predicts words, of which this says little");
  const auto said = predicted(scene, worker, dataset.test.inputs, examples);
  if (model::is_regression(task) || model::is_multi_label(task)) return;
  double loss = 0;
  for (std::size_t i = 0; i < examples; ++i) {
    const auto row = std::span(said).subspan(i * task.classes, task.classes);
    require_near(mean(row) * task.classes, 1, "the probabilities of an example add up to", 1e-3);
    const auto truth = static_cast<std::size_t>(dataset.test.targets[i]);
    loss -=
        std::log(std::max(static_cast<double>(row[truth]), 1e-30)) / static_cast<double>(examples);
  }
  if (!task.class_weights.empty() || examples < dataset.test.count()) return;
  const pipe::Evaluate own{ModelName::partial, Split::test};
  require_near(
      loss, worker.ask(own).result.loss,
      "of the test examples, as kith encodes them, predict says another loss than evaluate", 1e-3);
}

void predict_refuses(Scene& scene) {
  CheckedWorker& worker = scene.ready();
  const std::size_t size = data::input_size(scene.task());
  data::Inputs inputs;
  inputs.resize(2 * size);
  const auto file = [&] { return pipe::sealed_memfd("inputs", std::as_bytes(std::span(inputs))); };
  const auto refuse = [&](std::uint64_t examples, FailureKind kind, const std::string& what) {
    const pipe::Predict question{ModelName::served, examples};
    worker.expect_refusal(question, {kind, FailureKind::config}, what, file());
  };
  refuse(3, FailureKind::data, "inputs of two examples for three");
  refuse(0, FailureKind::software, "a prediction for no example");
  refuse(pipe::kMaxPredicted + 1, FailureKind::software, "a prediction for 65537 examples");
  inputs[0] = std::nanf("");
  refuse(2, FailureKind::data, "an input that is no number");
}

void inspects(Scene& scene) {
  CheckedWorker& worker = scene.ready();
  std::vector<pipe::TensorReport> tensors;
  for (std::uint64_t all = 1; tensors.size() < all;) {
    const pipe::Inspect question{tensors.size(), 0};
    const auto answer = ask_for(worker, question);
    all = answer.result.all;
    require(answer.result.tensors.size() <= pipe::kTensorsAtOnce, "more than 64 tensors at once");
    require(!answer.result.tensors.empty() || tensors.size() >= all,
            "it tells of fewer tensors than \"all\"");
    tensors.insert(tensors.end(), answer.result.tensors.begin(), answer.result.tensors.end());
  }
  std::vector<model::TensorSpec> shared;
  for (const auto& tensor : tensors) {
    if (tensor.role == model::Role::shared) shared.push_back({tensor.name, tensor.shape});
  }
  require(shared == scene.schema.tensors, "the shared tensors are not those of M0, by name");
  const pipe::Inspect timed{0, 2};
  require(ask_for(worker, timed).result.seconds > 0, "two batches took no time");
}

void without_data(Scene& scene) {
  const fs::path state = scene.new_state();
  const auto worker = scene.start(state);
  pipe::Open open = scene.request(state);
  open.data.train.clear(), open.data.test.clear(), open.data.validation_files.clear();
  const auto answer = worker->ask(open);
  require(bytes_of(answer.file, "M0") == scene.initial, "without data M0 is another");
  const pipe::Train train{1, 1, false};
  worker->expect_refusal(train, {FailureKind::config}, "to train without examples");
  const pipe::Inspect inspect{0, 0};
  ask_for(*worker, inspect);
}

/// A node that has been through a round, and what it handed over.
struct Kept {
  Bytes checkpoint;  ///< empty if the worker keeps its state itself
  fs::path state;
  double served = 0, averaged = 0, baseline = 0;  ///< losses
  Bytes next;                                     ///< the partial of round 2
};
double loss_of(CheckedWorker& worker, ModelName name) {
  const pipe::Evaluate question{name, Split::validation};
  return worker.ask(question).result.loss;
}
Kept after_a_round(Scene& scene) {
  CheckedWorker& worker = scene.ready();
  const pipe::Average average{{{"self", "peer"}, {1, 1}}};
  worker.ask(average);
  const pipe::Serve serve{{{"self"}, {1}}};
  worker.ask(serve);
  const pipe::Checkpoint question{1};
  const auto answer = worker.ask(question);
  Kept kept;
  kept.state = scene.state();
  if (answer.file) kept.checkpoint = bytes_of(answer.file, "the checkpoint");
  require(!answer.file || answer.result.bytes == kept.checkpoint.size(),
          "\"bytes\" is not the size of the checkpoint");
  const std::uint64_t most = 4 * sizeof(float) * scene.opened.parameters + (4U << 20);
  require(kept.checkpoint.size() <= most,
          "the checkpoint has more than 16 bytes for each of "
          "\"parameters\", and 4 MiB");
  kept.served = loss_of(worker, ModelName::served);
  kept.averaged = loss_of(worker, ModelName::averaged);
  kept.baseline = loss_of(worker, ModelName::baseline);
  kept.next = Scene::train(worker, 2);
  scene.replace();
  return kept;
}
void write_checkpoint(const Kept& kept, const Bytes& content) {
  if (kept.checkpoint.empty()) return;
  write_whole(kept.state / pipe::kCheckpointFile, content, Sync::no);
}

void goes_on(Scene& scene) {
  const Kept kept = after_a_round(scene);
  write_checkpoint(kept, kept.checkpoint);
  const auto worker = scene.start(kept.state);
  const pipe::Open open = scene.request(kept.state);
  const auto answer = worker->ask(open);
  require(answer.result.resumed && answer.result.round == 1,
          "a new worker did not go on from the checkpoint of round 1");
  require(bytes_of(answer.file, "M0") == scene.initial, "M0 is another after a restart");
  require(loss_of(*worker, ModelName::served) == kept.served,
          "what is served is another after a restart");
  require(loss_of(*worker, ModelName::averaged) == kept.averaged,
          "theta is another after a restart");
  require(loss_of(*worker, ModelName::baseline) == kept.baseline,
          "the baseline is another after a restart");
  require(Scene::train(*worker, 2) == kept.next,
          "round 2 gave another partial after a restart than without one");
}

void checkpoint_refuses(Scene& scene) {
  const Kept kept = after_a_round(scene);
  if (kept.checkpoint.empty()) throw NotOffered("it keeps its state itself");
  for (const std::size_t at :
       {std::size_t{9}, kept.checkpoint.size() / 2, kept.checkpoint.size() - 1}) {
    Bytes damaged = kept.checkpoint;
    damaged[at] ^= std::byte{0x55};
    write_checkpoint(kept, damaged);
    const auto worker = scene.start(kept.state);
    const pipe::Open open = scene.request(kept.state);
    worker->expect_refusal(open, {FailureKind::data},
                           "a checkpoint with another byte at " + std::to_string(at));
    require(read_whole(kept.state / pipe::kCheckpointFile, kLargestSnapshot) == damaged,
            "it changed a checkpoint that it refused");
  }
  write_checkpoint(kept, kept.checkpoint);
  const auto worker = scene.start(kept.state);
  pipe::Open open = scene.request(kept.state);
  open.task.batch += 1;
  worker->expect_refusal(open, {FailureKind::config}, "the checkpoint of another task");
}

void exported(Scene& scene) {
  const Kept kept = after_a_round(scene);
  if (kept.checkpoint.empty())
    throw NotOffered("it keeps its state itself, so kith export cannot read it");
  const auto read = model::read_snapshot(kept.checkpoint);
  if (const auto* error = std::get_if<model::SnapshotError>(&read)) {
    throw NotOffered("kith export cannot read the checkpoint: " + error->what);
  }
  const auto& whole = std::get<model::Snapshot>(read);
  const auto round = whole.metadata.find("round");
  if (round == whole.metadata.end() || round->second != "1") {
    throw NotOffered("its metadata do not say the round, so kith export cannot use it");
  }
  for (const model::TensorSpec& tensor : scene.schema.tensors) {
    const model::TensorSpec served{"served." + tensor.name, tensor.shape};
    if (std::ranges::find(whole.schema.tensors, served) == whole.schema.tensors.end()) {
      throw NotOffered("it has no tensor " + served.name + ", so kith export cannot use it");
    }
  }
}

void trains_privately(Scene& scene) {
  const fs::path state = scene.new_state();
  const auto worker = scene.start(state);
  pipe::Open open = scene.request(state);
  open.privacy = pipe::Privacy{.noise = 1, .clip = 1, .delta = 1e-5, .epsilon = 1e6};
  const auto answer = worker->try_ask(open);
  if (const auto* failure = std::get_if<pipe::Failure>(&answer)) {
    require(failure->kind == FailureKind::config,
            "it refused privacy with another kind than config: " + failure->error);
    throw NotOffered(failure->error);
  }
  const pipe::Train train{1, 1, false};
  worker->expect_refusal(train, {FailureKind::software}, "private training that was not counted");
  const pipe::Spend spend{1, 1};
  const auto spent = worker->ask(spend);
  const auto trained = worker->ask(train);
  require(trained.result.privacy.has_value(), "it trained without the privacy that was asked for");
  require(trained.result.privacy->epsilon > 0 &&
              trained.result.privacy->epsilon == spent.result.epsilon,
          "train and spend tell of another epsilon");
}

// ---- The process ----

void says_what_it_is(Scene& scene) {
  const Said said = run_program(scene.config().worker.command, "--version", 20s);
  require(said.fault.empty() && said.status == 0,
          "with --version it " + (said.fault.empty()
                                      ? "ended with status " + std::to_string(said.status)
                                      : "failed: " + said.fault));
  require(!said.output.empty(), "with --version it printed nothing");
}

void closes_files(Scene& scene) {
  CheckedWorker& worker = scene.ready();
  Scene::load(worker, "again", scene.peer);
  const auto before = worker.open_descriptors();
  if (!before) throw NotOffered("this user may not look at what files it has open");
  constexpr int kTimes = 20;
  for (int i = 0; i < kTimes; ++i) {
    Scene::load(worker, "again", scene.peer);
    (void)scene.score(worker, {"again"});
  }
  const std::size_t after = worker.open_descriptors().value_or(0);
  require(after < *before + kTimes, "after " + std::to_string(kTimes) +
                                        " requests with files it has " + std::to_string(after) +
                                        " files open, and had " + std::to_string(*before));
}

void ends_when_idle(Scene& scene) {
  CheckedWorker& worker = scene.ready();
  worker.hang_up();
  require(worker.ends_within(kGrace), "seconds after the pipe was closed it was still there");
  scene.replace();
}

void ends_when_busy(Scene& scene) {
  CheckedWorker& worker = scene.ready();
  const pipe::Train endless{3, 1'000'000'000, false};
  worker.send(pipe::encode(pipe::Request{1000, endless}));
  (void)worker.receive();  // it is at work
  worker.hang_up();
  require(worker.ends_within(kGrace), "seconds after the pipe was closed it was still training");
  scene.replace();
}

void ends_with_nonsense(Scene& scene) {
  const auto send = [&](const std::string& what, const std::string& sent, std::size_t files) {
    const auto worker = scene.start(scene.new_state());
    const pipe::Evaluate early{ModelName::served, Split::validation};
    (void)worker->try_ask(early);  // it is awake
    worker->breach(sent, files);
    require(worker->ends_within(kGrace), "seconds after " + what + " it was still there");
  };
  const std::string request = R"({"id":1,"op":"forget","peer":"nobody"})";
  send("a message of 65537 bytes",
       request.substr(0, request.size() - 1) + std::string(pipe::kMaxMessage, ' ') + "}", 0);
  send("a message with two files", request, 2);
}

struct Test {
  std::string_view name, says;
  void (*look)(Scene&);
};
constexpr std::array kTests{
    Test{"before open", "Before open every other request is refused, with kind software.",
         before_open},
    Test{"open", "open answers with the examples that it found, and hands over M0, a snapshot.",
         open_says},
    Test{"M0",
         "M0 and frozen follow from the task alone, and are the same at every member to the last "
         "bit.",
         same_start},
    Test{"one open", "A second open is refused, with kind software.", open_once},
    Test{"data that are not there",
         "open refuses files that are not there, too few validation examples (data) and a missing "
         "state folder (config), and after that a good one succeeds.",
         open_refuses},
    Test{"no requests",
         "What is no request is answered with ok false, kind software, and its id, or 0 if it has "
         "none that is legible; the worker goes on.",
         no_requests},
    Test{"later fields", "Fields that are not known are ignored.", later_fields},
    Test{"train", "train hands over a partial laid out as M0 is, and judges it as evaluate does.",
         trains},
    Test{"progress",
         "progress tells of each epoch, with phase partial; without baseline none is trained.",
         tells_progress},
    Test{"the same again",
         "Equal seed, round and theta give equal partials, bit for bit, in another process too.",
         repeats_itself},
    Test{"baseline",
         "The baseline starts from M0 and sees the same minibatches: before the first average it "
         "is the partial.",
         baseline_is_honest},
    Test{"senseless training", "Training for 0 epochs is refused (config), and changes nothing.",
         train_refuses},
    Test{"layers",
         "Of the partial only the tensors that layers names change; the last layer's are named "
         "output.",
         keeps_layers},
    Test{"pull", "A pull keeps the partial nearer to the model that it goes towards.", pulls},
    Test{"load and forget",
         "A loaded snapshot is scored like any model; one that was forgotten is not there.", loads},
    Test{"bad snapshots",
         "A snapshot that is not sealed, not laid out as M0 is, not finite or absurdly long is "
         "refused (data), and changes nothing.",
         load_refuses},
    Test{"score",
         "Rows of scores: M0, the partial, each peer; none above the worst; the same when asked "
         "again.",
         scores},
    Test{"scores of fewer",
         "The scores of the first examples are the same, however many are asked for.", scores_some},
    Test{"scores and losses", "Scores follow from the losses as the document says.", scores_follow},
    Test{"try",
         "try scores an average whose weights are divided by their sum, and changes nothing.",
         tries},
    Test{"average",
         "average makes theta, judges it on the validation examples, and the next round starts "
         "from it.",
         averages},
    Test{"senseless averages",
         "Averages of nothing, of what is not there, or with senseless weights are refused "
         "(software), and change nothing.",
         average_refuses},
    Test{"keep", "keep puts an average under a name, as if a peer of that name had been loaded.",
         keeps},
    Test{"evaluate", "Each model is judged on each split, with the metric that the task names.",
         evaluates},
    Test{"serve", "The served model is a copy, and changes with serve only.", serves},
    Test{"outcomes", "outcomes is evaluate example by example: losses, and what is right.",
         outcomes},
    Test{"measure", "measure gives the mean loss of each member.", measures},
    Test{"distance", "distance is Euclidean, over all weights.", distances},
    Test{"graft", "graft takes the layers that it names from one model, and the rest from another.",
         grafts},
    Test{"refine", "refine trains a copy and keeps it; partial, theta and baseline stay.", refines},
    Test{"initial", "initial draws a model as M0 is drawn.", draws},
    Test{"gradient", "gradient is that of the mean loss; those of parts add up to that of all.",
         slopes},
    Test{"predict",
         "predict takes inputs as kith encodes them, and its answers are those that evaluate "
         "judges.",
         predicts},
    Test{"senseless predictions", "Inputs of another size, or that are not finite, are refused.",
         predict_refuses},
    Test{"inspect", "inspect tells of each tensor, its shape and role, by name.", inspects},
    Test{"without data", "Opened without files it gives the same M0 and does not train.",
         without_data},
    Test{"checkpoint", "A new worker goes on from the checkpoint as if nothing had happened.",
         goes_on},
    Test{"bad checkpoints",
         "A damaged checkpoint (data) and one of another task (config) are refused, and left as "
         "they are.",
         checkpoint_refuses},
    Test{"export", "kith export finds the served model in the checkpoint.", exported},
    Test{"privacy",
         "With privacy a round is counted before it is trained; a worker that cannot refuses it in "
         "open (config).",
         trains_privately},
    Test{"version", "With --version the program prints what it is, and ends with status 0.",
         says_what_it_is},
    Test{"files", "Files that came with requests are closed again.", closes_files},
    Test{"end", "It ends within a second when the pipe is closed.", ends_when_idle},
    Test{"end amid work",
         "It ends within a second when the pipe is closed, in the midst of training too.",
         ends_when_busy},
    Test{"limits", "A message that is too long or has two files counts as closing the pipe.",
         ends_with_nonsense},
};

constexpr unsigned kSeed = 12345;
constexpr unsigned kRows = 160, kTestRows = 80;

/// Rows of two hospitals' wards, of which something can be learnt.
std::string made_up_rows(unsigned count, unsigned seed) {
  std::uint64_t state = seed;
  const auto draw = [&state] {  // from 0 to 1
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<double>(state >> 11) * 0x1p-53;
  };
  std::string rows = "age,pressure,ward,ill\n";
  for (unsigned i = 0; i < count; ++i) {
    const double age = 20 + 70 * draw(), pressure = 90 + 80 * draw(), noise = draw() - 0.5;
    const bool ill = (age - 55) / 35 + (pressure - 130) / 40 + noise > 0;
    const std::string ward =
        draw() < 0.1 ? "" : std::string(1, "ABC"[static_cast<int>(3 * draw())]);
    const std::string known_age = draw() < 0.1 ? "" : std::to_string(std::lround(age));
    rows += known_age + "," + std::to_string(std::lround(pressure)) + "," + ward + "," +
            (ill ? "yes" : "no") + "\n";
  }
  return rows;
}

/// A path, or, without a slash, what PATH has of that name.
fs::path found_program(const std::string& command) {
  const Failure missing(EX_UNAVAILABLE, "there is no program " + command +
                                            "; name the worker's file, or a program in the PATH");
  std::error_code ignored;
  if (command.find('/') != command.npos) {
    if (!fs::exists(command, ignored)) throw missing;
    return fs::absolute(command).lexically_normal();
  }
  const char* const path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    const fs::path program = fs::path(folder) / command;
    if (!folder.empty() && ::access(program.c_str(), X_OK) == 0) return program;
  }
  throw missing;
}

}  // namespace

Config made_up_node(const fs::path& folder, const std::string& model) {
  using Kind = model::Column::Kind;
  Config config;
  config.task.name = "check";
  config.task.model = model;
  config.task.sizes = {24};
  config.task.seed = 7;
  config.task.batch = 16;
  config.task.classes = 2;
  config.task.columns = {{.name = "age", .kind = Kind::number, .low = 20, .high = 90},
                         {.name = "pressure", .kind = Kind::number, .low = 90, .high = 170},
                         {.name = "ward", .kind = Kind::category, .values = {{"A"}, {"B"}, {"C"}}},
                         {.name = "ill", .kind = Kind::yes_no, .target = true}};
  config.data.train = {folder / "train rows.csv"};
  config.data.test = {folder / "test rows.csv"};
  write_whole(config.data.train[0], as_byte_view(made_up_rows(kRows, kSeed)), Sync::no);
  write_whole(config.data.test[0], as_byte_view(made_up_rows(kTestRows, kSeed + 1)), Sync::no);
  return config;
}

fs::path program_of(const std::vector<std::string>& command, const fs::path& folder) {
  const fs::path program = found_program(command.front());
  if (command.size() == 1) return program;
  // In single quotes nothing means anything but the quote itself.
  const auto quoted = [](const std::string& word) {
    std::string made = "'";
    for (const char c : word) made += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return made + "'";
  };
  std::string script = "#!/bin/sh\nexec " + quoted(program.string());
  for (const std::string& word : std::span(command).subspan(1)) script += " " + quoted(word);
  const fs::path file = folder / "worker";
  write_whole(file, as_byte_view(script + " \"$@\"\n"), Sync::no);
  on_disk("make executable", [&] { fs::permissions(file, fs::perms::owner_all); });
  return file;
}

Diagnosis check_worker(Config config, const fs::path& folder, const std::vector<std::string>& only,
                       const std::function<void(const Diagnosis::Item&)>& tell) {
  for (const std::string& name : only) {
    if (std::ranges::find(kTests, name, &Test::name) != kTests.end()) continue;
    throw Failure(EX_USAGE, "there is no check \"" + name + "\"; run all to see their names");
  }
  if (config.data.test.empty()) config.data.test = config.data.train;
  Scene scene(std::move(config), folder);
  Diagnosis diagnosis;
  unsigned number = 0;
  for (const Test& test : kTests) {
    ++number;
    if (!only.empty() && std::ranges::find(only, test.name) == only.end()) continue;
    Diagnosis::Item& item = diagnosis.checks.emplace_back();
    item.number = number;
    item.name = test.name;
    item.what = test.says;
    Verdict verdict = Verdict::pass;
    const auto found = [&](Verdict what, const std::string& why) {
      verdict = what;
      item.help = why;
      scene.replace();
    };
    try {
      test.look(scene);
    } catch (const NotOffered& not_offered) {
      found(Verdict::warn, not_offered.what());
    } catch (const Deviation& deviation) {
      found(Verdict::fail, deviation.what());
    } catch (const data::DataError& error) {  // kith itself cannot read them
      throw Failure(EX_DATAERR, error.what());
    }
    item.result = name(verdict);
    ++(verdict == Verdict::pass   ? diagnosis.passed
       : verdict == Verdict::warn ? diagnosis.warned
                                  : diagnosis.failed);
    if (tell) tell(item);
    if (verdict == Verdict::fail && test.look == open_says) break;  // nor will anything else do
  }
  return diagnosis;
}

}  // namespace kith::daemon::doctor
