#pragma once

#include "crypto/random_stream.hpp"
#include "model/data/dataset.hpp"
#include "model/pipe/messages.hpp"
#include "model/privacy.hpp"
#include "model/sharing.hpp"
#include "model/snapshot.hpp"
#include "model/task.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace kith::worker {

using data::Dataset;
using data::Samples;

/// A model's weights, all tensors in schema order.  Every model in the worker is one of these; the
/// network takes one, computes, and keeps nothing of it.
using Params = std::vector<float>;

/// Starts the GPU's driver, if there is one, with system calls that the sandbox forbids afterwards.
void start_gpu();

/// Numbers too small for a normal float make processors up to a hundred times as slow, and a peer
/// may send a model of them: from now on they count as zero in this thread and in those that it
/// starts.  In kith-worker that holds from the first instruction on, so for all threads.
void flush_denormals();
/// True if they do so in every thread that LibTorch computes in, by a product of two.
[[nodiscard]] bool flushes_denormals();

/// Which examples to look at.
enum class Part { train, validation, scored, test };

/// The task's network on this node's examples: the one door to LibTorch.
///
/// Not copyable, one call at a time.  Throws WorkerError with LibTorch's words if LibTorch fails.
class Network {
 public:
  /// `device` is "cpu", "cuda" or "auto".  The examples stay where they lie, unless they fit on a
  /// GPU.
  Network(const model::Task& task, Dataset dataset, const std::string& device,
          std::uint64_t threads);
  ~Network();
  Network(Network&&) noexcept;
  Network& operator=(Network&&) noexcept;

  [[nodiscard]] const model::Schema& schema() const;
  /// The tensors of the schema, with their roles.
  [[nodiscard]] const std::vector<model::Tensor>& tensors() const;
  /// The values that the operator's own model came with; empty for one of the zoo.
  [[nodiscard]] Params own_values() const;
  [[nodiscard]] std::uint64_t examples(Part part) const;
  /// `step` is called after every batch of all that is computed: a sign of life.
  void after_each_batch(std::function<void()> step);

  /// Means over all targets: examples, or the words of all sentences; with class weights the loss
  /// is a weighted one.
  [[nodiscard]] pipe::Evaluation evaluate(const Params& params, Part part);
  /// The loss of each example, not weighted, of a sentence the mean over its words, in an order
  /// that never changes.
  [[nodiscard]] std::vector<float> losses(const Params& params, Part part);
  /// Of the examples from `from` until before `until`.
  [[nodiscard]] std::vector<float> losses(const Params& params, Part part, std::uint64_t from,
                                          std::uint64_t until);

  /// What a model says to examples that need not be this node's: `inputs` are `count` of them as in
  /// Samples, of sentences their words after a boundary.  Of each one number for each class, how
  /// likely it is; of words that are predicted, for the one that comes next; of several yes-or-no
  /// targets how likely each yes is; of a number that number, scaled.  Requires that the tokens of
  /// texts are those of the task.
  [[nodiscard]] std::vector<float> predict(const Params& params, std::span<const float> inputs,
                                           std::uint64_t count);
  /// How many numbers one input has.
  [[nodiscard]] std::size_t input_size() const;
  /// Of a batch, as the network gets it.
  [[nodiscard]] std::vector<std::uint64_t> batch_shape() const;
  /// Seconds that a batch of examples which are made up takes, forward and backward, on the mean
  /// over `batches`.
  [[nodiscard]] double time_batch(const Params& params, std::uint64_t batches);

  /// What an example's loss is to be multiplied by, on the mean over the classes 1; empty without
  /// class weights.
  [[nodiscard]] std::vector<float> weights(Part part) const;

  /// What makes training private: differentially private stochastic gradient descent.
  struct Noise {
    double multiplier = 1;                   ///< standard deviation, in clips
    double clip = 1;                         ///< longest gradient of an example
    crypto::RandomStream* random = nullptr;  ///< borrowed; draws the batches, too
  };
  /// What decides the order of the minibatches, so that a restarted round repeats itself exactly;
  /// private training draws its own.
  struct Plan {
    std::uint64_t seed = 0;
    std::uint64_t round = 0;
    std::uint64_t epochs = 1;
    std::optional<Noise> noise{};
    double share = 1;  ///< of the training examples in an epoch; not of a private one
    pipe::Layers layers = pipe::Layers::all;  ///< which change
    /// The loss gains strength / 2 times the square of the distance from there.
    const Params* towards = nullptr;  ///< borrowed
    double strength = 0;
  };
  struct Epoch {
    std::uint64_t number = 0;  ///< from 1
    double train_loss = 0;
    pipe::Evaluation validation;
  };
  struct Training {
    Params params;  ///< after the best epoch
    Epoch best;     ///< lowest validation loss, the earliest of equals; the last of a private one
    Epoch last;
  };
  /// The task's optimiser, whose memory (momentum, or the means of AdamW) starts empty in every round:
  /// the weights are those of an average, not those that it remembers.
  ///
  /// Private training draws each example into each batch with the same chance, cuts every
  /// example's gradient to the clip, adds noise to their sum and divides by the expected size of a
  /// batch (Abadi et al. 2016).  It keeps the last epoch, whatever the validation examples say:
  /// they are private, too.
  [[nodiscard]] Training train(const Params& start, const Plan& plan,
                               const std::function<void(const Epoch&)>& after_each_epoch);
  /// What `epochs` of private training with that noise are to an accountant.
  [[nodiscard]] model::PrivateSteps private_steps(double multiplier, std::uint64_t epochs) const;
  /// True of the weights of `layers`, in schema order.
  [[nodiscard]] std::vector<bool> are_in(pipe::Layers layers) const;
  struct Slope {
    double loss = 0;  ///< mean over the examples
    std::uint64_t examples = 0;
    Params gradient;  ///< of that mean
  };
  /// On training examples: in an order that follows from `seed`, those from `first` on, `count` of
  /// them or as many as there are.  Of none it is zero.
  [[nodiscard]] Slope slope(const Params& params, std::uint64_t seed, std::uint64_t first,
                            std::uint64_t count);
  /// What a model does on each example of a part: its loss, as losses() has it, and which share of
  /// its targets it predicts; of a number 1 less the squared error, in units of the variance of the
  /// part's targets, so that the mean is R2.
  struct Outcomes {
    std::vector<float> losses;
    std::vector<float> correct;  ///< at most 1
  };
  [[nodiscard]] Outcomes outcomes(const Params& params, Part part);
  /// The sum of these training examples' gradients, of which none is longer than `clip`; one that
  /// is not finite counts as zero.
  [[nodiscard]] Params clipped_gradients(const Params& params,
                                         const std::vector<std::int64_t>& examples, double clip);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kith::worker
