#include "model/weights.hpp"

#include <cmath>
#include <numeric>

namespace kith::model {

double freshness(double age, double half_life) {
  if (age <= 0) return 1;
  if (std::isnan(age) || std::isinf(age)) return 0;
  return half_life > 0 ? std::exp2(-age / half_life) : 0;
}

std::vector<double> aggregation_weights(std::span<const double> member_ages, double half_life) {
  std::vector<double> weights{1.0};  // the own partial, so the sum is never zero
  for (const double age : member_ages) weights.push_back(freshness(age, half_life));
  const double sum = std::reduce(weights.begin(), weights.end());
  for (auto& weight : weights) weight /= sum;
  return weights;
}

}  // namespace kith::model
