#include "tests/sim/model_checker.hpp"

#include "tests/sim/options.hpp"
#include "tests/sim/small_world.hpp"

#include <boost/test/unit_test.hpp>

#include <string_view>
#include <vector>

/// Everything that two colluders can do to two honest nodes, in every order, up to some actions.
///
///     sim_tests --run_test=model_checker_tests -- --deeper 1       one action more: minutes
namespace model_checker_test {

using namespace kith;
using namespace kith::sim::small;
using Kind = Action::Kind;

constexpr Node kAlice = 0, kBob = 1, kMallory = 2, kOscar = 3;

using Actions = std::vector<Action>;

Actions joined(std::initializer_list<Actions> all) {
  Actions made;
  for (const Actions& some : all) made.insert(made.end(), some.begin(), some.end());
  return made;
}

/// The colluder says, to each honest node, what begins so.
Actions says(Node colluder, std::string_view start) {
  Actions made;
  for (std::size_t i = 0; i < cast().words.size(); ++i) {
    if (!cast().words[i].text.starts_with(start)) continue;
    for (const Node to : {kAlice, kBob}) {
      made.push_back({Kind::say, colluder, to, static_cast<std::uint8_t>(i)});
    }
  }
  return made;
}
Actions calls(Node colluder) {
  Actions made;
  for (std::size_t i = 0; i < cast().guises.size(); ++i) {
    for (const Node to : {kAlice, kBob}) {
      made.push_back({Kind::call, colluder, to, static_cast<std::uint8_t>(i)});
    }
  }
  return made;
}

const Actions kDelivery{{Kind::deliver, kAlice, kBob}, {Kind::deliver, kBob, kAlice}};
const Actions kDialling{{Kind::dial, kAlice, kBob}, {Kind::dial, kBob, kAlice}};
const Actions kLoss{{Kind::lose, kAlice, kBob}, {Kind::lose, kBob, kAlice}};
const Actions kRestarts{{Kind::restart, kAlice}, {Kind::restart, kBob}};
const Actions kRenewals{{Kind::renew, kAlice}, {Kind::renew, kBob}};

void check(const Actions& before, const Actions& alphabet, std::size_t depth) {
  depth += sim::option("--deeper", 0);
  sim::ModelChecker<World, Action> checker(before, alphabet, describe);
  const auto result = checker.run(depth);
  BOOST_TEST_MESSAGE(alphabet.size() << " actions, " << depth << " of them in every order: "
                                     << result.states << " states, " << result.leaves
                                     << " of them followed to the end, " << result.actions
                                     << " actions performed");
  BOOST_TEST(result.counterexample == "");
  BOOST_TEST(result.leaves > 1U);
}

BOOST_AUTO_TEST_SUITE(model_checker_tests)

BOOST_AUTO_TEST_CASE(charters_that_colluders_make_change_nothing_in_whatever_order) {
  check(joined({connected(), infiltrated()}),
        joined({kDelivery, kDialling, kLoss, kRestarts, says(kMallory, "charter"),
                {{Kind::expel, kAlice}, {Kind::pass, 0, 0, 31}}}),
        2);
}

BOOST_AUTO_TEST_CASE(cards_and_heads_that_colluders_make_change_only_their_own_in_whatever_order) {
  check(joined({connected(), infiltrated()}),
        joined({kDelivery, kDialling, kLoss, kRestarts, kRenewals, says(kMallory, "card"),
                says(kMallory, "head"), {{Kind::pass, 0, 0, 61}}}),
        2);
}

BOOST_AUTO_TEST_CASE(nobody_is_taken_for_another_in_whatever_order_they_call_and_change_keys) {
  check({}, joined({kDelivery, kDialling, kLoss, kRestarts, kRenewals, calls(kMallory), says(kMallory, "hello"),
                    {{Kind::dial, kAlice, kMallory}, {Kind::hang_up, kMallory, kAlice}, {Kind::pass, 0, 0, 11}}}),
        2);
}

BOOST_AUTO_TEST_CASE(once_messages_flow_the_honest_agree_whatever_came_before) {
  check(connected(),
        joined({kDelivery, kDialling, kLoss, kRestarts, kRenewals, calls(kMallory), says(kMallory, ""),
                says(kOscar, "c"), calls(kOscar),
                {{Kind::expel, kAlice}, {Kind::expel, kBob}, {Kind::deceive, kAlice},
                 {Kind::pass, 0, 0, 31}, {Kind::pass, 0, 0, 130}}}),
        1);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace model_checker_test
