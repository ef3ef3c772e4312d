#include "model/comparators.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <utility>

namespace kith::model {
namespace {

/// The first `count` indices once they are in the order of their keys, the largest first.
std::vector<std::size_t> largest(const std::vector<double>& keys, std::size_t count) {
  std::vector<std::size_t> indices(keys.size());
  std::iota(indices.begin(), indices.end(), std::size_t{0});
  const auto key = [&](std::size_t i) { return keys[i]; };
  std::ranges::stable_sort(indices, std::greater<>(), key);
  indices.resize(std::min(count, indices.size()));
  return indices;
}

}  // namespace

std::vector<double> fomo_weights(double reference_loss, std::span<const double> losses,
                                 std::span<const double> distances) {
  if (losses.size() != distances.size()) {
    throw std::invalid_argument("every model wants one loss and one distance");
  }
  std::vector<double> weights;
  for (std::size_t i = 0; i < losses.size(); ++i) {
    weights.push_back(distances[i] > 0 ? (reference_loss - losses[i]) / distances[i] : 0);
  }
  return weights;
}

std::vector<double> positive_share(std::span<const double> values) {
  std::vector<double> shares(values.begin(), values.end());
  for (double& share : shares) share = std::max(share, 0.0);
  const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
  if (sum > 0) {
    for (double& share : shares) share /= sum;
  }
  return shares;
}

std::vector<std::size_t> epsilon_greedy(std::span<const double> scores, std::size_t count,
                                        double epsilon, std::mt19937_64& random) {
  std::vector<std::size_t> rest(scores.size());
  std::iota(rest.begin(), rest.end(), std::size_t{0});
  std::ranges::shuffle(rest, random);  // so that the first is any of them, and ties are by chance
  std::bernoulli_distribution explore(epsilon);
  std::vector<std::size_t> chosen;
  while (chosen.size() < count && !rest.empty()) {
    const auto score = [&](std::size_t i) { return scores[i]; };
    const auto next =
        explore(random) ? rest.begin() : std::ranges::max_element(rest, std::less<>(), score);
    chosen.push_back(*next);
    rest.erase(next);
  }
  return chosen;
}

void move_between(std::span<float> weights, std::span<const float> gradient,
                  std::span<const float> from, std::span<const float> to, double rate) {
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const double way = static_cast<double>(to[i]) - static_cast<double>(from[i]);
    const double step = rate * static_cast<double>(gradient[i]) * way;
    weights[i] = static_cast<float>(std::clamp(static_cast<double>(weights[i]) - step, 0.0, 1.0));
  }
}

std::vector<std::size_t> softmax_sample(std::span<const double> scores, double tau,
                                        std::size_t count, std::mt19937_64& random) {
  // The Gumbel trick: the largest of tau * score + Gumbel noise is a draw from the softmax, the
  // next ones are draws from what is left, and no exponential overflows.
  std::extreme_value_distribution<double> gumbel;
  std::vector<double> keys;
  for (const double score : scores) keys.push_back(tau * score + gumbel(random));
  return largest(keys, count);
}

Similarities two_hop(std::span<const Hearsay> heard) {
  std::vector<const Hearsay*> by_similarity;
  for (const Hearsay& one : heard) by_similarity.push_back(&one);
  std::ranges::stable_sort(by_similarity, std::greater<>(), &Hearsay::similarity);
  Similarities estimates;
  for (const Hearsay* const one : by_similarity) {
    for (const auto& [peer, similarity] : one->says) estimates.try_emplace(peer, similarity);
  }
  return estimates;
}

std::vector<float> trimmed_mean(const std::vector<std::vector<float>>& models, std::size_t trim) {
  if (models.size() <= 2 * trim) throw std::invalid_argument("trimmed mean: nothing is left");
  std::vector<float> mean(models.front().size());
  for (const auto& model : models) {
    if (model.size() != mean.size()) throw std::invalid_argument("trimmed mean: sizes differ");
  }
  std::vector<float> column(models.size());
  const auto first = column.begin() + static_cast<std::ptrdiff_t>(trim);
  const auto last = column.end() - static_cast<std::ptrdiff_t>(trim);
  for (std::size_t i = 0; i < mean.size(); ++i) {
    for (std::size_t k = 0; k < models.size(); ++k) {
      const float value = models[k][i];
      column[k] = std::isfinite(value) ? value : std::numeric_limits<float>::max();
    }
    std::ranges::sort(column);
    const double sum = std::accumulate(first, last, 0.0);
    mean[i] = static_cast<float>(sum / static_cast<double>(last - first));
  }
  return mean;
}

}  // namespace kith::model
