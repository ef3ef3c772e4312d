#include "model/torch/initial.hpp"

#include "crypto/hash.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

namespace initial_test {

using namespace kith;
using worker::initial_model;
using worker::Params;

const model::Schema kSchema{{{"conv1.bias", {4}},
                             {"conv1.weight", {4, 3, 3, 3}},
                             {"output.bias", {2}},
                             {"output.weight", {2, 1000}}}};

constexpr double kTenth = 0.1;

std::span<const float> part(const Params& params, std::size_t from, std::size_t count) {
  return std::span(params).subspan(from, count);
}

double dot(std::span<const float> a, std::span<const float> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

/// Rows of so many columns have this length, and stand at right angles to those of their group.
void check_rows(std::span<const float> weights, std::size_t columns, double length,
                std::size_t group) {
  for (std::size_t i = 0; i < weights.size() / columns; ++i) {
    const auto row = weights.subspan(i * columns, columns);
    BOOST_TEST(std::sqrt(dot(row, row)) == length, boost::test_tools::tolerance(1e-6));
    for (std::size_t j = i / group * group; j < i; ++j) {
      BOOST_TEST(std::abs(dot(row, weights.subspan(j * columns, columns))) < 1e-6);
    }
  }
}

BOOST_AUTO_TEST_SUITE(initial_tests)

// Written down once: members whose M0 differ are in different tasks and never meet.
BOOST_AUTO_TEST_CASE(a_seed_means_the_same_model_on_every_machine) {
  const Params params = initial_model(kSchema, kTenth, 42);
  BOOST_TEST(crypto::to_hex(crypto::hash(std::as_bytes(std::span(params)))) ==
             "200a9d1e58e9be2f33bd53755e2edb62d8c784e47d51716555418b0d64e3c074");
}

BOOST_AUTO_TEST_CASE(biases_are_zero_and_rows_of_weights_orthogonal) {
  const Params params = initial_model(kSchema, kTenth, 1);
  BOOST_REQUIRE(params.size() == kSchema.parameters());
  BOOST_TEST(std::ranges::count(part(params, 0, 4), 0.0F) == 4);
  BOOST_TEST(std::ranges::count(part(params, 112, 2), 0.0F) == 2);
  check_rows(part(params, 4, 108), 27, std::sqrt(2.0), 4);
  check_rows(part(params, 114, 2000), 1000, std::sqrt(2.0) / 10, 2);
}

BOOST_AUTO_TEST_CASE(more_rows_than_columns_are_orthogonal_in_groups) {
  check_rows(initial_model({{{"a.weight", {10, 4}}}}, kTenth, 1), 4, std::sqrt(2.0), 4);
  check_rows(initial_model({{{"a.weight", {3, 1}}}}, kTenth, 1), 1, std::sqrt(2.0), 1);
  check_rows(initial_model({{{"a.weight", {150, 70}}}}, kTenth, 1), 70, std::sqrt(2.0), 64);
}

BOOST_AUTO_TEST_CASE(normalisations_begin_as_they_are) {
  const Params params = initial_model({{{"norm.bias", {3}}, {"norm.weight", {3}}}}, kTenth, 1);
  BOOST_TEST((params == Params{0, 0, 0, 1, 1, 1}));
}

BOOST_AUTO_TEST_CASE(another_seed_is_another_model) {
  BOOST_TEST((initial_model(kSchema, kTenth, 1) == initial_model(kSchema, kTenth, 1)));
  BOOST_TEST((initial_model(kSchema, kTenth, 1) != initial_model(kSchema, kTenth, 2)));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace initial_test
