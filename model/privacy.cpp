#include "model/privacy.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

namespace kith::model {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// log(exp(a) + exp(b))
double log_add(double a, double b) {
  const double larger = std::max(a, b);
  return larger == -kInfinity ? larger : larger + std::log1p(std::exp(std::min(a, b) - larger));
}
/// log(exp(a) - exp(b)); requires a >= b.
double log_subtract(double a, double b) {
  return b == -kInfinity ? a : a + std::log(-std::expm1(b - a));
}

/// log(erfc(x)), also where erfc(x) is too small for a double.
double log_erfc(double x) {
  constexpr double kAsymptotic = 25;
  if (x < kAsymptotic) return std::log(std::erfc(x));
  const double y = 1 / (2 * x * x);
  return -x * x - std::log(x * std::sqrt(std::numbers::pi)) +
         std::log1p(-y + 3 * y * y - 15 * y * y * y);
}

/// log of the binomial coefficient of two whole numbers
double log_choose(double n, double k) {
  return std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1);
}

// Both return log A, where A is the moment of order `order` of the ratio of the two outputs'
// densities; D = log A / (order - 1).

// "For integer order": the binomial expansion of the mixture.
double log_moment_of_integer(double q, double sigma, double order) {
  double sum = -kInfinity;
  for (double k = 0; k <= order; ++k) {
    sum = log_add(sum, log_choose(order, k) + k * std::log(q) + (order - k) * std::log1p(-q) +
                           (k * k - k) / (2 * sigma * sigma));
  }
  return sum;
}

// "For fractional order": the line is cut at z0, where both parts of the mixture are equally dense,
// and either side expanded in the part that is smaller there.  The binomial coefficients of a
// fraction change signs after the first few, and the terms fall: what is left out is less than the
// last one, which is added.  NaN if they fall too slowly, or cancel out.
double log_moment_of_fraction(double q, double sigma, double order) {
  constexpr double kNegligible = -30;  // A is at least 1
  constexpr int kMostTerms = 10'000;
  const double z0 = sigma * sigma * std::log(1 / q - 1) + 0.5;
  const double variance = sigma * sigma;
  double below = -kInfinity, above = -kInfinity;
  double log_coefficient = 0;  // of its absolute value
  bool positive = true;
  for (int n = 0; n < kMostTerms; ++n) {
    const double i = n, j = order - i;
    const double first = log_coefficient + i * std::log(q) + j * std::log1p(-q) +
                         (i * i - i) / (2 * variance) +
                         log_erfc((i - z0) / (std::numbers::sqrt2 * sigma)) - std::numbers::ln2;
    const double second = log_coefficient + j * std::log(q) + i * std::log1p(-q) +
                          (j * j - j) / (2 * variance) +
                          log_erfc((z0 - j) / (std::numbers::sqrt2 * sigma)) - std::numbers::ln2;
    below = positive ? log_add(below, first) : log_subtract(below, first);
    above = positive ? log_add(above, second) : log_subtract(above, second);
    if (n > order && std::max(first, second) < kNegligible) {
      return log_add(log_add(below, above), kNegligible);
    }
    // coefficient(n + 1) = coefficient(n) (order - n) / (n + 1)
    if (j < 0) positive = !positive;
    log_coefficient += std::log(std::abs(j)) - std::log(i + 1);
  }
  return std::numeric_limits<double>::quiet_NaN();
}

/// Fine where the best order for much noise or many steps lies, coarse where it does for few.
std::vector<double> orders() {
  std::vector<double> all;
  for (int tenths = 11; tenths < 110; ++tenths) all.push_back(tenths / 10.0);
  for (int order = 11; order < 64; ++order) all.push_back(order);
  for (int order = 64; order <= 1024; order *= 2) all.push_back(order);
  return all;
}

}  // namespace

double renyi_divergence(const PrivateStep& step, double order) {
  const auto [q, sigma] = step;
  assert(q >= 0 && q <= 1 && sigma > 0 && order > 1);
  if (q == 0) return 0;
  if (q == 1) return order / (2 * sigma * sigma);  // the Gaussian mechanism
  if (order == std::floor(order)) return log_moment_of_integer(q, sigma, order) / (order - 1);
  const double moment = log_moment_of_fraction(q, sigma, order);
  // Divergences grow with the order, so that of the next integer is safe.
  if (!std::isfinite(moment)) return renyi_divergence(step, std::ceil(order));
  return std::max(0.0, moment) / (order - 1);
}

double epsilon(std::span<const PrivateSteps> steps, double delta) {
  assert(delta > 0 && delta < 1);
  if (std::ranges::all_of(steps, [](const PrivateSteps& some) { return some.count == 0; })) {
    return 0;
  }
  static const std::vector<double> all = orders();
  double least = kInfinity;
  for (const double order : all) {
    double divergence = 0;
    for (const auto& [step, count] : steps) {
      divergence += static_cast<double>(count) * renyi_divergence(step, order);
    }
    const double one =
        divergence + std::log1p(-1 / order) - (std::log(delta) + std::log(order)) / (order - 1);
    if (one < least) least = one;
  }
  return std::max(0.0, least);
}

}  // namespace kith::model
