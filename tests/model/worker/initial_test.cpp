#include "model/torch/initial.hpp"

#include "crypto/hash.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>
#include <span>

namespace initial_test {

using namespace kith;
using worker::initial_model;
using worker::Params;

const model::Schema kSchema{{{"conv1.bias", {4}},
                             {"conv1.weight", {4, 3, 3, 3}},
                             {"output.bias", {2}},
                             {"output.weight", {2, 1000}}}};

std::span<const float> part(const Params& params, std::size_t from, std::size_t count) {
  return std::span(params).subspan(from, count);
}

float largest(std::span<const float> values) {
  float result = 0;
  for (const float value : values) result = std::max(result, std::abs(value));
  return result;
}

BOOST_AUTO_TEST_SUITE(initial_tests)

// Written down once: members whose M0 differ are in different tasks and never meet.
BOOST_AUTO_TEST_CASE(a_seed_means_the_same_model_on_every_machine) {
  const Params params = initial_model(kSchema, 42);
  BOOST_TEST(crypto::to_hex(crypto::hash(std::as_bytes(std::span(params)))) ==
             "b2509ab3de074ecf7f93325399bcdcad85ba30b6d050bce2cb2b5efd943b9899");
}

BOOST_AUTO_TEST_CASE(biases_are_zero_and_weights_fill_their_range) {
  const Params params = initial_model(kSchema, 1);
  BOOST_REQUIRE(params.size() == kSchema.parameters());
  BOOST_TEST(largest(part(params, 0, 4)) == 0.0F);
  BOOST_TEST(largest(part(params, 112, 2)) == 0.0F);
  const double conv_bound = std::sqrt(6.0 / 27);
  BOOST_TEST(largest(part(params, 4, 108)) <= conv_bound);
  BOOST_TEST(largest(part(params, 4, 108)) > 0.9 * conv_bound);
  const double output_bound = std::sqrt(6.0 / 1000);
  BOOST_TEST(largest(part(params, 114, 2000)) <= output_bound);
  BOOST_TEST(largest(part(params, 114, 2000)) > 0.99 * output_bound);
}

BOOST_AUTO_TEST_CASE(normalisations_begin_as_they_are) {
  const Params params = initial_model({{{"norm.bias", {3}}, {"norm.weight", {3}}}}, 1);
  BOOST_TEST((params == Params{0, 0, 0, 1, 1, 1}));
}

BOOST_AUTO_TEST_CASE(another_seed_is_another_model) {
  BOOST_TEST((initial_model(kSchema, 1) == initial_model(kSchema, 1)));
  BOOST_TEST((initial_model(kSchema, 1) != initial_model(kSchema, 2)));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace initial_test
