#include "daemon/learning/strategies/lia.hpp"

#include "tests/daemon/bench.hpp"

namespace lia_test {

using namespace kith;
using namespace kith::daemon;
using namespace kith::daemon::bench;

Config settings() {
  Config config;
  config.learning.pull_budget = 3;
  config.learning.common_rounds = 0;
  return config;
}

const Names kPeers{"a", "b", "c", "d"};

/// "a" is as useful as own training, "b" a little, "c" not at all and "d" harmful.
const Script kLosses{{"M0", 1},  {"self", 0.2}, {"baseline", 0.9}, {"a", 0.2},
                     {"b", 0.8}, {"c", 1},      {"d", 1.5}};

BOOST_AUTO_TEST_SUITE(lia_tests)

BOOST_AUTO_TEST_CASE(lia_averages_with_whom_training_shows_to_be_useful) {
  Bench bench;
  bench.losses(kLosses);
  Lia lia(settings(), {.self = "me"});
  BOOST_TEST((members(bench.choose(lia, 1, kPeers)) == Names{"a"}));
  BOOST_TEST(lia.note().text.is_null());
}

// A snapshot that was fetched once and then left out was scored again each round: it looked freshly
// scored, and its peer was never explored again, whatever it had become.
BOOST_AUTO_TEST_CASE(a_snapshot_is_scored_once) {
  Bench bench;
  bench.losses(kLosses);
  Lia lia(settings(), {.self = "me"});
  static_cast<void>(bench.choose(lia, 1, Candidates{{"a", 1}, {"b", 1}}));
  static_cast<void>(bench.choose(lia, 2, Candidates{{"a", 2}, {"b", 1}}));
  BOOST_TEST(lia.opinion("a").at("scored") == 2);
  BOOST_TEST(lia.opinion("b").at("scored") == 1);
  BOOST_TEST(lia.opinion("b").at("scores") == 1);
}

// Others get our partial rounded: against the exact one no copy of it would ever be equal.
BOOST_AUTO_TEST_CASE(copy_of_our_partial_is_told_though_it_was_rounded_on_its_way) {
  Bench bench;
  const Script losses{{"examples", 16}, {"M0", 1}, {"self", 0.2}, {"me", 0.21}, {"thief", 0.21}};
  bench.losses(losses);
  Lia lia(settings(), {.self = "me"});
  bench.published = true;
  BOOST_TEST(members(bench.choose(lia, 1, Names{"thief"})).empty());
  const std::string reason = lia.opinion("thief").at("reason");
  BOOST_TEST(reason.find("a copy of what me published") != reason.npos);
}

BOOST_AUTO_TEST_CASE(model_as_good_as_ours_is_no_copy) {
  Bench bench;
  const Script losses{{"examples", 16}, {"M0", 1}, {"self", 0.2}, {"me", 0.22}, {"peer", 0.21}};
  bench.losses(losses);
  Lia lia(settings(), {.self = "me"});
  bench.published = true;
  BOOST_TEST((members(bench.choose(lia, 1, Names{"peer"})) == Names{"peer"}));
}

BOOST_AUTO_TEST_CASE(data_that_changed_open_the_question_again) {
  Bench bench;
  bench.losses(kLosses);
  Lia lia(settings(), {.self = "me"});
  BOOST_TEST((members(bench.choose(lia, 1, kPeers)) == Names{"a"}));
  Script other = kLosses;  // of other examples: M0 tells
  other["M0"] = 1.1;
  std::swap(other["a"], other["c"]);
  bench.losses(other);
  // Nothing was fetched since, and a's past would weigh for it.
  BOOST_TEST((members(bench.choose(lia, 2, Candidates{{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}})) ==
              Names{"c"}));
  BOOST_TEST(lia.opinion("a").at("scores") == 1);
}

// ---- The first rounds ----

BOOST_AUTO_TEST_CASE(in_the_first_rounds_it_averages_with_whoever_is_of_any_use) {
  Bench bench;
  Script losses = kLosses;
  losses["self+a+b"] = 0.7;
  bench.losses(losses);
  Config config = settings();
  config.learning.common_rounds = 2;
  Lia lia(config, {.self = "me"});
  for (const std::uint64_t round : {1U, 2U}) {
    BOOST_TEST((members(bench.choose(lia, round, kPeers)) == Names{"a", "b"}));
    BOOST_TEST(!lia.begins_again());  // a common average may be worse than who trained alone
  }
  BOOST_TEST((members(bench.choose(lia, 3, kPeers)) == Names{"a"}));
  BOOST_TEST(lia.begins_again());
}

BOOST_AUTO_TEST_CASE(common_average_that_somebody_ruined_is_not_taken) {
  Bench bench;
  Script losses = kLosses;
  losses["self+a+b"] = 5;
  bench.losses(losses);
  Config config = settings();
  config.learning.common_rounds = 2;
  Lia lia(config, {.self = "me"});
  BOOST_TEST((members(bench.choose(lia, 1, kPeers)) == Names{"a"}));
}

// ---- Those of some use ----

BOOST_AUTO_TEST_CASE(those_who_are_not_admitted_are_averaged_with_where_that_clearly_helps) {
  Bench bench;
  Script losses = kLosses;
  losses["c"] = 0.9;  // of some use, too
  losses["self+a"] = 0.2;
  losses["self+a+b"] = 0.1;
  losses["self+a+b+c+d"] = 1;
  bench.losses(losses);
  Lia lia(settings(), {.self = "me"});
  BOOST_TEST((members(bench.choose(lia, 1, kPeers)) == Names{"a", "b"}));
  BOOST_TEST(!lia.opinion("b").at("admitted").get<bool>());
}

BOOST_AUTO_TEST_CASE(who_sends_a_copy_is_not_averaged_with_however_useful) {
  Bench bench;
  bench.losses({{"examples", 16},
                {"M0", 1},
                {"self", 0.2},
                {"me", 0.21},
                {"thief", 0.21},
                {"self+thief", 0.1}});
  Config config = settings();
  config.learning.common_rounds = 1;
  Lia lia(config, {.self = "me"});
  bench.published = true;
  for (const std::uint64_t round : {1U, 2U}) {
    BOOST_TEST(members(bench.choose(lia, round, Names{"thief"})).empty());
  }
}

// ---- Rivals of the circle ----

/// "a" is admitted, and an average with it helps a little.
Script with_rivals(double everybody) {
  Script losses = kLosses;
  losses["self+a"] = 0.19;
  losses["self+a+b"] = 0.3;
  losses["self+a+b+c+d"] = everybody;  // whatever the weights
  return losses;
}

BOOST_AUTO_TEST_CASE(everybody_is_averaged_with_where_that_is_clearly_better) {
  Bench bench;
  Lia lia(settings(), {.self = "me"});
  bench.losses(with_rivals(0.4));
  BOOST_TEST((members(bench.choose(lia, 1, kPeers)) == Names{"a"}));
  bench.losses(with_rivals(0.1));
  const Choice choice = bench.choice(lia, 2, {{"a", 2}, {"b", 2}, {"c", 2}, {"d", 2}});
  BOOST_TEST((members(choice.mixture) == kPeers));
  BOOST_TEST(choice.why.at("rivals").at("everybody").at("taken").get<bool>());
  BOOST_TEST(choice.why.at("rivals").at("half everybody").at("loss") > 0.09);
}

BOOST_AUTO_TEST_CASE(training_that_spoils_the_average_is_left_out_of_it) {
  Bench bench;
  Script losses = kLosses;
  losses["self+a"] = 0.15;
  for (const char* others : {"a+b", "a+b+c+d"}) losses["self+" + std::string(others)] = 0.3;
  bench.losses(losses);
  Lia lia(settings(), {.self = "me"});
  BOOST_TEST((members(bench.choose(lia, 1, kPeers)) == Names{"a"}));
  losses["averaged+a"] = 0.1;  // theta as it was before the training
  bench.losses(losses);
  const Choice choice = bench.choice(lia, 2, {{"a", 2}, {"b", 2}, {"c", 2}, {"d", 2}});
  BOOST_TEST((choice.mixture.members == Names{"averaged", "a"}));
  BOOST_TEST(choice.why.at("rivals").at("without this round's training").at("taken").get<bool>());
}

BOOST_AUTO_TEST_CASE(who_sends_a_copy_is_not_of_everybody) {
  Bench bench;
  bench.losses({{"examples", 16}, {"M0", 1}, {"self", 0.3}, {"me", 0.31}, {"thief", 0.31}, {"a", 2},
                {"self+thief", 0.1}, {"self+thief+a", 0.1}, {"self+a", 0.5}});
  Lia lia(settings(), {.self = "me"});
  bench.published = true;
  BOOST_TEST(members(bench.choose(lia, 1, Names{"thief", "a"})).empty());
}

// ---- Members that collude ----

/// Four honest ones, and before them three whose models are good alone and ruin every average.
Script colluding() {
  Script losses{{"M0", 1}, {"self", 0.2}, {"baseline", 0.5}};
  for (const char* good : {"d", "e", "f", "g"}) losses[good] = 0.2;
  for (const char* bad : {"a", "b", "c"}) {
    losses[bad] = 0.1;
    for (const char* average : {"self", "self+d", "self+d+e", "self+d+e+f", "self+d+e+f+g"}) {
      losses[std::string(average) + "+" + bad] = 5;
    }
  }
  return losses;
}

const Names kWithColluders{"a", "b", "c", "d", "e", "f", "g"};

BOOST_AUTO_TEST_CASE(colluders_that_come_first_and_ruin_averages_keep_nobody_from_the_honest) {
  Bench bench;
  bench.losses(colluding());
  Lia lia(settings(), {.self = "me"});
  BOOST_TEST((members(bench.choose(lia, 1, kWithColluders)) == Names{"d", "e", "f", "g"}));
  BOOST_TEST(lia.opinion("a").at("admitted").get<bool>());  // it is useful, by itself
}

BOOST_AUTO_TEST_CASE(colluders_cost_little_once_they_are_known) {
  Bench bench;
  bench.losses(colluding());
  Lia lia(settings(), {.self = "me"});
  std::vector<std::size_t> tries;
  for (std::uint64_t round = 1; round <= 7; ++round) {
    static_cast<void>(bench.choose(lia, round, kWithColluders));
    tries.push_back(bench.requests("try").size());
  }
  const std::size_t calm = tries[3];  // they sit out in rounds 4 to 6
  const std::vector<std::size_t> expected{calm + 3, calm + 3, calm + 3, calm, calm, calm, calm + 3};
  BOOST_TEST(tries == expected, boost::test_tools::per_element());
}

// A node took over the whole model of a colluder, which nobody else's goes together with.
BOOST_AUTO_TEST_CASE(nobody_goes_over_to_one_good_model_where_several_go_together) {
  Bench bench;
  Script losses{{"M0", 1}, {"self", 0.6}, {"baseline", 0.6}, {"a", 0.1}};
  for (const char* good : {"b", "c", "d"}) losses[good] = 0.2;
  for (const char* other : {"a", "b", "c", "d"}) {
    losses[std::string("self+") + other] = 5;
    losses[std::string("a+") + other] = 5;
    losses[std::string("b+a+") + other] = losses[std::string("b+c+") + other] = 0.2;
  }
  losses["b+a"] = 5;
  losses["b+c"] = losses["b+c+d"] = 0.15;
  bench.losses(losses);
  Lia lia(settings(), {.self = "me"});
  const auto mixture = bench.choose(lia, 1, Names{"a", "b", "c", "d"});
  BOOST_TEST((mixture.members == Names{"b", "c", "d"}));
}

// ---- Going over ----

// After its data changed a node found out at once whom to learn with; but its own model, made for
// the old data, averaged badly with theirs, and so it stayed alone.
BOOST_AUTO_TEST_CASE(who_is_far_behind_goes_over_to_the_average_of_the_others) {
  Bench bench;
  Script losses{{"M0", 1}, {"self", 0.6}, {"baseline", 0.6}, {"a", 0.1}, {"b", 0.2}, {"d", 1.5}};
  losses["self+a"] = losses["self+b"] = 0.9;
  losses["a"] = 0.1;
  losses["a+b"] = 0.05;
  bench.losses(losses);
  Lia lia(settings(), {.self = "me"});
  const auto mixture = bench.choose(lia, 1, Candidates{{"a", 1}, {"b", 1}, {"d", 1}});
  BOOST_TEST((mixture.members == Names{"a", "b"}));
  BOOST_TEST(mixture.weights.size() == 2U);
}

BOOST_AUTO_TEST_CASE(nobody_goes_over_to_models_that_are_no_better_than_the_own) {
  Bench bench;
  Script losses{{"M0", 1}, {"self", 0.2}, {"baseline", 0.9}, {"a", 0.2}};
  losses["self+a"] = 0.9;
  losses["a"] = 0.2;
  bench.losses(losses);
  Lia lia(settings(), {.self = "me"});
  BOOST_TEST(members(bench.choose(lia, 1, Names{"a"})).empty());
}

// ---- Minimum connectivity ----

BOOST_AUTO_TEST_CASE(
    with_too_few_admitted_the_best_of_the_rest_is_averaged_with_at_half_its_weight) {
  Bench bench;
  bench.losses(kLosses);
  Config config = settings();
  config.learning.min_peers = 2;
  Lia lia(config, {.self = "me"});
  const auto mixture = bench.choose(lia, 1, kPeers);
  BOOST_TEST((members(mixture) == Names{"a", "b"}));
  BOOST_TEST(2 * weight(mixture, "b") == weight(mixture, "a"));
  BOOST_TEST(!lia.opinion("b").at("admitted").get<bool>());
}

BOOST_AUTO_TEST_CASE(nobody_is_taken_into_the_reserve_who_does_harm_or_is_worse_than_alone) {
  Bench bench;
  Script losses = kLosses;
  losses["baseline"] = 0.3;  // b is clearly worse
  bench.losses(losses);
  Config config = settings();
  config.learning.min_peers = 4;
  Lia lia(config, {.self = "me"});
  BOOST_TEST((members(bench.choose(lia, 1, kPeers)) == Names{"a"}));
}

BOOST_AUTO_TEST_CASE(with_enough_admitted_there_is_no_reserve) {
  Bench bench;
  bench.losses(kLosses);
  Config config = settings();
  config.learning.min_peers = 1;
  Lia lia(config, {.self = "me"});
  BOOST_TEST((members(bench.choose(lia, 1, kPeers)) == Names{"a"}));
}

// ---- Mutual acceptance ----

BOOST_AUTO_TEST_CASE(mutual_averages_only_with_those_who_say_that_they_admit_us) {
  Bench bench;
  bench.losses({{"M0", 1},
                {"self", 0.2},
                {"baseline", 0.9},
                {"a", 0.2},
                {"b", 0.2},
                {"c", 0.2},
                {"d", 1.5}});
  Config config = settings();
  config.learning.mutual = true;
  Lia lia(config, {.self = "me"});
  const std::vector<Candidate> peers{{"a", 1, {{"admits", {"me", "b"}}}},
                                     {"b", 1, {{"admits", {"c"}}}},
                                     {"c", 1, nullptr},
                                     {"d", 1, {{"admits", {"me"}}}}};
  BOOST_TEST((members(bench.choose(lia, 1, peers)) == Names{"a"}));
  // What we say of ourselves is what we measured, not whom we averaged with: or nobody would begin.
  BOOST_TEST(lia.note().text.at("admits") == json({"a", "b", "c"}));
  BOOST_TEST(lia.note().reader.empty());
}

BOOST_AUTO_TEST_CASE(mutual_survives_notes_that_do_not_read) {
  Bench bench;
  bench.losses(kLosses);
  Config config = settings();
  config.learning.mutual = true;
  Lia lia(config, {.self = "me"});
  for (const json& note : {json("me"), json({{"admits", "me"}}), json({{"admits", {1, nullptr}}}),
                           json::array({"me"})}) {
    const std::vector<Candidate> peers{{"a", 1, note}};
    BOOST_TEST(members(bench.choose(lia, 1, peers)).empty());
  }
}

// ---- Learnt weights ----

BOOST_AUTO_TEST_CASE(own_share_is_looked_for_once_partners_are_found) {
  Bench bench;
  bench.losses(kLosses);
  Lia lia(settings(), {.self = "me"});
  const auto mixture = bench.choose(lia, 1, kPeers);
  const auto tries = bench.requests("try");
  const auto larger = [](const json& request) { return request.at("weights").at(0) == 0.75; };
  BOOST_TEST(std::ranges::any_of(tries, larger));  // in place of a half
  // All averages of this worker are equally good, so equal weights stay.
  BOOST_TEST(mixture.weights == std::vector({0.5, 0.5}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(learnt_weights_are_looked_for_by_measuring_averages) {
  Bench bench;
  bench.losses(kLosses);
  Config config = settings();
  Lia fixed(config, {.self = "me"});
  const auto before = bench.choose(fixed, 1, kPeers);
  const std::size_t usual = bench.requests("try").size();
  config.learning.learn_weights = true;
  Lia lia(config, {.self = "me"});
  const auto mixture = bench.choose(lia, 1, kPeers);
  // All averages of this worker are equally good: four looks for two models, and nothing changes.
  BOOST_TEST(bench.requests("try").size() == usual + 5);
  BOOST_TEST(mixture.weights == before.weights, boost::test_tools::per_element());
}

// ---- A convenor ----

BOOST_AUTO_TEST_CASE(lia_averages_with_whom_the_convenor_assigned_and_tells_it_what_it_found) {
  Bench bench;
  bench.losses({{"M0", 1}, {"self", 0.2}, {"baseline", 0.2}, {"a", 0.2}, {"b", 0.2}, {"c", 0.9}});
  const auto lia = make_strategy(settings(), {.self = "me", .convenor = "d"});
  std::mt19937_64 random(1);
  const json assignment{{"groups", {{"b", "c", "me"}, {"a", "d"}}}};
  BOOST_TEST(std::ranges::count(lia->pulls(1, kPeers, random), "d") == 1);
  const auto alone = bench.choose(*lia, 1, Names{"a", "b", "c"});
  BOOST_TEST((members(alone) == Names{"a", "b"}));
  const std::vector<Candidate> told{{"a", 2}, {"b", 2}, {"c", 2}, {"d", 2, assignment}};
  BOOST_TEST((members(bench.choose(*lia, 2, told)) == Names{"b"}));  // c is refused
  BOOST_TEST(lia->note().reader == "d");
  BOOST_TEST(lia->note().text.at("row").at("a") == 1.0);
  BOOST_TEST(lia->note().text.at("row").at("c") == 0.0);
  for (int i = 0; i < 20; ++i) {
    const Names chosen = lia->pulls(3, kPeers, random);
    BOOST_TEST(std::ranges::count(chosen, "d") == 1);  // for its notes
    BOOST_TEST(std::ranges::count(chosen, "b") == 1);  // the assigned come first
  }
  // A convenor that is silent for long is not followed any more.
  const std::vector<Candidate> silent{{"a", 8}, {"b", 8}, {"c", 8}, {"d", 2, assignment}};
  BOOST_TEST((members(bench.choose(*lia, 8, silent)) == Names{"a", "b"}));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace lia_test
