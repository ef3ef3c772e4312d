#include "model/pull.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <set>

namespace pull_test {

using kith::model::choose_pulls;
using kith::model::PullCandidate;

struct Ten {
  std::mt19937_64 random{7};
  std::vector<PullCandidate> peers;
  Ten() {
    // a and b are admitted; the others' rho falls; j was scored last long ago.
    for (char name = 'a'; name <= 'j'; ++name) {
      const int place = name - 'a';
      peers.push_back({std::string(1, name), place < 2, 0.9 - 0.1 * place, 20});
    }
    peers.back().scored = 3;
  }
};

BOOST_FIXTURE_TEST_SUITE(pull_tests, Ten)

BOOST_AUTO_TEST_CASE(cluster_then_promising_then_one_to_explore) {
  const std::vector<std::string> expected{"a", "b", "c", "j"};
  BOOST_TEST(choose_pulls(peers, 4, 1, random) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(peer_never_scored_is_explored_before_all_others) {
  peers[5].scored = 0;
  peers[5].rho.reset();
  const auto chosen = choose_pulls(peers, 3, 1, random);
  BOOST_TEST(chosen[2] == "f");
}

BOOST_AUTO_TEST_CASE(everybody_is_explored_in_time) {
  std::set<std::string> seen;
  for (std::uint64_t round = 21; round < 31; ++round) {
    for (const auto& name : choose_pulls(peers, 3, 1, random)) {
      seen.insert(name);
      std::ranges::find(peers, name, &PullCandidate::peer)->scored = round;
    }
  }
  BOOST_TEST(seen.size() == peers.size());
}

BOOST_AUTO_TEST_CASE(budget_is_kept_and_nobody_is_named_twice) {
  for (std::size_t budget = 0; budget <= 12; ++budget) {
    for (std::size_t explore = 0; explore <= 3; ++explore) {
      const auto chosen = choose_pulls(peers, budget, explore, random);
      BOOST_TEST(chosen.size() == std::min<std::size_t>(budget, 10));
      BOOST_TEST(std::set<std::string>(chosen.begin(), chosen.end()).size() == chosen.size());
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pull_test
