#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace kith::model {

/// How much a snapshot of this age counts against a new one: 2^(-age / half_life), in [0, 1].
/// Ages and half-lives are in rounds of this node.  An age below zero counts as new, one that is
/// not a number as infinitely old.  With a half-life that is not above zero only new snapshots
/// count.
[[nodiscard]] double freshness(double age, double half_life);

/// The weights of an average of the own partial, first, and one member per age: in proportion to
/// freshness, the own age being zero.  Each in [0, 1], their sum 1.
[[nodiscard]] std::vector<double> aggregation_weights(std::span<const double> member_ages,
                                                      double half_life);

/// Learns the weights of an average from what they do to the validation loss: tries for each of the
/// models twice its weight and, if that does not help, half of it; and keeps what makes the losses
/// lower by more than a standard error of the paired differences, so that with few examples chance
/// changes little.  One pass, at most two measurements a model.  Sans-IO, like Selection:
///
///     while (const auto weights = search.next()) search.record(losses_of_average(*weights));
class WeightSearch {
 public:
  /// `losses` are those of the average with `weights`, which have a positive sum.
  WeightSearch(std::vector<double> weights, std::span<const float> losses);

  /// The weights, of sum 1, whose average is to be measured; nullopt when done.
  [[nodiscard]] std::optional<std::vector<double>> next() const;
  /// The losses of that average, of the same examples in the same order.
  void record(std::span<const float> losses);
  /// The best so far, of sum 1.
  [[nodiscard]] const std::vector<double>& weights() const { return weights_; }

 private:
  std::vector<double> weights_;
  std::vector<float> losses_;
  std::size_t position_ = 0;  ///< of the weight to change
  bool halve_ = false;        ///< since doubling did not help
};

}  // namespace kith::model
