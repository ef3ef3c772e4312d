#pragma once

#include "model/pipe/messages.hpp"
#include "model/snapshot.hpp"
#include "model/task.hpp"
#include "model/torch/dataset.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace kith::worker {

/// A model's weights, all tensors in schema order.  Every model in the worker is one of these; the
/// network takes one, computes, and keeps nothing of it.
using Params = std::vector<float>;

/// Which examples to look at.
enum class Part { train, validation, scored, test };

/// The task's network on this node's examples: the one door to LibTorch.
///
/// Not copyable, one call at a time.  Throws WorkerError with LibTorch's words if LibTorch fails.
class Network {
 public:
  /// `device` is "cpu", "cuda" or "auto".
  Network(const model::Task& task, const Dataset& dataset, const std::string& device,
          std::uint64_t threads);
  ~Network();
  Network(Network&&) noexcept;
  Network& operator=(Network&&) noexcept;

  [[nodiscard]] const model::Schema& schema() const;
  [[nodiscard]] std::uint64_t examples(Part part) const;

  /// Means over all targets: examples, or the words of all sentences.
  [[nodiscard]] pipe::Evaluation evaluate(const Params& params, Part part);
  /// Cross entropy of each example, of a sentence the mean over its words, in an order that never
  /// changes.
  [[nodiscard]] std::vector<float> losses(const Params& params, Part part);
  /// Of the examples from `from` until before `until`.
  [[nodiscard]] std::vector<float> losses(const Params& params, Part part, std::uint64_t from,
                                          std::uint64_t until);

  /// What decides the order of the minibatches, so that a restarted round repeats itself exactly.
  struct Plan {
    std::uint64_t seed = 0;
    std::uint64_t round = 0;
    std::uint64_t epochs = 1;
  };
  struct Epoch {
    std::uint64_t number = 0;  ///< from 1
    double train_loss = 0;
    pipe::Evaluation validation;
  };
  struct Training {
    Params params;  ///< after the best epoch
    Epoch best;     ///< lowest validation loss, the earliest of equals
    Epoch last;
  };
  /// Stochastic gradient descent with momentum, which starts at zero in every round.
  [[nodiscard]] Training train(const Params& start, const Plan& plan,
                               const std::function<void(const Epoch&)>& after_each_epoch);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kith::worker
