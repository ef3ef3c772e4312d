#include "model/influence.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>

namespace kith::model {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

using Gains = std::vector<double>;  // by how much each example's loss is below the reference's

Gains gains(std::span<const float> reference, std::span<const float> losses) {
  if (reference.size() != losses.size()) {
    throw std::invalid_argument("influence needs the losses of the same examples: there are " +
                                std::to_string(reference.size()) + " of the reference and " +
                                std::to_string(losses.size()) + " of the model");
  }
  Gains result(losses.size());
  std::ranges::transform(reference, losses, result.begin(),
                         [](double before, double after) { return before - after; });
  return result;
}

double mean(const Gains& values) {
  if (values.empty()) return 0;
  return std::reduce(values.begin(), values.end()) / static_cast<double>(values.size());
}

/// The covariance of the two *means*; infinite with fewer than two examples.
double covariance(const Gains& a, double mean_a, const Gains& b, double mean_b) {
  if (a.size() < 2) return kInfinity;
  const double sum =
      std::transform_reduce(a.begin(), a.end(), b.begin(), 0.0, std::plus<>(),
                            [=](double x, double y) { return (x - mean_a) * (y - mean_b); });
  const auto n = static_cast<double>(a.size());
  return sum / (n - 1) / n;
}

Estimate estimate(const Gains& values) {
  const double m = mean(values);
  return {m, std::sqrt(covariance(values, m, values, m)), values.size()};
}

/// The divisor must be above zero by z standard errors: then, and only then, is Fieller's set of
/// ratios an interval.
bool can_divide_by(const Estimate& yardstick, double z) {
  return yardstick.mean > z * yardstick.standard_error;
}

/// The ratios r with (A - r B)^2 <= z^2 Var(A - r B), of the means A of `peer` and B of `divisor`:
/// a quadratic inequality in r.
void divide(const Gains& peer, const Gains& divisor, double z, RelativeInfluence& result) {
  const double a = result.influence.mean;
  const double b = result.yardstick.mean;
  const double zz = z * z;
  const double square = b * b - zz * std::pow(result.yardstick.standard_error, 2);  // above zero
  const double half_linear = a * b - zz * covariance(peer, a, divisor, b);
  const double constant = a * a - zz * std::pow(result.influence.standard_error, 2);
  // Below zero by rounding only, where peer and divisor are proportional.
  const double root = std::sqrt(std::max(0.0, half_linear * half_linear - square * constant));
  result.rho = a / b;
  result.low = std::min(result.rho, (half_linear - root) / square);
  result.high = std::max(result.rho, (half_linear + root) / square);
}

/// The example-wise mean gain of the most influential peers; empty if there are no peers.
Gains best_peers(const std::vector<Gains>& peers) {
  std::vector<std::size_t> ranking(peers.size());
  std::iota(ranking.begin(), ranking.end(), 0U);
  std::ranges::stable_sort(ranking, std::greater<>(),
                           [&peers](std::size_t index) { return mean(peers[index]); });
  ranking.resize(std::min(ranking.size(), kBestPeers));
  Gains result(ranking.empty() ? 0 : peers.front().size());
  for (const auto index : ranking) {
    for (std::size_t at = 0; at < result.size(); ++at) {
      result[at] += peers[index][at] / static_cast<double>(ranking.size());
    }
  }
  return result;
}

RelativeInfluence compare(const Gains& peer, const Gains& own, const Gains& substitute, double z) {
  RelativeInfluence result{.influence = estimate(peer), .own = estimate(own)};
  if (can_divide_by(result.own, z)) {
    result.against = Yardstick::own;
    result.yardstick = result.own;
    divide(peer, own, z, result);
    return result;
  }
  result.yardstick = estimate(substitute);
  if (can_divide_by(result.yardstick, z)) {
    result.against = Yardstick::best_peers;
    divide(peer, substitute, z, result);
    return result;
  }
  result.low = -kInfinity;
  result.high = kInfinity;
  return result;
}

}  // namespace

Estimate lazy_influence(std::span<const float> reference_losses,
                        std::span<const float> peer_losses) {
  return estimate(gains(reference_losses, peer_losses));
}

RelativeInfluence relative_influence(std::span<const float> reference_losses,
                                     std::span<const float> own_losses,
                                     std::span<const float> peer_losses, double z) {
  return compare(gains(reference_losses, peer_losses), gains(reference_losses, own_losses), {}, z);
}

std::vector<RelativeInfluence> relative_influences(
    std::span<const float> reference_losses, std::span<const float> own_losses,
    std::span<const std::span<const float>> peers_losses, double z) {
  const auto own = gains(reference_losses, own_losses);
  std::vector<Gains> peers;
  for (const auto losses : peers_losses) peers.push_back(gains(reference_losses, losses));
  const auto substitute = best_peers(peers);
  std::vector<RelativeInfluence> result;
  for (const auto& peer : peers) result.push_back(compare(peer, own, substitute, z));
  return result;
}

}  // namespace kith::model
