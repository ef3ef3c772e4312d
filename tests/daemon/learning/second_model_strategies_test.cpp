#include "daemon/learning/strategies/ditto.hpp"
#include "daemon/learning/strategies/dpfl.hpp"
#include "daemon/learning/strategies/fedala.hpp"
#include "daemon/learning/strategies/look_ahead.hpp"
#include "daemon/learning/strategies/private_head.hpp"
#include "daemon/learning/strategy_kind.hpp"
#include "model/pipe/memfd.hpp"
#include "tests/daemon/bench.hpp"

#include <boost/test/unit_test.hpp>

// The strategies that train a model of their own beside the common one, or part of one.
namespace second_model_strategies_test {

using namespace kith;
using namespace kith::daemon;
using namespace kith::daemon::bench;

Config settings() {
  Config config;
  config.task.seed = 70;
  return config;
}

const Names kPeers{"a", "b"};

Candidates all_of(std::uint64_t round) { return {{"a", round}, {"b", round}}; }

BOOST_AUTO_TEST_SUITE(second_model_strategies_tests)

// ---- FedAvg ----

BOOST_AUTO_TEST_CASE(fedavg_serves_the_average_and_with_own_training_what_that_made_of_it) {
  Bench bench;
  Config config = settings();
  for (const auto& [name, serves] :
       std::map<std::string, std::string>{{"fedavg", "averaged"}, {"fedavg-ft", "self"}}) {
    config.learning.strategy = name;
    const auto strategy = make_strategy(config, {});
    const Choice choice = bench.choice(*strategy, 1, all_of(1));
    BOOST_TEST((members(choice.mixture) == kPeers));
    BOOST_TEST_REQUIRE(choice.served.has_value());
    BOOST_TEST((choice.served->members == Names{serves}));
  }
}

// ---- Ditto ----

BOOST_AUTO_TEST_CASE(ditto_goes_on_with_its_own_model_pulled_towards_the_common_one) {
  Bench bench;
  Ditto ditto(settings(), {.lambda = 0.7});
  for (std::uint64_t round = 1; round <= 2; ++round) {
    const Choice choice = bench.choice(ditto, round, all_of(round));
    BOOST_TEST((members(choice.mixture) == kPeers));  // the common model knows nothing of it
    BOOST_TEST((choice.served.value().members == Names{"personal"}));
  }
  const auto asked = bench.requests("refine");
  BOOST_TEST_REQUIRE(asked.size() == 2U);
  BOOST_TEST(asked[0].at("start") == "averaged");
  BOOST_TEST(asked[1].at("start") == "personal");
  BOOST_TEST(asked[1].at("pull") == (json{{"towards", "averaged"}, {"strength", 0.7}}));
  bench.restart();  // a worker that does not have it any more
  bench.choice(ditto, 3, all_of(3));
  BOOST_TEST(bench.requests("refine").at(0).at("start") == "served");
}

// ---- FedPer and FedRep ----

BOOST_AUTO_TEST_CASE(fedper_averages_all_but_its_own_last_layer) {
  Bench bench;
  PrivateHead fedper(settings(), PrivateHead::Training::together);
  bench.prepare(fedper, 1, {});
  pipe::Train training;
  training.epochs = 5;
  fedper.adjust(training);
  BOOST_TEST(training.epochs == 5U);
  BOOST_TEST((training.layers == pipe::Layers::all));
  const Choice choice = bench.choice(fedper, 1, all_of(1));
  BOOST_TEST((choice.mixture.members == Names{"next"}));
  BOOST_TEST((members(choice.made_of.value()) == kPeers));
  BOOST_TEST((choice.served.value().members == Names{"self"}));
  const auto grafted = bench.requests("graft");
  BOOST_TEST_REQUIRE(grafted.size() == 1U);
  BOOST_TEST(grafted[0].at("from") == "self");
  BOOST_TEST(grafted[0].at("onto") == "everybody");
  BOOST_TEST(grafted[0].at("layers") == "last");
}

BOOST_AUTO_TEST_CASE(fedrep_trains_the_last_layer_and_then_the_others_within_the_same_budget) {
  Bench bench;
  bench.epochs = 5;
  PrivateHead fedrep(settings(), PrivateHead::Training::last_layer_first);
  bench.prepare(fedrep, 1, {});
  const auto refined = bench.requests("refine");
  BOOST_TEST_REQUIRE(refined.size() == 1U);
  BOOST_TEST(refined[0].at("layers") == "last");
  BOOST_TEST(refined[0].at("epochs") == 4);
  pipe::Train training;
  training.epochs = 5;
  fedrep.adjust(training);
  BOOST_TEST(training.epochs == 1U);
  BOOST_TEST((training.layers == pipe::Layers::others));
}

// ---- DPFL ----

BOOST_AUTO_TEST_CASE(dpfl_keeps_whoever_lowers_the_loss_of_the_average_and_looks_no_further_later) {
  // Every average has the same loss here: nobody adds anything, nobody's leaving does.
  Bench bench;
  Dpfl dpfl(settings(), {});
  std::mt19937_64 random(1);
  BOOST_TEST((dpfl.pulls(1, kPeers, random) == kPeers));
  const Choice all = bench.choice(dpfl, 1, all_of(1));
  BOOST_TEST((members(all.mixture) == kPeers));  // what makes no difference stays, by the paper
  BOOST_TEST((all.served.value().members == Names{"self"}));
  BOOST_TEST((dpfl.pulls(2, {"a", "b", "c"}, random) == kPeers));  // c came after the search

  Dpfl thrifty(settings(), {.budget = 1});
  BOOST_TEST(members(bench.choose(thrifty, 1, kPeers)).size() == 1U);
  BOOST_TEST(thrifty.pulls(2, kPeers, random).size() == 1U);
}

// ---- The look-ahead ----

BOOST_AUTO_TEST_CASE(look_ahead_takes_what_is_best_an_epoch_later_and_serves_the_last_three) {
  Bench bench;
  bench.losses({{"the initial model", 2},
                {"self", 1},
                {"a", 0.5},
                {"b", 1.5},
                {"prefix 1", 0.4},
                {"prefix 2", 0.8},
                {"circle, an epoch later", 0.3}});
  LookAhead look(settings());
  Choice choice;
  for (std::uint64_t round = 1; round <= 4; ++round)
    choice = bench.choice(look, round, all_of(round));
  BOOST_TEST(choice.why.at("picked") == "circle");
  BOOST_TEST((choice.mixture.members == Names{"the circle"}));  // and not what the epoch made of it
  BOOST_TEST((members(choice.made_of.value()) == Names{"a"}));
  BOOST_TEST((choice.served.value().members ==
              Names{"served in round 2", "served in round 3", "served in round 4"}));
  BOOST_TEST(look.opinion("a").at("rho") == 1.5);
  // With a pull it is what came out of the epoch.
  bench.losses({{"pull, an epoch later", 0.01}});
  choice = bench.choice(look, 5, all_of(5));
  BOOST_TEST((choice.mixture.members == Names{"pull, an epoch later"}));
  BOOST_TEST(members(choice.made_of.value()).empty());
  BOOST_TEST(bench.choice(look, 6, Candidates{}).mixture.members.size() == 1U);  // alone
}

// ---- FedALA ----

std::shared_ptr<const pipe::Fd> model_of(float value) {
  return std::make_shared<const pipe::Fd>(
      pipe::sealed_memfd("test", model::write_snapshot({{{"output.weight", {2}}, {"work", {1}}}},
                                                       std::vector<float>(3, value))));
}

BOOST_AUTO_TEST_CASE(fedala_begins_from_the_average_where_nothing_speaks_for_its_own) {
  Bench bench;
  FedAla ala(settings());
  bench.prepare(ala, 1, {});
  BOOST_TEST(bench.requests("average").empty());  // nothing to begin from yet
  const auto own = model_of(1);
  bench.own = own.get();
  const std::vector<Candidate> peers{{"a", 1, nullptr, model_of(3)}};
  const Choice choice = bench.choice(ala, 1, peers);
  BOOST_TEST((members(choice.mixture) == Names{"a"}));
  BOOST_TEST((choice.served.value().members == Names{"self"}));
  bench.prepare(ala, 2, {});
  const auto averaged = bench.requests("average");
  BOOST_TEST_REQUIRE(averaged.size() == 1U);
  BOOST_TEST(averaged[0].at("members") == json{"start"});
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace second_model_strategies_test
