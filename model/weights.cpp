#include "model/weights.hpp"

#include "model/paired.hpp"

#include <cassert>
#include <cmath>
#include <numeric>
#include <utility>

namespace kith::model {
namespace {

constexpr double kClear = 1;  // standard errors by which other weights must be better

void normalise(std::vector<double>& weights) {
  const double sum = std::reduce(weights.begin(), weights.end());
  for (double& weight : weights) weight /= sum;
}

}  // namespace

double freshness(double age, double half_life) {
  if (age <= 0) return 1;
  if (std::isnan(age) || std::isinf(age)) return 0;
  return half_life > 0 ? std::exp2(-age / half_life) : 0;
}

std::vector<double> aggregation_weights(std::span<const double> member_ages, double half_life) {
  std::vector<double> weights{1.0};  // the own partial, so the sum is never zero
  for (const double age : member_ages) weights.push_back(freshness(age, half_life));
  normalise(weights);
  return weights;
}

OwnShare::OwnShare(std::vector<double> weights, std::span<const float> losses)
    : start_(std::move(weights)), losses_{{losses.begin(), losses.end()}} {
  normalise(start_);
  shares_.push_back(start_[0]);
  const double least = start_.size() < 2 ? 1 : kLarger * start_[0];
  while (position_ < kShares.size() && kShares[position_] < least) ++position_;
}

std::optional<std::vector<double>> OwnShare::next() const {
  if (position_ == kShares.size()) return std::nullopt;
  return with(kShares[position_]);
}

void OwnShare::record(std::span<const float> losses) {
  assert(next());
  shares_.push_back(kShares[position_++]);
  losses_.emplace_back(losses.begin(), losses.end());
}

std::vector<double> OwnShare::weights() const {
  std::size_t best = 0;
  for (std::size_t i = 1; i < losses_.size(); ++i) {
    if (mean(losses_[i]) < mean(losses_[best])) best = i;
  }
  std::size_t smallest = 0;
  while (smallest < best && clearly_worse(losses_[smallest], losses_[best], kClear)) ++smallest;
  return smallest == 0 ? start_ : with(shares_[smallest]);
}

std::vector<double> OwnShare::with(double share) const {
  std::vector<double> weights = start_;
  for (double& weight : weights) weight *= (1 - share) / (1 - start_[0]);
  weights[0] = share;
  return weights;
}

WeightSearch::WeightSearch(std::vector<double> weights, std::span<const float> losses)
    : weights_(std::move(weights)), losses_(losses.begin(), losses.end()) {
  normalise(weights_);
}

std::optional<std::vector<double>> WeightSearch::next() const {
  if (weights_.size() < 2 || position_ == weights_.size()) return std::nullopt;
  auto weights = weights_;
  weights[position_] *= halve_ ? 0.5 : 2;
  normalise(weights);
  return weights;
}

void WeightSearch::record(std::span<const float> losses) {
  auto tried = next();
  assert(tried);
  const bool better = clearly_worse(losses_, losses, kClear);
  if (better) {
    weights_ = *std::move(tried);
    losses_.assign(losses.begin(), losses.end());
  }
  const bool done = better || halve_;
  halve_ = !done;
  position_ += done ? 1 : 0;
}

}  // namespace kith::model
