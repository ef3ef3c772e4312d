#pragma once

#include "model/data_files.hpp"
#include "model/metrics.hpp"
#include "model/sharing.hpp"
#include "model/task.hpp"

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

// What kith and its worker say to one another, as types; docs/worker-protocol.md says what each
// means.  kith asks one thing at a time; the worker answers with any number of Progress and then
// one result or Failure.  Files travel beside the text: see Message in pipe.hpp.
namespace kith::pipe {

// ---- What the worker answers ----

/// How well a model did on some examples.
struct Evaluation {
  double loss = 0;  ///< mean of what training makes small
  std::uint64_t examples = 0;
  model::Metrics metrics{};  ///< those that are defined here, all finite
  /// Of at most kMaxConfusion classes, how often each was taken for each: model::confusion().
  std::vector<std::uint64_t> confusion{};
  /// A metric, or not a number if it is not defined here.
  [[nodiscard]] double metric(std::string_view name) const {
    const auto found = metrics.find(name);
    return found == metrics.end() ? std::nan("") : found->second;
  }
};
inline constexpr std::size_t kMaxConfusion = 32;  ///< classes: of more a table is no use

/// One thing that the worker has given up, in case that it is taken over.
struct Guard {
  std::string name;  ///< "network", "reading", ...
  bool holds = false;
  std::string what;  ///< a sentence without its end: what that means, or why it does not hold
};

struct Opened {  // with file: the initial model M0, as far as it is shared
  std::string frozen{};  ///< hash of the tensors that never change, in hexadecimal; empty: none
  std::uint64_t parameters = 0;
  std::uint64_t train = 0, validation = 0, test = 0;  ///< examples
  std::uint64_t classes = 0;
  std::uint64_t scored = 0;  ///< validation examples in every row of scores
  std::uint64_t round = 0;   ///< of the checkpoint, or 0
  bool resumed = false;
  std::vector<Guard> guards{};         ///< none: the worker does not say
  std::vector<std::string> remarks{};  ///< on the data, for the operator: sentences
  std::vector<std::string> unknowable{};  ///< what these data cannot show: sentences without an end
};
/// What has been spent of the privacy of the training examples.
struct Spent {
  double epsilon = 0;   ///< by all partials handed over so far, this one included
  bool publish = true;  ///< false: this one would go beyond the budget, and is not handed over
};
struct Trained {                 // with file: the partial, if it may be published
  std::uint64_t best_epoch = 0;  ///< counted from 1; its weights are the partial
  double train_loss = 0;         ///< mean over the last epoch
  Evaluation validation;         ///< of the partial
  std::optional<Evaluation> baseline;
  double seconds = 0;
  std::optional<Spent> privacy{};  ///< if Open asked for privacy
};
struct Scored {  // with file: rows of `examples` float32 scores; the request says of what
  std::uint64_t examples = 0;
  double seconds = 0;
};
struct Measured {
  std::vector<double> values;  ///< one a member, finite
};
/// The slope of a loss.
struct Sloped {                // with file: the gradient, laid out as a snapshot
  double loss = 0;             ///< mean over the examples
  std::uint64_t examples = 0;  ///< looked at; 0: there are none so far on
};
struct Checkpointed {  // with file: the checkpoint, for kith to write down
  std::uint64_t bytes = 0;
};
/// What a model says to examples.
struct Predicted {  // with file: `numbers` float32 for each example
  std::uint64_t examples = 0;
  std::uint64_t numbers = 0;
  double seconds = 0;
};
/// A tensor of the network, and what becomes of it.
struct TensorReport {
  std::string name;
  std::vector<std::uint64_t> shape;
  bool parameter = true;  ///< false: a buffer, such as a running mean
  model::Role role = model::Role::shared;
};
struct Inspected {
  std::vector<TensorReport> tensors;  ///< in the order of their names
  std::uint64_t all = 0;              ///< how many there are
  std::vector<std::uint64_t> batch;   ///< shape of what the network is given at once
  double seconds = 0;                 ///< of a batch, forward and backward; 0 if none was asked for
};
struct Done {};

/// Sent between request and result of long work: the worker is alive, and so far.
struct Progress {
  std::string phase;                    ///< "partial", "baseline"; or what else takes long
  std::uint64_t epoch = 0, epochs = 0;  ///< done, of so many; or parts of other work
  double train_loss = 0;
  Evaluation validation;
};

enum class FailureKind {
  config,      ///< the task or the settings are wrong; asking again changes nothing
  data,        ///< a file, the data set or a peer's snapshot is not what it should be
  software,    ///< the worker or the one who drives it has a bug
  disk,        ///< it failed or is full
  permission,  ///< a file may not be read or written
  memory,      ///< there is not enough
  diverged,    ///< training ended in numbers that are none; the models are as before
};
struct Failure {
  FailureKind kind = FailureKind::software;
  std::string error;  ///< one sentence that says what to do
};

// ---- What kith asks ----

enum class ModelName { baseline, averaged, partial, served };
enum class Split { validation, test, train };
using model::DataFiles;
using model::SplitBy;

/// Which tensors of a model: all; those of the last layer, which makes the prediction of what the
/// others found; or these others.
enum class Layers { all, last, others };

/// How partials are trained so that they tell little of any one training example.
struct Privacy {
  double noise = 1;  ///< standard deviation of what is added to a sum of gradients, in clips
  double clip = 1;   ///< a gradient of one example is no longer than this
  double delta = 1e-5;
  double epsilon = 0;  ///< the budget; 0: without end
  /// Of noise that anybody can repeat, in a simulation.  Without it noise is really random.
  std::optional<std::uint64_t> seed{};
};

/// The files in the state directory that a worker begins with.  It cannot write: kith does.
inline constexpr const char* kCheckpointFile = "checkpoint.safetensors";
inline constexpr const char* kLedgerFile = "privacy.ledger";

struct Open {
  using Result = Opened;
  model::Task task;
  DataFiles data;  ///< none at all: nothing is learnt, but predicted and inspected
  std::string state;  ///< existing directory of the checkpoint
  std::uint64_t threads = 1;
  std::uint64_t seed = 0;              ///< of this node: minibatches
  std::uint64_t score_examples = 256;  ///< at most this many are scored
  std::string device = "cpu";          ///< or "cuda", or "auto"
  std::optional<Privacy> privacy{};    ///< of the partials; the baseline never leaves
};
/// With privacy, before each Train of that round: counts it.
struct Spend {
  using Result = Spent;  // with file: the ledger, for kith to write down
  std::uint64_t round = 0;
  std::uint64_t epochs = 1;
};
/// A model that another one is pulled towards while it is trained: its loss gains half of
/// `strength` times the square of their distance.
struct Pull {
  std::string towards;  ///< a member of a Mixture
  double strength = 0;
};
struct Train {
  using Result = Trained;
  std::uint64_t round = 0;
  std::uint64_t epochs = 1;
  bool baseline = false;        ///< train the local-only baseline as well
  std::optional<Pull> pull{};   ///< of the partial
  Layers layers = Layers::all;  ///< of the partial, which change
};
/// Trains a copy of a member of a Mixture as a partial is trained, and keeps it under a name.
struct Refine {
  using Result = Trained;  // without file
  std::string name;
  std::string start;  ///< of which the copy is; may be `name`
  std::uint64_t round = 0;
  std::uint64_t epochs = 1;
  double share = 1;             ///< of the training examples in an epoch, above 0
  Layers layers = Layers::all;  ///< which change
  std::optional<Pull> pull{};
};
struct Load {  // with file: the peer's snapshot
  using Result = Done;
  std::string peer;
};
struct Forget {
  using Result = Done;
  std::string peer;
};
struct Score {  // rows: M0, own partial, each peer; a "peer" may be "averaged" or "baseline"
  using Result = Scored;
  std::vector<std::string> peers;
  std::uint64_t examples = 0;  ///< of the scored examples, the first so many; 0 is all
};
/// What an average is made of.  A member is "self" (the own partial), "averaged" (theta),
/// "baseline", a loaded peer, or a model that was kept.
struct Mixture {
  std::vector<std::string> members;
  std::vector<double> weights;  ///< one a member, not negative; divided by their sum
};
struct Try : Mixture {  // one row
  using Result = Scored;
};
struct Average : Mixture {
  using Result = Evaluation;
};
/// Keeps an average under a name, as if a peer of that name had been loaded.
struct Keep : Mixture {
  using Result = Done;
  std::string name;
};
/// Keeps a model that has `layers` of one member of a Mixture, and the rest of another.
struct Graft {
  using Result = Done;
  std::string name;
  std::string from;
  std::string onto;
  Layers layers = Layers::last;
};
/// Keeps another initial model, drawn as M0 is drawn from the task's seed.
struct Initial {
  using Result = Done;
  std::string name;
  std::uint64_t seed = 0;
};
/// The mean loss of each member, log loss, not a score.
struct Measure {
  using Result = Measured;
  std::vector<std::string> members;
  Split split = Split::validation;
};
/// The Euclidean distance of each member from one of them.
struct Distance {
  using Result = Measured;
  std::string from;
  std::vector<std::string> members;
};
/// The gradient of a member's mean loss on training examples: in an order that follows from `seed`,
/// those from `first` on, `count` of them.
struct Gradient {
  using Result = Sloped;
  std::string member;
  std::uint64_t seed = 0;
  std::uint64_t first = 0;
  std::uint64_t count = 1;
};
/// What a member does on each example of a split: for reports on data that decide nothing.
struct Outcomes {  // two rows: losses, not clipped; and what its metric is the mean of
  using Result = Scored;
  std::string member;
  Split split = Split::test;
};
struct Evaluate {
  using Result = Evaluation;
  ModelName model = ModelName::served;
  Split split = Split::test;
};
/// What a model says to examples that are none of this node's own.
struct Predict {  // with file: their inputs, float32, one example after another
  using Result = Predicted;
  ModelName model = ModelName::served;
  std::uint64_t examples = 0;  ///< 1 to kMaxPredicted
};
inline constexpr std::uint64_t kMaxPredicted = 1 << 16;  ///< examples in a request
/// What the network is made of, and how long it takes for a batch of examples that are made up.
struct Inspect {
  using Result = Inspected;
  std::uint64_t first = 0;    ///< tensor of which to tell, with those that follow: kTensorsAtOnce at most
  std::uint64_t batches = 0;  ///< to be timed
};
inline constexpr std::uint64_t kTensorsAtOnce = 64;  ///< in a reply
/// Makes an average the served model.
struct Serve : Mixture {
  using Result = Done;
};
struct Checkpoint {
  using Result = Checkpointed;
  std::uint64_t round = 0;
};

using Operation =
    std::variant<Open, Spend, Train, Load, Forget, Score, Try, Average, Keep, Graft, Refine,
                 Initial, Measure, Distance, Gradient, Outcomes, Evaluate, Predict, Inspect, Serve,
                 Checkpoint>;
struct Request {
  std::uint64_t id = 0;
  Operation operation;
};

// ---- As text ----

/// A request that cannot be obeyed.
struct BadRequest {
  std::uint64_t id = 0;  ///< to answer with; 0 if not even that was legible
  std::string what;
};

/// `Result` is the `Result` of the operation that was asked for.
template <class Result>
struct Reply {
  std::uint64_t id = 0;
  std::variant<Progress, Failure, Result> content;
};

/// Throws std::length_error if the text would be longer than kMaxMessage.
[[nodiscard]] std::string encode(const Request& request);
template <class Result>
[[nodiscard]] std::string encode(const Reply<Result>& reply);

/// Strict: a missing or mistyped field is an error that names it.  Unknown fields are ignored,
/// so that a newer kith can drive an older worker.  Never throws, whatever the text.
[[nodiscard]] std::variant<Request, BadRequest> parse_request(std::string_view text);
/// The reply, or in one sentence why it is none.
template <class Result>
[[nodiscard]] std::variant<Reply<Result>, std::string> parse_reply(std::string_view text);

}  // namespace kith::pipe
