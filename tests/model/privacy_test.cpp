#include "model/privacy.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <cmath>
#include <numbers>
#include <vector>

namespace privacy_test {

using namespace kith::model;
using boost::test_tools::tolerance;

namespace data = boost::unit_test::data;

double epsilon_of(double sampling, double noise, std::uint64_t steps, double delta) {
  const PrivateSteps all{{sampling, noise}, steps};
  return epsilon(std::span(&all, 1), delta);
}

/// The same divergence by its definition: log E[(mixture / noise alone)^order] / (order - 1), the
/// expectation over the noise alone, by Simpson's rule.
double by_quadrature(const PrivateStep& step, double order) {
  const auto [q, sigma] = step;
  const double from = -40 * sigma, to = order + 40 * sigma;
  constexpr int kIntervals = 400'000;  // even
  const double width = (to - from) / kIntervals;
  const auto log_integrand = [&](double z) {
    const double ratio = (2 * z - 1) / (2 * sigma * sigma);
    // log((1 - q) + q exp(ratio)), without an overflow
    const double mixture = ratio > 0 ? ratio + std::log(q + (1 - q) * std::exp(-ratio))
                                     : std::log1p(q * std::expm1(ratio));
    return order * mixture - z * z / (2 * sigma * sigma) -
           std::log(sigma * std::sqrt(2 * std::numbers::pi));
  };
  double largest = -1e300;
  for (int i = 0; i <= kIntervals; ++i) {
    largest = std::max(largest, log_integrand(from + i * width));
  }
  double sum = 0;
  for (int i = 0; i <= kIntervals; ++i) {
    const double weight = i == 0 || i == kIntervals ? 1 : (i % 2 == 1 ? 4 : 2);
    sum += weight * std::exp(log_integrand(from + i * width) - largest);
  }
  return (largest + std::log(sum * width / 3)) / (order - 1);
}

const double kSamplings[] = {0.001, 0.04, 0.3, 0.9};
const double kNoises[] = {0.4, 0.7, 1.1, 3, 20};
const double kOrders[] = {1.3, 1.5, 2, 2.5, 5, 10.9, 32};

BOOST_AUTO_TEST_SUITE(privacy_tests)

// google/differential-privacy, python/dp_accounting/dp_accounting/rdp/
// rdp_privacy_accountant_test.py: test_compute_rdp_poisson_sampled_gaussian, 50 steps.  Of the
// fractional orders an earlier version of that file has the exact divergence, to five digits; later
// ones have a bound of it.
BOOST_DATA_TEST_CASE(divergences_are_those_of_googles_accountant,
                     data::make({1.5, 2.5, 5., 50., 100.}) ^
                         data::make({6.5007e-04, 1.0854e-03, 2.18075656e-03, 2.38460375e-02,
                                     1.67416308e+02}),
                     order, expected) {
  BOOST_TEST(50 * renyi_divergence({0.01, 2.5}, order) == expected, tolerance(1e-4));
}

// tensorflow/privacy, tensorflow_privacy/privacy/analysis/compute_dp_sgd_privacy_test.py:
// test_compute_dp_sgd_privacy, Test0 and Test1.
BOOST_AUTO_TEST_CASE(epsilons_are_those_of_tensorflow_privacy) {
  BOOST_TEST(epsilon_of(150 / 60000., 1.3, 15 * 400, 1e-5) == 0.7242234026109595, tolerance(1e-3));
  BOOST_TEST(epsilon_of(100 / 100000., 1.0, 30 * 1000, 1e-7) == 1.4154988495444845,
             tolerance(1e-3));
}

// pytorch/opacus, opacus/tests/accountants_test.py: test_rdp_accountant, and the noise that
// test_get_noise_multiplier_rdp_epochs and _steps find for an epsilon of 8.
BOOST_AUTO_TEST_CASE(epsilons_are_those_of_opacus) {
  BOOST_TEST(epsilon_of(0.04, 1.5, 90 * 25, 1e-5) == 7.32911117143, tolerance(1e-6));
  BOOST_TEST(epsilon_of(0.04, 1.416, 90 * 25, 1e-5) == 8, tolerance(1e-3));
  BOOST_TEST(epsilon_of(0.04, 1.3562, 2000, 1e-5) == 8, tolerance(1e-3));
}

// google/differential-privacy, the same file: test_compute_epsilon_delta_gaussian, where the noise
// is chosen to obtain exactly (1, 1e-6).
BOOST_AUTO_TEST_CASE(epsilon_of_the_gaussian_mechanism_is_that_of_googles_accountant) {
  BOOST_TEST(epsilon_of(1, 4.530877117, 1, 1e-6) == 1, tolerance(1e-3));
}

BOOST_AUTO_TEST_CASE(without_sampling_it_is_the_gaussian_mechanism) {
  for (const double noise : kNoises) {
    for (const double order : kOrders) {
      const double gaussian = order / (2 * noise * noise);
      BOOST_TEST(renyi_divergence({1, noise}, order) == gaussian, tolerance(1e-12));
      // and is reached without a jump
      BOOST_TEST(renyi_divergence({1 - 1e-9, noise}, order) == gaussian, tolerance(1e-6));
    }
  }
}

BOOST_DATA_TEST_CASE(divergence_is_what_its_definition_says_for_every_order,
                     data::make(kSamplings) * kNoises * kOrders, sampling, noise, order) {
  const PrivateStep step{sampling, noise};
  const double exact = by_quadrature(step, order);
  const double found = renyi_divergence(step, order);
  BOOST_TEST(std::abs(found - exact) < 1e-4 * exact + 1e-11);
  BOOST_TEST(found >= exact * (1 - 1e-6) - 1e-11);
}

BOOST_DATA_TEST_CASE(divergence_grows_with_the_order, data::make(kSamplings) * kNoises, sampling,
                     noise) {
  double before = 0;
  for (double order = 1.1; order < 64; order += 0.1) {
    const double now = renyi_divergence({sampling, noise}, order);
    BOOST_TEST(now >= before * (1 - 1e-9));
    before = now;
  }
}

BOOST_AUTO_TEST_CASE(more_steps_more_sampling_or_less_noise_never_cost_less) {
  double before = 0;
  for (const unsigned steps : {1U, 2U, 10U, 100U, 1000U, 10'000U, 100'000U}) {
    const double now = epsilon_of(0.02, 1, steps, 1e-5);
    BOOST_TEST(now > before);
    before = now;
  }
  before = 0;
  for (const double sampling : {0.001, 0.01, 0.02, 0.1, 0.5, 0.99, 1.}) {
    const double now = epsilon_of(sampling, 1, 100, 1e-5);
    BOOST_TEST(now > before);
    before = now;
  }
  before = 1e300;
  for (const double noise : {0.05, 0.1, 0.3, 0.5, 1., 2., 10., 100.}) {
    const double now = epsilon_of(0.02, noise, 100, 1e-5);
    BOOST_TEST(now < before);
    before = now;
  }
  BOOST_TEST(epsilon_of(0.02, 1, 100, 1e-6) > epsilon_of(0.02, 1, 100, 1e-5));
}

BOOST_AUTO_TEST_CASE(steps_of_different_kinds_add_up) {
  const std::vector<PrivateSteps> halves{{{0.02, 1}, 50}, {{0.02, 1}, 50}};
  BOOST_TEST(epsilon(halves, 1e-5) == epsilon_of(0.02, 1, 100, 1e-5), tolerance(1e-12));
  const std::vector<PrivateSteps> mixed{{{0.02, 1}, 50}, {{0.1, 0.8}, 50}};
  BOOST_TEST(epsilon(mixed, 1e-5) > epsilon_of(0.1, 0.8, 50, 1e-5));
  BOOST_TEST(epsilon(mixed, 1e-5) < epsilon_of(0.1, 0.8, 100, 1e-5));
}

BOOST_AUTO_TEST_CASE(nothing_done_costs_nothing) {
  BOOST_TEST(epsilon({}, 1e-5) == 0);
  BOOST_TEST(epsilon_of(0.02, 1, 0, 1e-5) == 0);
  BOOST_TEST(epsilon_of(0, 1, 1000, 1e-5) < 0.02);  // nobody was ever looked at
}

BOOST_AUTO_TEST_CASE(hardly_any_noise_costs_a_finite_lot) {
  const double most = epsilon_of(0.5, 1e-6, 1'000'000, 1e-5);
  BOOST_TEST(std::isfinite(most));
  BOOST_TEST(most > 1e15);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace privacy_test
