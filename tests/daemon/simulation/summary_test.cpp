#include "daemon/simulation/summary.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <string>

namespace summary_test {

using namespace kith::daemon;
using nlohmann::json;

constexpr std::uint64_t kRounds = 8;

/// Two honest nodes, of whom "b" averages with the attacker "c" in every round.
json results() {
  json world = json::array(), nodes = json::array();
  for (const char* name : {"a", "b", "c"}) {
    const bool bad = std::string(name) == "c";
    world.push_back({{"name", name}, {"group", 0}, {"attack", bad ? json("collude") : json()}});
    json rounds = json::array();
    for (std::uint64_t round = 1; round <= kRounds; ++round) {
      json members = json::array();
      if (std::string(name) == "b") {
        members.push_back({{"id", "c"}, {"name", "c"}, {"weight", 0.5}});
      }
      rounds.push_back({{"round", round},
                        {"accuracy", bad ? 0.1 : 0.8},
                        {"loss", 1},
                        {"bytes_in", 1000},
                        {"members", members},
                        {"opinions", json::object()},
                        {"epochs", 1},
                        {"scoring", nullptr},
                        {"seconds", {{"train", 1.0}}}});
    }
    nodes.push_back({{"name", name}, {"rounds", rounds}});
  }
  const json run{{"strategy", "lia"},
                 {"seed", 1},
                 {"seconds", 1.0},
                 {"world", world},
                 {"nodes", nodes}};
  return {{"metric", "accuracy"}, {"rounds", kRounds}, {"drift_round", 0}, {"runs", {run}}};
}

json summary_of_one(const json& results) { return summarize(results).at(0); }

BOOST_AUTO_TEST_SUITE(summary_tests)

BOOST_AUTO_TEST_CASE(attackers_are_not_judged_and_averaging_with_them_is_counted_once_settled) {
  const json summary = summary_of_one(results());
  BOOST_TEST(summary.at("accuracy") == 0.8);
  BOOST_TEST(summary.at("attackers") == kRounds - 5);
  BOOST_TEST(summary.at("backdoor").is_null());
}

BOOST_AUTO_TEST_CASE(averaging_with_those_who_are_still_honest_is_not_counted) {
  json later = results();
  later["attack_round"] = kRounds;
  BOOST_TEST(summary_of_one(later).at("attackers") == 1);
}

BOOST_AUTO_TEST_CASE(success_of_a_backdoor_is_the_mean_over_the_honest_and_has_a_column) {
  json fooled = results();
  const auto column_of = [](json of) {
    of["summary"] = summarize(of);
    return summary_table(of).at(0).find("backdoor %") != std::string::npos;
  };
  BOOST_TEST(!column_of(fooled));
  const double shares[]{0.2, 0.6, 1};
  for (std::size_t i = 0; i < 3; ++i) {
    fooled["runs"][0]["nodes"][i]["rounds"].back()["backdoor"] = shares[i];
  }
  BOOST_TEST(summary_of_one(fooled).at("backdoor").get<double>() == 0.4,
             boost::test_tools::tolerance(1e-9));
  BOOST_TEST(column_of(fooled));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace summary_test
