#include "model/copies.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <span>
#include <vector>

namespace copies_test {

using namespace kith::model;

using Losses = std::vector<float>;
constexpr double kCut = 3;
const Losses kOne{0.5F, 0.25F, 1.5F, 0.1F, 0.2F, 0.3F, 0.4F, 0.6F, 0.7F};
const Losses kOther{0.5F, 0.25F, 1.5F, 0.1F, 0.2F, 0.3F, 0.4F, 0.5F, 0.7F};

BOOST_AUTO_TEST_SUITE(copies_tests)

BOOST_AUTO_TEST_CASE(who_sends_back_what_another_published_is_told) {
  Copies copies(kCut);
  BOOST_TEST(!copies.add("a", 1, kOne));
  BOOST_TEST(copies.add("thief", 2, kOne).value_or("") == "a");
  BOOST_TEST(copies.add("second thief", 3, kOne).value_or("") == "a");
}

BOOST_AUTO_TEST_CASE(other_models_and_the_own_one_told_again_are_no_copies) {
  Copies copies(kCut);
  BOOST_TEST(!copies.add("a", 1, kOne));
  BOOST_TEST(!copies.add("b", 1, kOther));
}

BOOST_AUTO_TEST_CASE(
    who_tells_its_own_old_model_again_and_again_is_told_but_not_who_repeats_a_round) {
  Copies copies(kCut);
  BOOST_TEST(!copies.add("a", 1, kOne));
  BOOST_TEST(!copies.add("a", 2, kOne));
  for (std::uint64_t round = 1 + Copies::kAgain; round < 40; ++round) {
    BOOST_TEST(copies.add("a", round, kOne).value_or("") == "a");
  }
  BOOST_TEST(!copies.add("a", 40, kOther));
}

BOOST_AUTO_TEST_CASE(the_first_to_publish_is_not_called_a_copier_by_being_copied) {
  Copies copies(kCut);
  static_cast<void>(copies.add("a", 1, kOne));
  static_cast<void>(copies.add("thief", 2, kOne));
  BOOST_TEST(!copies.add("a", 3, kOther));
}

BOOST_AUTO_TEST_CASE(what_was_seen_long_ago_is_forgotten) {
  Copies copies(kCut);
  static_cast<void>(copies.add("a", 1, kOne));
  BOOST_TEST(!copies.add("b", 2 + Copies::kRounds, kOne));
}

BOOST_AUTO_TEST_CASE(losses_of_fewer_examples_are_compared_as_far_as_they_go) {
  Copies copies(kCut);
  static_cast<void>(copies.add("a", 1, kOne));
  BOOST_TEST(copies.add("b", 1, std::span(kOne).first(8)).has_value());
  BOOST_TEST(!copies.add("c", 1, std::span(kOne).first(7)));  // too few
}

// In CIFAR-100 by superclass, all strangers were told to be copies of one another.
BOOST_AUTO_TEST_CASE(strangers_that_are_wrong_about_every_example_are_no_copies) {
  Copies copies(kCut);
  Losses wrong(32, static_cast<float>(kCut));
  BOOST_TEST(!copies.add("a", 1, wrong));
  BOOST_TEST(!copies.add("b", 1, wrong));
  std::ranges::copy(std::span(kOne).first(Copies::kFewest - 1), wrong.begin());
  BOOST_TEST(!copies.add("a", 2, wrong));
  BOOST_TEST(!copies.add("b", 2, wrong));
  wrong[Copies::kFewest] = 1;
  BOOST_TEST(!copies.add("a", 3, wrong));
  BOOST_TEST(copies.add("b", 3, wrong).value_or("") == "a");
}

BOOST_AUTO_TEST_CASE(those_that_are_sure_of_every_example_are_no_copies) {
  Copies copies(kCut);
  const Losses sure(32, 2e-6F);
  BOOST_TEST(!copies.add("a", 1, sure));
  BOOST_TEST(!copies.add("b", 1, sure));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace copies_test
