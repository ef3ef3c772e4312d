#pragma once

#include "daemon/learning/strategy.hpp"
#include "model/snapshot.hpp"

#include <vector>

namespace kith::daemon {

/// FedALA: Zhang, Hua, Wang, Song, Xue, Ma, Guan, "FedALA: adaptive local aggregation for
/// personalized federated learning", AAAI 2023, arXiv 2212.01197.
///
/// Everybody averages with everybody, but a node does not begin its training from the average G: in
/// the last layer it begins from L + W (G - L), element by element, where L is its own model after
/// the last training and W are weights from 0 to 1 that it learns by gradient descent on 80 % of
/// its training examples, at first until the loss settles and then for one pass a round; in the
/// others it begins from G.  It serves what its own training made.
///
/// Section 3 and the authors' program, with its defaults: rate 1, settled when the losses of ten
/// passes have a standard deviation below 0.1, one layer.  Liberties: models count alike, where the
/// paper weighs by examples; the first passes are a hundred at most.  Reads the weights of its
/// peers' models, which the network of a running node does not hand out.
class FedAla final : public Strategy {
 public:
  explicit FedAla(const Config& config)
      : half_life_(config.learning.half_life), batch_(config.task.batch) {}

  std::vector<std::string> pulls(std::uint64_t round, const std::vector<std::string>& peers,
                                 std::mt19937_64& random) override;
  net::awaitable<void> prepare(Situation situation) override;
  net::awaitable<Choice> choose(Situation situation) override;
  [[nodiscard]] bool reads_models() const override { return true; }

 private:
  /// One pass over the examples; returns the mean loss of its batches.
  net::awaitable<double> pass(Situation situation);
  /// Loads the model to begin from into the worker.
  net::awaitable<void> load_start(Situation situation);

  double half_life_;
  unsigned batch_;
  model::Schema schema_;
  std::size_t first_ = 0, end_ = 0;    ///< where the last layer lies among the weights
  std::vector<float> local_, global_;  ///< L and G; empty in the first round
  std::vector<float> weights_;         ///< W, of the last layer only
  bool settled_ = false;
};

}  // namespace kith::daemon
