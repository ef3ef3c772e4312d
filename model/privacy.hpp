#pragma once

#include <cstdint>
#include <span>

namespace kith::model {

/// One step of private training: every example is drawn with the probability `sampling`,
/// independently of the others; gradients no longer than some bound are added up; and to each
/// coordinate of the sum comes Gaussian noise whose standard deviation is `noise` times that bound.
struct PrivateStep {
  double sampling = 0;  ///< 0 to 1
  double noise = 0;     ///< above 0
  bool operator==(const PrivateStep&) const = default;
};

/// So many such steps.
struct PrivateSteps {
  PrivateStep step;
  std::uint64_t count = 0;
};

/// The Rényi divergence of `order` (above 1) by which one step can tell two data sets apart that
/// differ in one example: present in one, without effect in the other.
///
/// Mironov, Talwar, Zhang 2019 (arXiv 1908.10530): section 3.3 for every order.
[[nodiscard]] double renyi_divergence(const PrivateStep& step, double order);

/// The epsilon such that whatever these steps, one after another, let know of an example is
/// (epsilon, `delta`)-differentially private.  Requires 0 < delta < 1.
///
/// Divergences of steps add up; each order gives an epsilon (Canonne, Kamath, Steinke 2020,
/// arXiv 2004.00010, proposition 12), and the least of them holds.  An upper bound, never a lower.
[[nodiscard]] double epsilon(std::span<const PrivateSteps> steps, double delta);

}  // namespace kith::model
