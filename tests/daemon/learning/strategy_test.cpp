#include "daemon/learning/strategy_kind.hpp"
#include "daemon/system/failure.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <exception>

namespace strategy_test {

using namespace kith;
using namespace kith::daemon;

using Names = std::vector<std::string>;

std::unique_ptr<Strategy> make(const std::string& name, Names oracle_group = {}) {
  Config config;
  config.learning.strategy = name;
  config.learning.oracle_group = {"self"};
  return make_strategy(config, {.oracle_group = std::move(oracle_group)});
}

Names chosen(Strategy& strategy, const Names& candidates) {
  Situation situation;
  for (const std::string& peer : candidates) situation.candidates.push_back({peer});
  net::asio::io_context io;
  Names members;
  auto body = [&]() -> net::awaitable<void> {
    const Choice choice = co_await strategy.choose(situation);
    BOOST_TEST(choice.mixture.members.front() == "self");
    members.assign(choice.mixture.members.begin() + 1, choice.mixture.members.end());
  };
  net::asio::co_spawn(io, std::move(body), net::rethrow);
  io.run();
  return members;
}

Names pulled(Strategy& strategy, const Names& peers) {
  std::mt19937_64 random(1);
  return strategy.pulls(1, peers, random);
}

BOOST_AUTO_TEST_SUITE(strategy_tests)

BOOST_AUTO_TEST_CASE(local_fetches_nothing_and_averages_with_nobody) {
  const auto local = make("local");
  BOOST_TEST(pulled(*local, {"a", "b"}).empty());
  BOOST_TEST(chosen(*local, {"a", "b"}).empty());
}

BOOST_AUTO_TEST_CASE(fedavg_averages_with_everybody_it_has) {
  const auto fedavg = make("fedavg");
  BOOST_TEST((pulled(*fedavg, {"a", "b"}) == Names{"a", "b"}));
  BOOST_TEST((chosen(*fedavg, {"b"}) == Names{"b"}));
}

BOOST_AUTO_TEST_CASE(oracle_averages_with_its_group_only) {
  const auto oracle = make("oracle", {"a", "c"});
  BOOST_TEST((pulled(*oracle, {"a", "b", "c"}) == Names{"a", "c"}));
  BOOST_TEST((chosen(*oracle, {"a", "b"}) == Names{"a"}));
  BOOST_TEST(chosen(*make("oracle"), {"a", "b"}).empty());  // an empty group is nobody
}

BOOST_AUTO_TEST_CASE(a_nodes_configuration_takes_exactly_what_works_on_a_network) {
  for (const StrategyKind& kind : strategy_kinds()) {
    const auto parse = [&] {
      return parse_config(
          "[node]\nname = \"a\"\n[task]\nname = \"t\"\n[data]\ntrain = [\"a\"]\n"
          "[learning]\nstrategy = \"" +
              kind.name + "\"\n",
          "kith.toml");
    };
    if (kind.where == StrategyKind::Where::network) {
      BOOST_TEST(parse().learning.strategy == kind.name);
    } else {
      BOOST_CHECK_THROW(parse(), Failure);
    }
    Config config;
    config.learning.strategy = kind.name;
    config.learning.oracle_group = {"self"};
    BOOST_TEST(
        !(make_strategy(config, {})->reads_models() && kind.where == StrategyKind::Where::network),
        kind.name);
  }
}

BOOST_AUTO_TEST_CASE(a_strategy_that_is_not_there_is_told_of_all_that_are) {
  const auto names_all = [](const Failure& failure) {
    return std::ranges::all_of(strategy_kinds(), [&](const StrategyKind& kind) {
      return std::string(failure.what()).find('"' + kind.name + '"') != std::string::npos;
    });
  };
  BOOST_CHECK_EXCEPTION(static_cast<void>(strategy_kind("magic")), Failure, names_all);
}

BOOST_AUTO_TEST_CASE(lia_without_candidates_asks_nobody_and_chooses_nobody) {
  const auto lia = make("lia");
  BOOST_TEST(chosen(*lia, {}).empty());  // there is no worker here: a question would crash
  BOOST_TEST(lia->opinion("a").is_null());
}

BOOST_AUTO_TEST_CASE(lia_ignores_opinions_that_do_not_read) {
  const auto lia = make("lia");
  lia->restore({{"a", nlohmann::json::object()}, {"b", {{"admitted", 3}}}, {"c", nullptr}});
  BOOST_TEST(lia->opinion("a").is_null());
  BOOST_TEST(pulled(*lia, {"a", "b"}).size() == 2U);
}

BOOST_AUTO_TEST_CASE(mixture_begins_with_self_and_weighs_the_stale_less) {
  Situation situation;
  situation.round = 10;
  situation.candidates = {{"fresh", 10}, {"stale", 8}};
  const auto mixed = mixture(situation, {"stale", "fresh"}, 2);
  BOOST_TEST((mixed.members == Names{"self", "stale", "fresh"}));
  BOOST_TEST_REQUIRE(mixed.weights.size() == 3U);
  BOOST_TEST(mixed.weights[1] < mixed.weights[2]);
  BOOST_TEST(mixed.weights[0] == mixed.weights[2]);  // what came this round is as good as our own
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace strategy_test
