#pragma once

#include "crypto/hash.hpp"
#include "model/pipe/messages.hpp"
#include "model/pipe/pipe.hpp"
#include "model/torch/checkpoint.hpp"
#include "model/torch/ledger.hpp"
#include "model/torch/network.hpp"

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kith::worker {

/// Answers kith's requests over the pipe, one at a time: docs/worker-protocol.md.
///
/// A request that fails changes nothing.
class Worker {
 public:
  using Duration = std::chrono::steady_clock::duration;
  using CloseDoor = std::function<std::vector<pipe::Guard>()>;
  /// `close_door` is called once the data have been read, and says what holds then.
  /// kith ends a worker that says nothing for long: after `silence` it says how far it has come,
  /// between two batches.
  explicit Worker(pipe::Pipe pipe, CloseDoor close_door = {},
                  Duration silence = std::chrono::seconds(1))
      : pipe_(std::move(pipe)), close_door_(std::move(close_door)), silence_(silence) {}

  /// Returns when the other side has hung up.
  void run();

 private:
  /// A model and, as far as they were computed, the scores of the scored examples.
  struct Scorable {
    Model model;
    std::vector<float> losses;
    bool arrived = false;  ///< from a peer: what does not travel in it is this node's own
  };
  /// Everything that open makes.
  struct Session {
    model::Task task;
    crypto::Hash task_hash{};
    std::uint64_t seed = 0;
    Network network;
    bool learns = true;    ///< false: there are no examples, and nothing but to predict and inspect
    model::Schema shared;  ///< what travels
    model::Slice travels;  ///< where that is in a whole model
    Scorable initial;  ///< M0
    State state;
    std::optional<pipe::Privacy> privacy;
    std::optional<Ledger> ledger;  ///< with privacy
    std::vector<float> weights;    ///< of the scored examples; empty: all the same
    /// Steps that are written down and not yet done.
    struct Counted {
      std::uint64_t round = 0, epochs = 0;
      pipe::Spent spent;
    };
    std::optional<Counted> counted{};
    std::optional<Scorable> partial;
    std::map<std::string, Scorable, std::less<>> peers;  ///< and what was kept under a name
  };
  /// What a request is answered with: a result, and perhaps a file.
  template <class Result>
  struct Answer {
    Result result;
    pipe::Fd file = {};
  };

  Answer<pipe::Opened> handle(const pipe::Open& open);
  Answer<pipe::Spent> handle(const pipe::Spend& spend);
  Answer<pipe::Trained> handle(const pipe::Train& train);
  Answer<pipe::Done> handle(const pipe::Load& load);
  Answer<pipe::Done> handle(const pipe::Forget& forget);
  Answer<pipe::Scored> handle(const pipe::Score& score);
  Answer<pipe::Scored> handle(const pipe::Try& mixture);
  Answer<pipe::Evaluation> handle(const pipe::Average& mixture);
  Answer<pipe::Done> handle(const pipe::Keep& keep);
  Answer<pipe::Done> handle(const pipe::Graft& graft);
  Answer<pipe::Trained> handle(const pipe::Refine& refine);
  Answer<pipe::Done> handle(const pipe::Initial& initial);
  Answer<pipe::Measured> handle(const pipe::Measure& measure);
  Answer<pipe::Measured> handle(const pipe::Distance& distance);
  Answer<pipe::Sloped> handle(const pipe::Gradient& gradient);
  Answer<pipe::Scored> handle(const pipe::Outcomes& outcomes);
  Answer<pipe::Evaluation> handle(const pipe::Evaluate& evaluate);
  Answer<pipe::Predicted> handle(const pipe::Predict& predict);
  Answer<pipe::Inspected> handle(const pipe::Inspect& inspect);
  Answer<pipe::Done> handle(const pipe::Serve& serve);
  Answer<pipe::Checkpointed> handle(const pipe::Checkpoint& checkpoint);

  template <class Operation>
  void answer(const Operation& operation);
  template <class Result>
  void reply(pipe::Reply<Result> reply, pipe::Fd file = {});
  void tell(const pipe::Progress& progress);
  /// Long work of so many parts begins.
  void begin(const char* phase, std::uint64_t all);
  void give_sign_of_life();
  /// `round` and `epochs` of a plan, with what pulls it.
  Network::Plan plan(std::uint64_t round, std::uint64_t epochs,
                     const std::optional<pipe::Pull>& pull = {});
  Network::Training train(const Params& start, const Network::Plan& plan, const char* phase);
  /// Throws if training is private: what comes of this could be published with no noise in it.
  void refuse_if_private(const char* operation);
  /// With privacy, `spent` is what this and all partials before it cost.
  Network::Training train_partial(const pipe::Train& request, std::optional<pipe::Spent>& spent);

  Session& session();
  /// Throws if no data were named that `Operation` could be done with.
  template <class Operation>
  void refuse_without_data();
  Scorable& member(std::string_view name);
  const Model& model(std::string_view member);
  const Params& params(std::string_view member) { return *model(member); }
  const Params& params(pipe::ModelName name);
  /// Of the first `examples` scored examples.
  std::span<const float> scores_of(Scorable& of, std::uint64_t examples);
  std::span<const float> scores_of(Scorable& of);
  /// A whole model of this node, with what came from a peer in it.
  [[nodiscard]] Model completed(Params shared);
  /// What does not travel of the partial goes into the models that arrived before it.
  void renew_own_part();
  Model average(const pipe::Mixture& mixture);
  /// What travels of a model.
  pipe::Fd snapshot_file(const char* name, const Params& params);

  pipe::Pipe pipe_;
  CloseDoor close_door_;
  std::uint64_t request_ = 0;  ///< id of the one being answered
  pipe::Fd file_;              ///< that came with it
  pipe::Progress progress_;    ///< of the long work under way
  Duration silence_;
  std::chrono::steady_clock::time_point told_;
  std::optional<Session> session_;
};

}  // namespace kith::worker
