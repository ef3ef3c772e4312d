#pragma once

#include <cstddef>
#include <map>
#include <random>
#include <span>
#include <string>
#include <vector>

/// The arithmetic of the published methods that Kith is compared with; daemon/strategies/ has the
/// methods, and names their papers.
namespace kith::model {

// ---- FedFomo ----

/// FedFomo's weights: by how much each model is better than the reference, for each unit of
/// distance from it.  Below zero it is worse.  One at no distance gets 0.  Throws
/// std::invalid_argument if the spans differ in size.
[[nodiscard]] std::vector<double> fomo_weights(double reference_loss,
                                               std::span<const double> losses,
                                               std::span<const double> distances);

/// What is above zero, divided by its sum; all zero if nothing is.
[[nodiscard]] std::vector<double> positive_share(std::span<const double> values);

/// The indices of `count` of the scores, each the highest of the rest, ties by chance, or with
/// probability `epsilon` any of the rest.
[[nodiscard]] std::vector<std::size_t> epsilon_greedy(std::span<const double> scores,
                                                      std::size_t count, double epsilon,
                                                      std::mt19937_64& random);

// ---- Trimmed mean and median ----

/// In each coordinate the mean of the models' values without the `trim` lowest and highest; the
/// median if all but one or two are left out.  What is not finite counts as the highest.  Throws
/// std::invalid_argument if nothing would be left, or the models differ in size.
[[nodiscard]] std::vector<float> trimmed_mean(const std::vector<std::vector<float>>& models,
                                              std::size_t trim);

// ---- FedALA ----

/// One step of the weights, from 0 to 1, by which a model lies between two others, element by
/// element: from = 0, to = 1.  `gradient` is of the loss at that model.  Requires equal sizes.
void move_between(std::span<float> weights, std::span<const float> gradient,
                  std::span<const float> from, std::span<const float> to, double rate);

// ---- DAC ----

/// The indices of `count` of the scores, drawn one after the other and without replacement with
/// probability proportional to exp(tau * score).
[[nodiscard]] std::vector<std::size_t> softmax_sample(std::span<const double> scores, double tau,
                                                      std::size_t count, std::mt19937_64& random);

/// What a peer says about how similar others are to it.
using Similarities = std::map<std::string, double>;
struct Hearsay {
  double similarity = 0;  ///< of the peer, to us
  Similarities says;
};

/// For everyone whom somebody knows, what the one most similar to us says of him.
[[nodiscard]] Similarities two_hop(std::span<const Hearsay> heard);

}  // namespace kith::model
