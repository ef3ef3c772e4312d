#include "model/norm.hpp"

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <limits>
#include <span>
#include <vector>

namespace norm_test {

using namespace kith::model;

double norm_of(const std::vector<float>& values) {
  return parameter_norm(std::as_bytes(std::span(values)));
}

BOOST_AUTO_TEST_SUITE(norm_tests)

BOOST_AUTO_TEST_CASE(norm_is_euclidean) {
  BOOST_TEST(norm_of({3, -4}) == 5);
  BOOST_TEST(norm_of({}) == 0);
}

BOOST_AUTO_TEST_CASE(norm_of_the_largest_floats_does_not_overflow) {
  const float largest = std::numeric_limits<float>::max();
  BOOST_TEST(norm_of({largest, largest}) == std::sqrt(2.0) * static_cast<double>(largest),
             boost::test_tools::tolerance(1e-12));
}

BOOST_AUTO_TEST_CASE(a_norm_that_is_not_finite_is_refused) {
  for (const float value :
       {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    BOOST_TEST(!norm_factor(norm_of({1, value}), 1, 1));
    BOOST_TEST(!norm_factor(norm_of({1, value}), 0, 0));
  }
}

BOOST_AUTO_TEST_CASE(more_than_ten_times_what_i_know_is_refused) {
  BOOST_TEST(norm_factor(10, 1, 0.5).has_value());
  BOOST_TEST(!norm_factor(10.1, 1, 0.5));
  BOOST_TEST(norm_factor(10.1, 1, 2).has_value());
  BOOST_TEST(!norm_factor(41, 1, 2));
}

BOOST_AUTO_TEST_CASE(more_than_twice_what_i_know_counts_as_twice) {
  BOOST_TEST(norm_factor(0, 1, 1).value() == 1);
  BOOST_TEST(norm_factor(1, 1, 0.5).value() == 1);
  BOOST_TEST(norm_factor(2, 1, 0.5).value() == 1);
  BOOST_TEST(norm_factor(8, 1, 0.5).value() == 0.25);
  BOOST_TEST(norm_factor(8, 1, 2).value() == 0.5);
}

BOOST_AUTO_TEST_CASE(my_own_diverged_model_does_not_open_the_door) {
  for (const double diverged : {HUGE_VAL, std::nan("")}) {
    BOOST_TEST(!norm_factor(11, 1, diverged));
    BOOST_TEST(norm_factor(9, 1, diverged).has_value());
    BOOST_TEST(norm_factor(8, 1, diverged).value() == 0.25);
  }
}

BOOST_AUTO_TEST_CASE(against_models_of_zeros_every_finite_norm_passes) {
  BOOST_TEST(norm_factor(8, 0, 0).value() == 1);
  BOOST_TEST(norm_factor(1e9, 0, 0).value() == 1);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace norm_test
