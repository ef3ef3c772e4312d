#pragma once

#include <array>
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

/// How much of an average the own partial should be: tries larger shares than it has, the others'
/// keeping their proportions, and takes the smallest, the present one included, whose losses are
/// not above the best ones by more than a standard error of the paired differences.
///
/// Who is nearly like many others would drown among them: each of them does little harm, so that
/// selection keeps them all, and their average fits them and not the node.  Where all are alike the
/// equal weights are best, and stay.  Sans-IO, like WeightSearch.
class OwnShare {
 public:
  static constexpr std::array kShares{0.25, 0.5, 0.75};
  static constexpr double kLarger = 1.2;  ///< times the present share; less is not tried

  /// `losses` are those of the average with `weights`, the own one first, of positive sum.
  OwnShare(std::vector<double> weights, std::span<const float> losses);

  /// The weights, of sum 1, whose average is to be measured; nullopt when done.
  [[nodiscard]] std::optional<std::vector<double>> next() const;
  /// The losses of that average, of the same examples in the same order.
  void record(std::span<const float> losses);
  /// The best so far, of sum 1.
  [[nodiscard]] std::vector<double> weights() const;

 private:
  [[nodiscard]] std::vector<double> with(double share) const;

  std::vector<double> start_;
  std::size_t position_ = 0;                ///< of the share to try
  std::vector<double> shares_;              ///< measured, the present one first
  std::vector<std::vector<float>> losses_;  ///< of each
};

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
