#include "daemon/simulation/attack.hpp"

#include "daemon/system/failure.hpp"
#include "model/pipe/memfd.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cmath>

namespace attack_test {

using namespace kith;
using namespace kith::daemon;
using Values = std::vector<float>;

const model::Schema kSchema{{{"w", {4}}}};

pipe::Fd file_of(const Values& values) {
  return pipe::sealed_memfd("test", model::write_snapshot(kSchema, values));
}

Values values_of(const pipe::Fd& file) {
  const auto map = pipe::SealedMap::open(file, 4096);
  const auto read = model::read_snapshot(std::get<pipe::SealedMap>(map).bytes());
  return std::get<model::Snapshot>(read).copy_values();
}

struct Attacker {
  Values result(AttackKind kind) {
    std::mt19937_64 random(1);
    return values_of(attacked(kind, partial, material, random));
  }
  pipe::Fd initial = file_of({1, 1, 1, 1});
  pipe::Fd first = file_of({5, 5, 5, 5});
  pipe::Fd other = file_of({7, 7, 7, 7});
  pipe::Fd partial = file_of({2, 0, 1, 3});
  AttackMaterial material{&initial, &first, &other};
};

BOOST_FIXTURE_TEST_SUITE(attack_tests, Attacker)

BOOST_AUTO_TEST_CASE(sign_flip_goes_the_other_way_from_the_initial_model) {
  BOOST_TEST((result(AttackKind::sign_flip) == Values{0, 2, 1, -1}));
}

BOOST_AUTO_TEST_CASE(scale_goes_a_hundred_times_as_far) {
  BOOST_TEST((result(AttackKind::scale) == Values{101, -99, 1, 201}));
}

BOOST_AUTO_TEST_CASE(replay_and_free_ride_send_what_was_sent_before) {
  BOOST_TEST((result(AttackKind::replay) == Values{5, 5, 5, 5}));
  BOOST_TEST((result(AttackKind::free_ride) == Values{7, 7, 7, 7}));
  material.other = nullptr;  // in the first round there is nothing to steal
  BOOST_TEST((result(AttackKind::free_ride) == Values{2, 0, 1, 3}));
}

BOOST_AUTO_TEST_CASE(nothing_of_the_model_is_left_in_noise_nan_and_infinity) {
  BOOST_TEST(std::ranges::all_of(result(AttackKind::nan), [](float x) { return std::isnan(x); }));
  BOOST_TEST(
      std::ranges::all_of(result(AttackKind::infinity), [](float x) { return std::isinf(x); }));
  const Values noise = result(AttackKind::noise);
  BOOST_TEST((noise != values_of(partial)));
  BOOST_TEST(std::ranges::all_of(noise, [](float x) { return std::abs(x) < 4; }));
}

BOOST_AUTO_TEST_CASE(altered_copy_is_nearly_what_another_published) {
  const Values copy = result(AttackKind::altered_copy);
  BOOST_TEST((copy != Values{7, 7, 7, 7}));
  BOOST_TEST(std::ranges::all_of(copy, [](float x) { return std::abs(x - 7) < 0.13; }));
  material.other = nullptr;
  BOOST_TEST((result(AttackKind::altered_copy) == Values{2, 0, 1, 3}));
}

// Two hidden units whose outputs, of two values each, go into one.
const model::Schema kChain{
    {{"a.bias", {2}}, {"a.weight", {2, 1}}, {"b.bias", {1}}, {"b.weight", {1, 4}}}};

pipe::Fd chain(const Values& values) {
  return pipe::sealed_memfd("test", model::write_snapshot(kChain, values));
}

BOOST_AUTO_TEST_CASE(permuted_model_has_its_hidden_units_in_another_order_and_computes_the_same) {
  const pipe::Fd file = chain({1, 2, 3, 4, 5, 60, 61, 70, 71});
  BOOST_TEST((values_of(permuted(file)) == Values{2, 1, 4, 3, 5, 70, 71, 60, 61}));
  BOOST_TEST((values_of(permuted(permuted(file))) == values_of(file)));
}

BOOST_AUTO_TEST_CASE(colluder_publishes_the_mean_of_the_honest_permuted) {
  const pipe::Fd one = chain({0, 0, 0, 0, 0, 0, 0, 0, 0}), two = chain({2, 4, 6, 8, 0, 2, 4, 6, 8});
  partial = chain({9, 9, 9, 9, 9, 9, 9, 9, 9});
  BOOST_TEST((result(AttackKind::collude) == values_of(partial)));  // nobody published yet
  material.honest = {&one, &two};
  const Values wanted{2, 1, 4, 3, 0, 3, 4, 1, 2};
  const Values published = result(AttackKind::collude);
  BOOST_TEST((published != wanted));  // or it would be told for a copy of another's
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    BOOST_TEST(std::abs(published[i] - wanted[i]) < 0.1);
  }
}

BOOST_AUTO_TEST_CASE(model_that_is_no_chain_of_layers_cannot_be_permuted) {
  BOOST_CHECK_THROW(static_cast<void>(permuted(partial)), Failure);
}

BOOST_AUTO_TEST_CASE(interpolation_is_so_far_on_the_way) {
  BOOST_TEST((values_of(between(file_of({0, 0, 1, 1}), file_of({4, 8, 1, 5}), 0.25F)) ==
              Values{1, 2, 1, 2}));
}

BOOST_AUTO_TEST_CASE(label_flip_leaves_the_model_as_it_was_learnt) {
  BOOST_TEST((result(AttackKind::label_flip) == values_of(partial)));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace attack_test
