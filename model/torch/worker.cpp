#include "model/torch/worker.hpp"

#include "crypto/hasher.hpp"
#include "crypto/random_stream.hpp"
#include "model/data/check.hpp"
#include "model/data/dataset.hpp"
#include "model/data/file.hpp"
#include "model/norm.hpp"
#include "model/pipe/memfd.hpp"
#include "model/snapshot_header.hpp"
#include "model/torch/error.hpp"
#include "model/torch/initial.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

namespace kith::worker {
namespace {

using pipe::FailureKind;

constexpr std::uint64_t kMaxThreads = 1024;
constexpr std::size_t kMaxError = 2000;  // bytes of text in a failure
// Members that are models of our own; every other is a loaded peer or was kept under its name.
constexpr std::string_view kSelf = "self";          // the partial
constexpr std::string_view kAveraged = "averaged";  // theta
constexpr std::string_view kBaseline = "baseline";
constexpr std::string_view kServed = "served";

class Stopwatch {
 public:
  [[nodiscard]] double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Worse than any number; but JSON has no infinity.
constexpr double kWorst = std::numeric_limits<float>::max();

pipe::Evaluation finite(pipe::Evaluation evaluation) {
  if (!std::isfinite(evaluation.loss)) evaluation.loss = kWorst;
  return evaluation;
}

double norm(std::span<const float> params) {
  return model::parameter_norm(std::as_bytes(params));
}

[[noreturn]] void fail(FailureKind kind, const std::string& what) { throw WorkerError(kind, what); }

FailureKind kind_of(const data::FileError& error) {
  switch (error.error) {
    case EACCES:
    case EPERM:
      return FailureKind::permission;
    case EIO:
    case EUCLEAN:
      return FailureKind::disk;
    default:
      return FailureKind::data;
  }
}

void refuse_own_name(const std::string& name) {
  if (name != kSelf && name != kAveraged && name != kBaseline && name != kServed) return;
  fail(FailureKind::software, "\"" + name + "\" is a model of our own, not a peer");
}

Part part_of(pipe::Split split) {
  switch (split) {
    case pipe::Split::validation:
      return Part::validation;
    case pipe::Split::test:
      return Part::test;
    case pipe::Split::train:
      return Part::train;
  }
  std::abort();  // every enumerator is above
}

void check_privacy(const pipe::Privacy& privacy) {
  const auto refuse = [](const std::string& what) { fail(FailureKind::config, what); };
  if (!(privacy.noise > 0)) refuse("privacy.noise must be above 0");
  if (!(privacy.clip > 0)) refuse("privacy.clip must be above 0");
  if (!(privacy.delta > 0 && privacy.delta < 1)) {
    refuse("privacy.delta must be above 0 and below 1");
  }
  if (!(privacy.epsilon >= 0)) refuse("privacy.epsilon must not be negative");
}

/// Statistics of a batch tell of its examples, and no noise is added to them.
void check_no_buffers(const std::vector<model::Tensor>& tensors) {
  const auto buffer = std::ranges::find(tensors, false, &model::Tensor::parameter);
  if (buffer == tensors.end()) return;
  fail(FailureKind::config, "the model has running statistics (" + buffer->spec.name +
                                "), which private training cannot have; use group normalisation, "
                                "or set privacy.noise to 0");
}

/// Whatever follows from the noisy gradients alone, as the steps of any optimiser at any rate, costs
/// no privacy.  But a batch's gradient that is cut is one of which mostly the noise is cut.
void check_private_steps(const model::Task& task) {
  if (task.gradient_clip == 0) return;
  fail(FailureKind::config,
       "task.gradient_clip would cut the noise together with the gradient, and private training cuts "
       "each example's own, to privacy.clip; set task.gradient_clip to 0, or privacy.noise to 0");
}

/// Tokens that the task's models have; of sentences, the first of which stands for their beginning.
void check_tokens(const model::Task& task, std::span<const float> inputs) {
  if (model::data_kind(task) != model::DataKind::text) return;
  const auto words = static_cast<float>(model::predicts_words(task) ? task.classes : task.words);
  const bool known = std::ranges::all_of(inputs, [words](float token) {
    return token == Samples::kNoWord ||
           (token >= 0 && token < words && token == std::floor(token));
  });
  if (!known) fail(FailureKind::data, "an input of predict is no word of the task's vocabulary");
}

/// Of the tensors that never change, in hexadecimal; empty if all do.
std::string frozen_hash(const std::vector<model::Tensor>& tensors, const Params& initial) {
  const model::Schema schema = model::schema_of(tensors, model::Role::frozen);
  if (schema.tensors.empty()) return {};
  const model::Slice frozen(tensors, model::Role::frozen);
  return crypto::to_hex(crypto::hash(model::write_snapshot(schema, frozen.from(initial))));
}

/// The hash of write_snapshot()'s file.
crypto::Hash snapshot_hash(const model::Schema& schema, std::span<const float> values) {
  crypto::Hasher hasher;
  hasher.append(model::snapshot_header(schema));
  hasher.append(std::as_bytes(values));
  return hasher.finish();
}

/// write_snapshot()'s file, made where it lies.
pipe::Fd snapshot_in_memory(const char* name, const model::Schema& schema,
                            std::span<const float> values) {
  pipe::MemfdWriter file(name);
  file.append(model::snapshot_header(schema));
  file.append(std::as_bytes(values));
  return file.seal();
}

/// A model that was trained without noise once tells of its examples for good, and so does every
/// model that grows out of it: what one state directory holds was trained one way from the first
/// round on.
void check_history(const pipe::Open& open, bool resumed, bool counted) {
  if (open.privacy && resumed && !counted) {
    fail(FailureKind::config, "the model in " + open.state +
                                  " was trained without noise, and no noise mends that "
                                  "afterwards; set node.state to a new folder, or privacy.noise "
                                  "to 0");
  }
  if (!open.privacy && counted) {
    fail(FailureKind::config, "the model in " + open.state +
                                  " was trained with noise, and training without would void what "
                                  "it promises; set privacy.noise, or node.state to a new folder");
  }
}

/// What a person should know of data that are not those that the models learnt from.
std::vector<std::string> data_remarks(const State& state, const std::string& fingerprint) {
  if (state.data == fingerprint) return {};
  const std::string round = std::to_string(state.round);
  if (state.data.empty()) {
    return {"the models, of round " + round +
            ", come from a version that divided the examples into training and validation in another "
            "way: they have trained on some that validate now, so validation looks better than it is; "
            "for true numbers at once, begin again with another node.state"};
  }
  const auto count = [](const std::string& data) { return data.substr(0, data.find(' ')); };
  return {"the data are not those of round " + round + ": " + count(state.data) +
          " examples then, " + count(fingerprint) +
          " now; those that were there before are used for training or validation as before"};
}

/// Numbers that nobody can foresee, unless a simulation wants to repeat them.
crypto::RandomStream noise_for(const pipe::Privacy& privacy, std::uint64_t round) {
  if (!privacy.seed) return crypto::RandomStream::fresh();
  const std::string name =
      "kith noise " + std::to_string(*privacy.seed) + " " + std::to_string(round);
  return crypto::RandomStream(crypto::hash(as_byte_view(name)));
}

}  // namespace

void Worker::run() {
  while (auto message = pipe_.receive()) {
    file_ = std::move(message->file);
    auto parsed = pipe::parse_request(message->text);
    if (const auto* const bad = std::get_if<pipe::BadRequest>(&parsed)) {
      request_ = bad->id;
      reply<pipe::Done>({bad->id, pipe::Failure{FailureKind::software, bad->what}});
      continue;
    }
    const auto& request = std::get<pipe::Request>(parsed);
    request_ = request.id;
    std::visit([this](const auto& operation) { answer(operation); }, request.operation);
  }
}

template <class Operation>
void Worker::answer(const Operation& operation) {
  using Result = typename Operation::Result;
  pipe::Failure failure;
  try {
    refuse_without_data<Operation>();
    Answer<Result> answer = handle(operation);
    reply<Result>({request_, std::move(answer.result)}, std::move(answer.file));
    return;
  } catch (const WorkerError& error) {
    failure = {error.kind, error.what()};
  } catch (const data::FileError& error) {
    failure = {kind_of(error), error.what()};
  } catch (const data::DataError& error) {
    failure = {FailureKind::data, error.what()};
  } catch (const std::bad_alloc&) {
    failure = {FailureKind::memory, kNoMemory};
  } catch (const std::exception& error) {
    failure = {FailureKind::software, error.what()};
  }
  failure.error.resize(std::min(failure.error.size(), kMaxError));
  reply<Result>({request_, std::move(failure)});
}

void Worker::tell(const pipe::Progress& progress) {
  told_ = std::chrono::steady_clock::now();
  reply<pipe::Done>({request_, progress});  // the same text, whatever the result will be
}

void Worker::begin(const char* phase, std::uint64_t all) {
  progress_ = {.phase = phase, .epoch = 0, .epochs = all, .train_loss = 0, .validation = {}};
  told_ = std::chrono::steady_clock::now();
}

void Worker::give_sign_of_life() {
  if (std::chrono::steady_clock::now() - told_ >= silence_) tell(progress_);
}

template <class Result>
void Worker::reply(pipe::Reply<Result> reply, pipe::Fd file) {
  // If kith has hung up, the next receive() says so.
  static_cast<void>(pipe_.send({pipe::encode(reply), std::move(file)}));
}

// ---- Operations ----

Worker::Answer<pipe::Opened> Worker::handle(const pipe::Open& open) {
  if (session_) fail(FailureKind::software, "a task is open already; start another worker");
  if (const auto problem = model::problem(open.task)) {
    fail(FailureKind::config, "the task is not valid: " + *problem);
  }
  if (open.task.model == "worker") {
    fail(FailureKind::config,
         "the task's model is that of a worker which its members wrote, and this is kith-worker; "
         "name "
         "theirs in worker.command");
  }
  if (open.threads < 1 || open.threads > kMaxThreads) {
    fail(FailureKind::config, "threads must be from 1 to " + std::to_string(kMaxThreads));
  }
  if (open.score_examples < 1) fail(FailureKind::config, "score_examples must be at least 1");
  if (open.privacy) check_privacy(*open.privacy);
  if (!std::filesystem::is_directory(open.state)) {
    fail(FailureKind::config, "the state directory " + open.state + " is not there; make it");
  }
  if (file_) data::use_scratch(file_.release(), data::memory_for_examples());
  const bool learns =
      !(open.data.train.empty() && open.data.validation_files.empty() && open.data.test.empty());
  Dataset dataset = learns ? data::read_dataset(open.data, open.task, open.score_examples)
                           : data::no_examples(open.task);
  auto unknowable = data::unknowable(dataset, open.task);
  const std::string noticed = data::summary(dataset.noticed), fingerprint = dataset.fingerprint;
  Network network(open.task, std::move(dataset), open.device, open.threads);
  const model::Schema schema = network.schema();
  if (open.privacy) {
    check_no_buffers(network.tensors());
    check_private_steps(open.task);
  }
  Params drawn = network.own_values();
  if (drawn.empty()) drawn = initial_model(schema, last_layer(open.task), open.task.seed);
  const Model initial = as_model(std::move(drawn));
  const model::Schema shared = model::schema_of(network.tensors(), model::Role::shared);
  const model::Slice travels(network.tensors(), model::Role::shared);
  Params room;
  const auto travelling = travels.view(*initial, room);
  const std::string frozen = frozen_hash(network.tensors(), *initial);
  const crypto::Hash task_hash =
      model::task_hash(open.task, snapshot_hash(shared, travelling), frozen);
  const auto checkpoint = load_checkpoint(open.state, schema, task_hash);
  State state = checkpoint.value_or(State{0, initial, initial, initial});
  pipe::Fd initial_file = snapshot_in_memory("initial model", shared, travelling);
  std::vector<std::string> remarks;
  if (checkpoint && learns) remarks = data_remarks(state, fingerprint);
  if (!noticed.empty()) remarks.push_back(noticed + "; kith data check has more");
  if (learns) state.data = fingerprint;
  std::optional<Ledger> ledger(open.state);
  check_history(open, checkpoint.has_value(), ledger->counts());
  if (!open.privacy) ledger.reset();

  session_.emplace(Session{.task = open.task,
                           .task_hash = task_hash,
                           .seed = open.seed,
                           .network = std::move(network),
                           .learns = learns,
                           .shared = shared,
                           .travels = travels,
                           .initial = {initial, {}},
                           .state = std::move(state),
                           .privacy = open.privacy,
                           .ledger = std::move(ledger),
                           .weights = {},
                           .partial = {},
                           .peers = {}});
  session().weights = session().network.weights(Part::scored);
  session().network.after_each_batch([this] { give_sign_of_life(); });
  auto guards = close_door_ ? close_door_() : std::vector<pipe::Guard>();
  return {{.frozen = frozen,
           .parameters = schema.parameters(),
           .train = session().network.examples(Part::train),
           .validation = session().network.examples(Part::validation),
           .test = session().network.examples(Part::test),
           .classes = open.task.classes,
           .scored = session().network.examples(Part::scored),
           .round = session().state.round,
           .resumed = checkpoint.has_value(),
           .guards = std::move(guards),
           .remarks = std::move(remarks),
           .unknowable = std::move(unknowable)},
          std::move(initial_file)};
}

Worker::Answer<pipe::Spent> Worker::handle(const pipe::Spend& request) {
  const auto& privacy = session().privacy;
  if (!privacy) fail(FailureKind::software, "training is not private; do not ask to count it");
  if (request.epochs < 1) fail(FailureKind::config, "epochs must be at least 1");
  const auto steps = session().network.private_steps(privacy->noise, request.epochs);
  const Ledger::Spent counted = session().ledger->spend(steps, privacy->delta, privacy->epsilon);
  const pipe::Spent spent{counted.epsilon, counted.publish};
  session().counted = Session::Counted{request.round, request.epochs, spent};
  return {spent, pipe::sealed_memfd("ledger", as_byte_view(session().ledger->text()))};
}

Worker::Answer<pipe::Trained> Worker::handle(const pipe::Train& request) {
  if (request.epochs < 1) fail(FailureKind::config, "epochs must be at least 1");
  const Stopwatch watch;
  std::optional<pipe::Spent> spent;
  Network::Training own = train_partial(request, spent);
  std::optional<Network::Training> alone;
  // From the same start it comes to the same, to the last bit.
  const State& state = session().state;
  const bool same = !session().privacy && !request.pull &&
                    (state.baseline == state.averaged || *state.baseline == *state.averaged);
  if (request.baseline && !same) {
    alone = train(*state.baseline, plan(request.round, request.epochs), "baseline");
  }
  Answer<pipe::Trained> answer{{.best_epoch = own.best.number,
                                .train_loss = own.last.train_loss,
                                .validation = own.best.validation,
                                .baseline = {},
                                .seconds = watch.seconds(),
                                .privacy = spent}};
  if (!spent || spent->publish) answer.file = snapshot_file("partial", own.params);
  const Model partial = as_model(std::move(own.params));
  session().partial = Scorable{partial, {}};
  renew_own_part();
  if (request.baseline) {
    answer.result.baseline = same ? own.best.validation : alone->best.validation;
    session().state.baseline = same ? partial : as_model(std::move(alone->params));
  }
  return answer;
}

Network::Training Worker::train_partial(const pipe::Train& request,
                                        std::optional<pipe::Spent>& spent) {
  const Params& start = *session().state.averaged;
  const auto& privacy = session().privacy;
  Network::Plan its_plan = plan(request.round, request.epochs, request.pull);
  its_plan.layers = request.layers;
  if (!privacy) return train(start, its_plan, "partial");
  const auto counted = std::exchange(session().counted, std::nullopt);
  if (!counted || counted->round != request.round || counted->epochs != request.epochs) {
    fail(FailureKind::software, "what this round spends is not written down; send spend first");
  }
  spent = counted->spent;
  crypto::RandomStream random = noise_for(*privacy, request.round);
  its_plan.noise = Network::Noise{privacy->noise, privacy->clip, &random};
  return train(start, its_plan, "partial");
}

Network::Plan Worker::plan(std::uint64_t round, std::uint64_t epochs,
                           const std::optional<pipe::Pull>& pull) {
  if (epochs < 1) fail(FailureKind::config, "epochs must be at least 1");
  Network::Plan plan{.seed = session().seed, .round = round, .epochs = epochs};
  if (!pull) return plan;
  if (!(pull->strength >= 0)) fail(FailureKind::config, "the strength of a pull is below 0");
  plan.towards = &params(pull->towards);
  plan.strength = pull->strength;
  return plan;
}

void Worker::refuse_if_private(const char* operation) {
  if (!session().privacy) return;
  fail(FailureKind::config, std::string("training is private, and ") + operation +
                                " is not; choose another learning.strategy, or set privacy.noise "
                                "to 0");
}

Network::Training Worker::train(const Params& start, const Network::Plan& plan, const char* phase) {
  begin(phase, plan.epochs);
  return session().network.train(start, plan, [&](const Network::Epoch& epoch) {
    progress_.epoch = epoch.number;
    progress_.train_loss = epoch.train_loss;
    progress_.validation = epoch.validation;
    tell(progress_);
  });
}

Worker::Answer<pipe::Done> Worker::handle(const pipe::Load& load) {
  const model::Schema& schema = session().shared;
  refuse_own_name(load.peer);
  if (!file_) fail(FailureKind::software, "load wants the snapshot as a file");
  const auto mapped = pipe::SealedMap::open(file_, schema.file_size());
  if (const auto* const why = std::get_if<std::string>(&mapped)) fail(FailureKind::data, *why);
  const auto read = model::read_peer_snapshot(std::get<pipe::SealedMap>(mapped).bytes(), schema);
  if (const auto* const error = std::get_if<model::SnapshotError>(&read)) {
    fail(FailureKind::data, "the snapshot of " + load.peer + " is refused: " + error->what);
  }
  const auto& snapshot = std::get<model::Snapshot>(read);
  const double its_norm = model::parameter_norm(snapshot.values);
  const auto shared_norm = [this](const Params& whole) {
    Params room;
    return norm(session().travels.view(whole, room));
  };
  const auto factor = model::norm_factor(its_norm, shared_norm(*session().initial.model),
                                         shared_norm(*session().state.averaged));
  if (!factor) {
    fail(FailureKind::data, "the snapshot of " + load.peer +
                                " is refused: its norm is far above that of this node's model");
  }
  Params params = snapshot.copy_values();
  for (float& value : params) {
    if (*factor < 1) value *= static_cast<float>(*factor);
    if (std::fpclassify(value) == FP_SUBNORMAL) value = 0;
  }
  session().peers[load.peer] = {completed(std::move(params)), {}, true};
  return {};
}

Worker::Answer<pipe::Done> Worker::handle(const pipe::Forget& forget) {
  session().peers.erase(forget.peer);
  return {};
}

Worker::Answer<pipe::Scored> Worker::handle(const pipe::Score& score) {
  const Stopwatch watch;
  const std::uint64_t scored = session().network.examples(Part::scored);
  const std::uint64_t examples = score.examples == 0 ? scored : std::min(score.examples, scored);
  std::vector<float> rows;
  begin("scoring", 2 + score.peers.size());
  const auto add = [&](Scorable& of) {
    const std::span<const float> losses = scores_of(of, examples);
    rows.insert(rows.end(), losses.begin(), losses.end());
    ++progress_.epoch;
  };
  add(session().initial);
  add(member(kSelf));
  for (const std::string& peer : score.peers) {
    if (peer == kAveraged || peer == kBaseline) {
      Scorable own{model(peer), {}};
      add(own);
    } else {
      add(member(peer));
    }
  }
  return {{.examples = examples, .seconds = watch.seconds()},
          pipe::sealed_memfd("scores", std::as_bytes(std::span(rows)))};
}

Worker::Answer<pipe::Scored> Worker::handle(const pipe::Try& mixture) {
  const Stopwatch watch;
  begin("scoring", 1);
  Scorable mean{average(mixture), {}};
  const std::span<const float> row = scores_of(mean);
  return {{.examples = row.size(), .seconds = watch.seconds()},
          pipe::sealed_memfd("scores", std::as_bytes(row))};
}

Worker::Answer<pipe::Evaluation> Worker::handle(const pipe::Average& mixture) {
  begin("evaluating", 1);
  Model mean = average(mixture);
  const auto evaluation = finite(session().network.evaluate(*mean, Part::validation));
  session().state.averaged = std::move(mean);
  return {evaluation};
}

Worker::Answer<pipe::Done> Worker::handle(const pipe::Keep& keep) {
  refuse_own_name(keep.name);
  session().peers[keep.name] = {average(keep), {}};
  return {};
}

Worker::Answer<pipe::Done> Worker::handle(const pipe::Graft& graft) {
  refuse_own_name(graft.name);
  const Params& from = params(graft.from);
  Params both = params(graft.onto);
  const std::vector<bool> taken = session().network.are_in(graft.layers);
  for (std::size_t i = 0; i < both.size(); ++i) {
    if (taken[i]) both[i] = from[i];
  }
  session().peers[graft.name] = {as_model(std::move(both)), {}};
  return {};
}

Worker::Answer<pipe::Trained> Worker::handle(const pipe::Refine& refine) {
  refuse_own_name(refine.name);
  refuse_if_private("refine");
  if (!(refine.share > 0)) fail(FailureKind::config, "share must be above 0");
  const Stopwatch watch;
  Network::Plan its_plan = plan(refine.round, refine.epochs, refine.pull);
  its_plan.share = refine.share;
  its_plan.layers = refine.layers;
  Network::Training refined = train(params(refine.start), its_plan, "refining");
  session().peers[refine.name] = {as_model(std::move(refined.params)), {}};
  return {{.best_epoch = refined.best.number,
           .train_loss = refined.last.train_loss,
           .validation = refined.best.validation,
           .baseline = {},
           .seconds = watch.seconds()}};
}

Worker::Answer<pipe::Done> Worker::handle(const pipe::Initial& initial) {
  refuse_own_name(initial.name);
  if (!session().network.own_values().empty()) {
    fail(FailureKind::config,
         "a model of one's own has one start only, its own; choose another learning.strategy");
  }
  Params drawn =
      initial_model(session().network.schema(), last_layer(session().task), initial.seed);
  session().peers[initial.name] = {as_model(std::move(drawn)), {}};
  return {};
}

Worker::Answer<pipe::Measured> Worker::handle(const pipe::Measure& measure) {
  const Part part = part_of(measure.split);
  if (session().network.examples(part) == 0) {
    fail(FailureKind::data, "there are no examples of this split to measure on");
  }
  pipe::Measured measured;
  begin("measuring", measure.members.size());
  for (const std::string& name : measure.members) {
    const std::vector<float> losses = session().network.losses(params(name), part);
    double sum = 0;
    for (const float loss : losses) {
      sum += std::isfinite(loss) ? static_cast<double>(loss) : kWorst;
    }
    measured.values.push_back(sum / static_cast<double>(losses.size()));
    ++progress_.epoch;
  }
  return {std::move(measured)};
}

Worker::Answer<pipe::Measured> Worker::handle(const pipe::Distance& distance) {
  const Params& from = params(distance.from);
  pipe::Measured measured;
  for (const std::string& name : distance.members) {
    const Params& to = params(name);
    double sum = 0;
    for (std::size_t i = 0; i < from.size(); ++i) {
      const double difference = static_cast<double>(to[i]) - static_cast<double>(from[i]);
      sum += difference * difference;
    }
    measured.values.push_back(std::sqrt(sum));
  }
  return {std::move(measured)};
}

Worker::Answer<pipe::Sloped> Worker::handle(const pipe::Gradient& gradient) {
  refuse_if_private("gradient");
  const auto [loss, examples, slope] = session().network.slope(
      params(gradient.member), gradient.seed, gradient.first, gradient.count);
  if (!std::isfinite(loss) ||
      !std::ranges::all_of(slope, [](float x) { return std::isfinite(x); })) {
    fail(FailureKind::diverged, "the gradient of " + gradient.member + " is not finite");
  }
  return {{.loss = loss, .examples = examples}, snapshot_file("gradient", slope)};
}

Worker::Answer<pipe::Scored> Worker::handle(const pipe::Outcomes& request) {
  const Part part = part_of(request.split);
  if (session().network.examples(part) == 0) {
    fail(FailureKind::data, "there are no examples of this split to look at");
  }
  const Stopwatch watch;
  begin("evaluating", 1);
  auto [rows, correct] = session().network.outcomes(params(request.member), part);
  const std::uint64_t examples = rows.size();
  for (float& loss : rows) loss = std::isfinite(loss) ? loss : std::numeric_limits<float>::max();
  rows.insert(rows.end(), correct.begin(), correct.end());
  return {{.examples = examples, .seconds = watch.seconds()},
          pipe::sealed_memfd("outcomes", std::as_bytes(std::span(rows)))};
}

Worker::Answer<pipe::Evaluation> Worker::handle(const pipe::Evaluate& evaluate) {
  begin("evaluating", 1);
  return {finite(session().network.evaluate(params(evaluate.model), part_of(evaluate.split)))};
}

Worker::Answer<pipe::Predicted> Worker::handle(const pipe::Predict& predict) {
  const Stopwatch watch;
  if (predict.examples < 1 || predict.examples > pipe::kMaxPredicted) {
    fail(FailureKind::software,
         "predict wants 1 to " + std::to_string(pipe::kMaxPredicted) + " examples");
  }
  if (!file_) fail(FailureKind::software, "predict wants the inputs as a file");
  const std::size_t wanted =
      predict.examples * session().network.input_size() * sizeof(float);
  const auto mapped = pipe::SealedMap::open(file_, wanted);
  if (const auto* const why = std::get_if<std::string>(&mapped)) fail(FailureKind::data, *why);
  const ByteView bytes = std::get<pipe::SealedMap>(mapped).bytes();
  if (bytes.size() != wanted) {
    fail(FailureKind::data, "the inputs of predict have " + std::to_string(bytes.size()) +
                                " bytes, and those of the task would have " +
                                std::to_string(wanted));
  }
  std::vector<float> inputs(wanted / sizeof(float));
  std::memcpy(inputs.data(), bytes.data(), wanted);
  if (!std::ranges::all_of(inputs, [](float x) { return std::isfinite(x); })) {
    fail(FailureKind::data, "an input of predict is no finite number");
  }
  check_tokens(session().task, inputs);
  begin("predicting", 1);
  const auto said = session().network.predict(params(predict.model), inputs, predict.examples);
  return {{.examples = predict.examples,
           .numbers = said.size() / predict.examples,
           .seconds = watch.seconds()},
          pipe::sealed_memfd("predictions", std::as_bytes(std::span(said)))};
}

Worker::Answer<pipe::Inspected> Worker::handle(const pipe::Inspect& inspect) {
  const auto& tensors = session().network.tensors();
  pipe::Inspected found;
  found.all = tensors.size();
  for (std::size_t i = std::min<std::size_t>(inspect.first, tensors.size());
       i < tensors.size() && found.tensors.size() < pipe::kTensorsAtOnce; ++i) {
    const model::Tensor& tensor = tensors[i];
    found.tensors.push_back(
        {tensor.spec.name, tensor.spec.shape, tensor.parameter, tensor.role});
  }
  found.batch = session().network.batch_shape();
  begin("trying batches", inspect.batches);
  if (inspect.batches > 0) {
    found.seconds = session().network.time_batch(*session().initial.model, inspect.batches);
  }
  return {std::move(found)};
}

Worker::Answer<pipe::Done> Worker::handle(const pipe::Serve& serve) {
  session().state.served = average(serve);
  return {};
}

Worker::Answer<pipe::Checkpointed> Worker::handle(const pipe::Checkpoint& checkpoint) {
  session().state.round = checkpoint.round;
  auto [file, bytes] =
      checkpoint_file(session().state, session().network.schema(), session().task_hash);
  return {{.bytes = bytes}, std::move(file)};
}

// ---- Models ----

template <class Operation>
void Worker::refuse_without_data() {
  constexpr bool needs_none =
      std::is_same_v<Operation, pipe::Open> || std::is_same_v<Operation, pipe::Predict> ||
      std::is_same_v<Operation, pipe::Inspect> || std::is_same_v<Operation, pipe::Forget>;
  if (needs_none || !session_ || session_->learns) return;
  fail(FailureKind::config,
       "this worker was opened without examples, to predict or to inspect and for nothing else; "
       "name files to learn from, in data.train");
}

Worker::Session& Worker::session() {
  if (!session_) fail(FailureKind::software, "no task is open; send open first");
  return *session_;
}

Worker::Scorable& Worker::member(std::string_view name) {
  if (name == kSelf) {
    if (!session().partial) fail(FailureKind::software, "there is no partial yet; train first");
    return *session().partial;
  }
  const auto found = session().peers.find(name);
  if (found == session().peers.end()) {
    fail(FailureKind::software, "no snapshot of " + std::string(name) + " is loaded; load it");
  }
  return found->second;
}

const Model& Worker::model(std::string_view name) {
  if (name == kAveraged) return session().state.averaged;
  if (name == kBaseline) return session().state.baseline;
  if (name == kServed) return session().state.served;
  return member(name).model;
}

const Params& Worker::params(pipe::ModelName name) {
  switch (name) {
    case pipe::ModelName::baseline:
      return *session().state.baseline;
    case pipe::ModelName::averaged:
      return *session().state.averaged;
    case pipe::ModelName::partial:
      return *member(kSelf).model;
    case pipe::ModelName::served:
      return *session().state.served;
  }
  std::abort();  // every enumerator is above
}

std::span<const float> Worker::scores_of(Scorable& of) {
  return scores_of(of, session().network.examples(Part::scored));
}

std::span<const float> Worker::scores_of(Scorable& of, std::uint64_t examples) {
  if (const std::size_t known = of.losses.size(); known < examples) {
    const model::Task& task = session().task;
    const auto& weights = session().weights;
    for (const float loss : session().network.losses(*of.model, Part::scored, known, examples)) {
      const auto score = static_cast<float>(model::score(task, loss));
      of.losses.push_back(weights.empty() ? score : score * weights[of.losses.size()]);
    }
  }
  return std::span(of.losses).first(examples);
}

Model Worker::average(const pipe::Mixture& mixture) {
  const auto& [members, weights] = mixture;
  if (members.empty() || members.size() != weights.size()) {
    fail(FailureKind::software, "an average wants at least one member and one weight for each");
  }
  double sum = 0;
  for (const double weight : weights) {
    if (!(weight >= 0)) fail(FailureKind::software, "a weight in an average is below 0");
    sum += weight;
  }
  if (!(sum > 0 && std::isfinite(sum))) {
    fail(FailureKind::software, "the weights of an average add up to nothing");
  }
  // One alone is its own average: nothing is copied.
  if (members.size() == 1) return model(members[0]);
  std::vector<const Params*> all;
  for (const std::string& member : members) all.push_back(&params(member));
  // In double and in the order given, so that anyone can repeat it exactly; some at a time, for the
  // sake of memory.
  constexpr std::size_t kAtOnce = 4096;
  Params mean(all[0]->size());
  std::vector<double> total(kAtOnce);
  for (std::size_t from = 0; from < mean.size(); from += kAtOnce) {
    const std::size_t count = std::min(kAtOnce, mean.size() - from);
    std::fill_n(total.begin(), count, 0.0);
    for (std::size_t k = 0; k < all.size(); ++k) {
      const double weight = weights[k] / sum;
      for (std::size_t i = 0; i < count; ++i) {
        total[i] += weight * static_cast<double>((*all[k])[from + i]);
      }
    }
    std::ranges::transform(std::span(total).first(count),
                           mean.begin() + static_cast<std::ptrdiff_t>(from),
                           [](double x) { return static_cast<float>(x); });
  }
  return as_model(std::move(mean));
}

Model Worker::completed(Params shared) {
  if (session().travels.is_all()) return as_model(std::move(shared));
  const auto& partial = session().partial;
  Params whole = partial ? *partial->model : *session().state.averaged;
  session().travels.into(whole, shared);
  return as_model(std::move(whole));
}

void Worker::renew_own_part() {
  const model::Slice& travels = session().travels;
  if (travels.is_all()) return;
  for (auto& [name, peer] : session().peers) {
    if (peer.arrived) peer = {completed(travels.from(*peer.model)), {}, true};
  }
}

pipe::Fd Worker::snapshot_file(const char* name, const Params& params) {
  Params room;
  const auto shared = session().travels.view(params, room);
  return snapshot_in_memory(name, session().shared, shared);
}

}  // namespace kith::worker
