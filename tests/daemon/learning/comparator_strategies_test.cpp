#include "daemon/learning/strategies/dac.hpp"
#include "daemon/learning/strategies/fedfomo.hpp"
#include "daemon/learning/strategies/ifca.hpp"
#include "daemon/learning/strategies/lia_sign.hpp"
#include "daemon/learning/strategies/pens.hpp"
#include "daemon/learning/strategies/robust.hpp"
#include "daemon/system/failure.hpp"
#include "model/pipe/memfd.hpp"
#include "model/snapshot.hpp"
#include "tests/daemon/bench.hpp"

#include <boost/test/unit_test.hpp>

namespace comparator_strategies_test {

using namespace kith;
using namespace kith::daemon;
using namespace kith::daemon::bench;

Config settings(const std::string& strategy) {
  Config config;
  config.learning.strategy = strategy;
  config.learning.pull_budget = 3;
  config.learning.oracle_group = {"self", "a"};
  config.task.seed = 70;
  return config;
}

constexpr Pens::Own kPens{.rounds = 4, .top = 1};
constexpr Ifca::Own kIfca{.clusters = 3};

const Names kPeers{"a", "b", "c", "d"};

BOOST_AUTO_TEST_SUITE(comparator_strategies_tests)

// ---- PENS ----

BOOST_AUTO_TEST_CASE(pens_first_averages_with_the_top_of_its_sample_by_training_loss) {
  Bench bench;
  bench.losses({{"a", 0.9}, {"b", 0.2}, {"c", 0.4}, {"d", 0.1}});
  Pens pens(settings("pens"), {.rounds = 4, .top = 2});
  std::mt19937_64 random(1);
  for (int i = 0; i < 20; ++i) {
    Names sample = pens.pulls(1, kPeers, random);
    BOOST_TEST(sample.size() == 3U);
    // Everybody is at hand; only those of the sample count.
    const Names chosen = members(bench.choose(pens, 1, kPeers));
    std::erase(sample, "a");                          // the worst of all
    if (sample.size() == 3) std::erase(sample, "c");  // then the worst of those
    BOOST_TEST((chosen == sorted(sample)));
  }
  const auto asked = bench.requests("measure");
  BOOST_TEST_REQUIRE(asked.size() == 20U);
  BOOST_TEST(asked[0].at("split") == "train");
}

BOOST_AUTO_TEST_CASE(pens_gossips_in_the_end_with_exactly_those_chosen_more_than_by_chance) {
  Bench bench;
  Config config = settings("pens");
  config.learning.pull_budget = 4;
  Pens pens(config, kPens);
  std::mt19937_64 random(1);
  // One of four peers a round, for four rounds: chance says once each.  a is chosen twice, b and c
  // once, d never.
  for (const std::string best : {"a", "b", "a", "c"}) {
    bench.losses({{best, 0.1}});
    static_cast<void>(pens.pulls(1, kPeers, random));
    BOOST_TEST((members(bench.choose(pens, 1, kPeers)) == Names{best}));
  }
  BOOST_TEST((pens.pulls(5, kPeers, random) == Names{"a"}));
  bench.losses({{"d", 0.1}});
  static_cast<void>(bench.requests("measure"));
  BOOST_TEST((members(bench.choose(pens, 5, kPeers)) == Names{"a"}));
  BOOST_TEST(bench.requests("measure").empty());  // gossip does not look at losses

  Pens restarted(config, kPens);
  std::map<std::string, json> opinions{{"d", "nonsense"}};
  for (const std::string& peer : kPeers) opinions.emplace(peer, pens.opinion(peer));
  restarted.restore(opinions);
  BOOST_TEST((restarted.pulls(5, kPeers, random) == Names{"a"}));
}

BOOST_AUTO_TEST_CASE(pens_samples_its_neighbours_when_they_are_many) {
  Bench bench;
  Config config = settings("pens");
  config.learning.pull_budget = 5;
  Pens pens(config, {.rounds = 4, .top = 3});
  const Names peers{"a", "b", "c", "d", "e"};
  bench.losses({{"a", 0.1}, {"b", 0.1}, {"c", 0.1}});
  std::mt19937_64 random(1);
  static_cast<void>(pens.pulls(1, peers, random));
  static_cast<void>(bench.choose(pens, 1, peers));
  BOOST_TEST((sorted(pens.pulls(5, peers, random)) == Names{"a", "b", "c"}));
}

// ---- DAC ----

BOOST_AUTO_TEST_CASE(dac_averages_with_all_it_drew_and_with_nobody_else) {
  Bench bench;
  bench.losses({{"a", 9}, {"b", 9}, {"c", 9}, {"d", 9}});
  Dac dac(settings("dac"), {});
  std::mt19937_64 random(1);
  const Names drawn = dac.pulls(1, kPeers, random);
  BOOST_TEST(drawn.size() == 3U);
  BOOST_TEST((members(bench.choose(dac, 1, kPeers)) == sorted(drawn)));
  BOOST_TEST(bench.requests("measure").at(0).at("split") == "train");
}

BOOST_AUTO_TEST_CASE(dac_draws_strangers_alike_and_then_prefers_the_similar) {
  Bench bench;
  Config config = settings("dac");
  config.learning.pull_budget = 1;
  Dac dac(config, {});
  std::mt19937_64 random(1);
  std::map<std::string, int> drawn;
  for (int i = 0; i < 400; ++i) ++drawn[dac.pulls(1, kPeers, random).at(0)];
  for (const std::string& peer : kPeers) BOOST_TEST(drawn[peer] > 60);

  config.learning.pull_budget = 4;
  Dac taught(config, Dac::Own{});
  static_cast<void>(taught.pulls(1, kPeers, random));
  bench.losses({{"a", 2}, {"b", 2}, {"c", 0.5}, {"d", 2}});
  static_cast<void>(bench.choose(taught, 1, kPeers));
  BOOST_TEST(taught.opinion("c").at("similarity") == 2.0);
  for (int i = 0; i < 100; ++i) BOOST_TEST(taught.pulls(2, kPeers, random).at(0) == "c");
}

BOOST_AUTO_TEST_CASE(dac_hears_of_peers_it_never_met_from_the_most_similar) {
  Bench bench;
  Config config = settings("dac");
  config.learning.pull_budget = 4;
  Dac dac(config, {});
  std::mt19937_64 random(1);
  const Names peers{"a", "b", "x", "y"};
  static_cast<void>(dac.pulls(1, peers, random));
  bench.losses({{"a", 2}, {"b", 0.5}});
  // x is known to both, y to the less similar only; a was met, so what b says of it is no news, and
  // strangers to the consortium are not heard of.
  const json from_a{{"similarities", {{"x", 9}, {"y", 4}}}};
  const json from_b{{"similarities", {{"x", 3}, {"a", 7}, {"stranger", 5}, {"y", -1}}}};
  static_cast<void>(bench.choose(dac, 1, {Candidate{"a", 1, from_a}, Candidate{"b", 1, from_b}}));
  BOOST_TEST(dac.opinion("x").at("similarity") == 3.0);
  BOOST_TEST(dac.opinion("y").at("similarity") == 4.0);
  BOOST_TEST(dac.opinion("a").at("similarity") == 0.5);
  BOOST_TEST(dac.opinion("x").at("met") == false);
  BOOST_TEST(dac.opinion("a").at("met") == true);
  BOOST_TEST(dac.opinion("stranger").is_null());
  const json expected{{"a", 0.5}, {"b", 2.0}, {"x", 3.0}, {"y", 4.0}};
  BOOST_TEST(dac.note().text.at("similarities") == expected);

  // Once met, a peer's own model has the last word.
  bench.losses({{"x", 10}});
  static_cast<void>(dac.pulls(2, peers, random));
  static_cast<void>(bench.choose(dac, 2, {Candidate{"x", 2, {}}, Candidate{"b", 2, from_b}}));
  BOOST_TEST(dac.opinion("x").at("similarity") == 0.1);

  Dac restarted(config, Dac::Own{});
  restarted.restore({{"x", dac.opinion("x")}, {"y", dac.opinion("y")}, {"a", 3}});
  BOOST_TEST(restarted.opinion("y") == dac.opinion("y"));
  BOOST_TEST(restarted.opinion("a").is_null());
}

BOOST_AUTO_TEST_CASE(dac_ignores_notes_that_do_not_read) {
  Bench bench;
  Dac dac(settings("dac"), {});
  std::mt19937_64 random(1);
  for (const json& note :
       {json(nullptr), json(3), json{{"similarities", 3}}, json{{"similarities", {{"b", "x"}}}}}) {
    static_cast<void>(dac.pulls(1, {"a", "b"}, random));
    static_cast<void>(bench.choose(dac, 1, {Candidate{"a", 1, note}}));
    BOOST_TEST(dac.note().text.at("similarities").value("b", 0.0) == 0.0);
  }
}

// ---- FedFomo ----

BOOST_AUTO_TEST_CASE(fedfomo_weighs_by_gain_over_distance_and_gives_the_harmful_nothing) {
  Bench bench;
  // Gains over theta: self 0.2, a 0.6, b 0.2, c -0.5.
  bench.losses({{"averaged", 1}, {"self", 0.8}, {"a", 0.4}, {"b", 0.8}, {"c", 1.5}});
  bench.distances({{"self", 1}, {"a", 1}, {"b", 0.5}, {"c", 1}});
  FedFomo fomo(settings("fedfomo"), {});
  std::mt19937_64 random(1);
  static_cast<void>(fomo.pulls(1, {"a", "b", "c"}, random));
  const auto mixture = bench.choose(fomo, 1, Names{"a", "b", "c"});
  BOOST_TEST((members(mixture) == Names{"a", "b"}));
  BOOST_TEST(weight(mixture, "self") == 0.2 / 1.2, boost::test_tools::tolerance(1e-9));
  BOOST_TEST(weight(mixture, "a") == 0.6 / 1.2, boost::test_tools::tolerance(1e-9));
  BOOST_TEST(weight(mixture, "b") == 0.4 / 1.2, boost::test_tools::tolerance(1e-9));
  BOOST_TEST(bench.requests("measure").at(0).at("split") == "validation");
}

BOOST_AUTO_TEST_CASE(fedfomo_stays_at_theta_when_no_model_is_better) {
  Bench bench;
  bench.losses({{"averaged", 0.5}});
  FedFomo fomo(settings("fedfomo"), {});
  std::mt19937_64 random(1);
  static_cast<void>(fomo.pulls(1, {"a"}, random));
  const auto mixture = bench.choose(fomo, 1, Names{"a"});
  BOOST_TEST((mixture.members == Names{"averaged"}));
  BOOST_TEST((mixture.weights == std::vector<double>{1}));

  // A peer may be better where the own training is not.
  bench.losses({{"averaged", 0.5}, {"a", 0.4}});
  const auto moved = bench.choose(fomo, 1, Names{"a"});
  BOOST_TEST((members(moved) == Names{"a"}));
  BOOST_TEST(weight(moved, "self") == 0.0);
}

BOOST_AUTO_TEST_CASE(fedfomo_fetches_whom_its_weights_preferred_and_the_harmful_last) {
  Bench bench;
  Config config = settings("fedfomo");
  config.learning.pull_budget = 4;
  FedFomo fomo(config, {.epsilon = 0.05});  // has fallen to 0 in the second round
  std::mt19937_64 random(1);
  static_cast<void>(fomo.pulls(1, kPeers, random));
  bench.losses({{"averaged", 1}, {"a", 0.5}, {"b", 2}, {"d", 0.8}});
  static_cast<void>(bench.choose(fomo, 1, Names{"a", "b", "d"}));
  BOOST_TEST((fomo.pulls(2, kPeers, random) == Names{"a", "d", "c", "b"}));

  // The weights add up over the rounds.
  bench.losses({{"averaged", 1}, {"a", 1.4}, {"b", 1}, {"d", 0.8}});
  static_cast<void>(bench.choose(fomo, 2, Names{"a", "b", "d"}));
  BOOST_TEST((fomo.pulls(3, kPeers, random) == Names{"d", "a", "c", "b"}));

  FedFomo restarted(config, FedFomo::Own{});
  std::map<std::string, json> opinions{{"c", json::array()}};
  for (const std::string peer : {"a", "b", "d"}) opinions.emplace(peer, fomo.opinion(peer));
  restarted.restore(opinions);
  BOOST_TEST((restarted.pulls(3, kPeers, random) == Names{"d", "a", "c", "b"}));
}

BOOST_AUTO_TEST_CASE(fedfomo_explores_less_and_less) {
  Bench bench;
  Config config = settings("fedfomo");
  config.learning.pull_budget = 1;
  FedFomo fomo(config, {.epsilon = 0.5});
  fomo.restore({{"a", {{"preference", 1}}}});
  std::mt19937_64 random(1);
  const auto others = [&](std::uint64_t round) {
    int count = 0;
    for (int i = 0; i < 400; ++i) count += fomo.pulls(round, kPeers, random).at(0) != "a";
    return count;
  };
  BOOST_TEST(others(1) > 100);  // 3 in 4 of a half
  BOOST_TEST(others(6) < others(1));
  BOOST_TEST(others(6) > 30);
  BOOST_TEST(others(11) == 0);
}

// ---- IFCA ----

BOOST_AUTO_TEST_CASE(ifca_starts_with_different_models_and_trains_the_one_of_lowest_training_loss) {
  Bench bench;
  bench.losses({{"cluster 0", 0.9}, {"cluster 1", 0.3}, {"cluster 2", 0.5}});
  Ifca ifca(settings("ifca"), kIfca);
  bench.prepare(ifca, 1, {});
  BOOST_TEST(ifca.note().text == json({{"cluster", 1}}));
  const auto drawn = bench.requests("initial");
  BOOST_TEST_REQUIRE(drawn.size() == 3U);
  for (std::size_t i = 0; i < 3; ++i) BOOST_TEST(drawn[i].at("seed") == 70 + i);

  bench.losses({{"cluster 2", 0.1}});
  bench.prepare(ifca, 2, {});
  BOOST_TEST(ifca.note().text == json({{"cluster", 2}}));
  const auto asked = bench.requests("average");
  BOOST_TEST_REQUIRE(asked.size() == 1U);
  BOOST_TEST(asked[0].at("members") == json({"cluster 2"}));
}

BOOST_AUTO_TEST_CASE(ifca_measures_on_its_training_data_and_draws_only_once) {
  Bench bench;
  Ifca ifca(settings("ifca"), kIfca);
  bench.prepare(ifca, 1, {});
  BOOST_TEST(bench.requests("measure").at(0).at("split") == "train");
  bench.prepare(ifca, 2, {});
  BOOST_TEST(bench.requests("initial").empty());
}

BOOST_AUTO_TEST_CASE(ifca_averages_each_cluster_from_those_who_took_it) {
  Bench bench;
  bench.losses({{"cluster 1", 0.3}});
  Ifca ifca(settings("ifca"), kIfca);
  bench.prepare(ifca, 1, {});
  static_cast<void>(bench.requests("keep"));
  const std::vector<Candidate> candidates{
      {"a", 1, {{"cluster", 1}}}, {"b", 1, {{"cluster", 0}}}, {"c", 1, {{"cluster", 1}}},
      {"d", 1, {{"cluster", 0}}}, {"silent", 1, {}},          {"odd", 1, {{"cluster", -1}}}};
  const auto mixture = bench.choose(ifca, 1, candidates);
  BOOST_TEST((members(mixture) == Names{"a", "c"}));
  BOOST_TEST(weight(mixture, "self") == weight(mixture, "a"));
  const auto kept = bench.requests("keep");
  BOOST_TEST_REQUIRE(kept.size() == 2U);  // nobody took cluster 2: it stays as it was
  BOOST_TEST(kept[0].at("name") == "cluster 0");
  BOOST_TEST(kept[0].at("members") == json({"b", "d"}));
  BOOST_TEST(kept[1].at("name") == "cluster 1");
  BOOST_TEST(kept[1].at("members") == json({"self", "a", "c"}));
  BOOST_TEST(ifca.opinion("d") == json({{"cluster", 0}}));
  BOOST_TEST(ifca.opinion("silent").is_null());
}

BOOST_AUTO_TEST_CASE(ifca_makes_its_clusters_again_for_a_worker_that_was_started_again) {
  Bench bench;
  Ifca ifca(settings("ifca"), kIfca);
  bench.prepare(ifca, 1, {});
  bench.restart();
  static_cast<void>(bench.requests("initial"));
  bench.prepare(ifca, 2, {Candidate{"a", 1, {{"cluster", 2}}}});
  BOOST_TEST(bench.requests("initial").size() == 3U);
  bench.restart();
  static_cast<void>(bench.requests("keep"));
  bench.prepare(ifca, 2, {Candidate{"a", 1, {{"cluster", 2}}}});
  const auto kept = bench.requests("keep");
  BOOST_TEST_REQUIRE(kept.size() == 1U);
  BOOST_TEST(kept[0].at("members") == json({"a"}));  // there is no partial yet
}

// ---- The sign rule ----

BOOST_AUTO_TEST_CASE(lia_sign_averages_with_whoever_is_better_than_the_initial_model) {
  Bench bench;
  bench.losses({{"M0", 1}, {"self", 0.2}, {"a", 0.9}, {"b", 1.1}, {"c", 0.1}, {"d", 1}});
  LiaSign sign(settings("lia-sign"));
  std::mt19937_64 random(1);
  BOOST_TEST((sign.pulls(1, kPeers, random) == kPeers));
  const auto mixture = bench.choose(sign, 1, kPeers);
  BOOST_TEST((members(mixture) == Names{"a", "c"}));
  BOOST_TEST(weight(mixture, "a") == weight(mixture, "self"));
  BOOST_TEST(sign.opinion("b").at("influence").get<double>() == -0.1,
             boost::test_tools::tolerance(1e-5));
}

// ---- Trimmed mean and median ----

std::shared_ptr<const pipe::Fd> model_of(float value) {
  return std::make_shared<const pipe::Fd>(pipe::sealed_memfd(
      "test", model::write_snapshot({{{"w", {2}}}}, std::vector<float>(2, value))));
}

BOOST_AUTO_TEST_CASE(robust_combines_the_circle_it_was_told_and_says_who_is_in_it) {
  Bench bench;
  Robust median({"a", "b"}, Robust::Rule::median);
  std::mt19937_64 random(1);
  BOOST_TEST((median.pulls(1, {"a", "b", "c"}, random) == Names{"a", "b"}));
  const auto own = model_of(1);
  bench.own = own.get();
  const std::vector<Candidate> peers{{"a", 1, nullptr, model_of(2)},
                                     {"b", 1, nullptr, model_of(3)},
                                     {"c", 1, nullptr, model_of(4)}};
  const auto choice = bench.choice(median, 1, peers);
  BOOST_TEST((choice.mixture.members == Names{"combined"}));
  BOOST_TEST_REQUIRE(choice.made_of.has_value());
  BOOST_TEST((choice.made_of->members == Names{"a", "b"}));
  BOOST_TEST(members(bench.choose(median, 1, Candidates{{"c", 1}})).empty());
}

// ---- All of them ----

BOOST_AUTO_TEST_CASE(without_candidates_each_goes_on_alone) {
  Bench bench;
  bench.losses({{"averaged", 1}, {"self", 0.5}});
  for (const std::string each : {"pens", "dac", "fedfomo", "ifca", "lia-sign"}) {
    const auto strategy = make_strategy(settings(each), {});
    std::mt19937_64 random(1);
    BOOST_TEST(strategy->pulls(1, {}, random).empty());
    BOOST_TEST(strategy->pulls(1, {"a"}, random).size() == 1U);
    bench.prepare(*strategy, 1, {});
    BOOST_TEST(members(bench.choose(*strategy, 1, Names{})).empty());
    BOOST_TEST(strategy->opinion("a").is_null());
  }
}

BOOST_AUTO_TEST_CASE(who_must_be_told_the_groups_says_so_where_there_are_none) {
  for (const std::string each : {"oracle", "median", "trimmed-mean", "pens"}) {
    Config config = settings(each);
    BOOST_CHECK_NO_THROW(make_strategy(config, {}));
    config.learning.oracle_group.clear();
    const auto says_so = [&](const Failure& failure) {
      return failure.code() == EX_CONFIG &&
             std::string(failure.what()).find("strategy \"" + each + "\"") != std::string::npos;
    };
    BOOST_CHECK_EXCEPTION(make_strategy(config, {}), Failure, says_so);
  }
  Config told = settings("pens");
  told.learning.oracle_group.clear();
  told.learning.own = kPens;
  BOOST_CHECK_NO_THROW(make_strategy(told, {}));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace comparator_strategies_test
