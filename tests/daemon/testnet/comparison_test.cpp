#include "daemon/testnet/comparison.hpp"

#include "daemon/system/failure.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>

namespace comparison_test {

using namespace kith::daemon;
using nlohmann::json;

using Names = std::vector<std::string>;
const auto kClose = boost::test_tools::tolerance(1e-12);

json model(double accuracy) {
  return {{"validation", nullptr}, {"test", {{"accuracy", accuracy}}}};
}

/// A round as Node reports it.
json round_of(double alone, double averaged, const std::string& served, const Names& members) {
  json all = json::array();
  for (const std::string& name : members) all.push_back({{"name", name}});
  return {{"models", {{"baseline", model(alone)}, {"averaged", model(averaged)}}},
          {"served", served},
          {"members", all}};
}

NodeOutcome node(const std::string& name, std::size_t group, std::vector<json> rounds) {
  return {name, group, std::move(rounds), 1000};
}

/// Four nodes in two groups that found each other, well above alone and equal to the oracle.
struct Found {
  Found() {
    testnet.plan.nodes = 4;
    testnet.plan.groups = 2;
    testnet.plan.test_images = 500;
    const Names partner{"c", "d", "a", "b"};
    const Names names{"a", "b", "c", "d"};
    for (std::size_t i = 0; i < names.size(); ++i) {
      const json kith = round_of(0.60, 0.70, "averaged", {partner[i]});
      const json global = round_of(0.60, 0.50, "partial", names);
      outcomes["lia"].nodes.push_back(node(names[i], i % 2, {kith, kith, kith}));
      outcomes["fedavg"].nodes.push_back(node(names[i], i % 2, {global}));
      outcomes["oracle"].nodes.push_back(node(names[i], i % 2, {kith}));
      outcomes["lia"].seconds = 2;
      outcomes["oracle"].seconds = 3;
    }
  }
  Comparison comparison() const { return compare(testnet, outcomes); }
  std::vector<json>& rounds(std::size_t index) { return outcomes["lia"].nodes[index].rounds; }
  std::size_t refusals() const {
    const auto lines = verdict(comparison());
    return static_cast<std::size_t>(std::ranges::count_if(
        lines, [](const std::string& line) { return line.starts_with("NO"); }));
  }

  Testnet testnet;
  std::map<std::string, StrategyOutcome> outcomes;
};

BOOST_FIXTURE_TEST_SUITE(comparison_tests, Found)

BOOST_AUTO_TEST_CASE(every_column_comes_from_its_own_run) {
  const Comparison result = comparison();
  BOOST_TEST_REQUIRE(result.rows.size() == 4U);
  BOOST_TEST(result.rows[0].alone == 0.60, kClose);
  BOOST_TEST(result.rows[0].global == 0.50,
             kClose);  // the average, though that run's gate served another
  BOOST_TEST(result.rows[0].kith == 0.70, kClose);
  BOOST_TEST(result.rows[0].oracle == 0.70, kClose);
  BOOST_TEST((result.rows[0].partners == Names{"c"}));
  BOOST_TEST(result.bytes == 4000U);
  BOOST_TEST(result.seconds == 5);
  BOOST_TEST(result.good());
  BOOST_TEST(refusals() == 0U);
}

BOOST_AUTO_TEST_CASE(partner_is_who_was_averaged_with_in_half_of_the_last_five_rounds) {
  const json with_b = round_of(0.6, 0.7, "averaged", {"b"});
  const json alone = round_of(0.6, 0.7, "averaged", {});
  rounds(0) = {with_b, with_b, with_b, with_b, alone, alone, alone, with_b, with_b};
  BOOST_TEST(comparison().rows[0].partners.empty());  // two of the last five; the old do not count
  rounds(0).back() = rounds(0)[6] = with_b;
  BOOST_TEST((comparison().rows[0].partners == Names{"b"}));
}

BOOST_AUTO_TEST_CASE(accuracy_is_the_mean_of_what_was_served_in_the_last_five_rounds) {
  const json good = round_of(0.60, 0.70, "averaged", {"c"});
  const json refused = round_of(0.60, 0.10, "baseline", {"c"});
  rounds(0) = {round_of(0, 0, "averaged", {}), good, good, good, good, refused};
  BOOST_TEST(comparison().rows[0].kith == 0.68, kClose);
  BOOST_TEST(comparison().rows[0].alone == 0.60, kClose);
}

BOOST_AUTO_TEST_CASE(one_partner_of_the_wrong_group_spoils_the_groups) {
  for (json& round : rounds(0)) round = round_of(0.60, 0.70, "averaged", {"b", "c"});
  BOOST_TEST(!comparison().found_groups());
  BOOST_TEST(refusals() == 1U);
  BOOST_TEST(!comparison().good());
}

BOOST_AUTO_TEST_CASE(little_better_than_alone_is_not_called_better) {
  for (std::size_t i = 0; i < 4; ++i) rounds(i) = {round_of(0.68, 0.70, "averaged", {})};
  BOOST_TEST(!comparison().beats_alone());
}

BOOST_AUTO_TEST_CASE(less_than_the_oracle_by_more_than_a_hundredth_is_said) {
  for (auto& each : outcomes["oracle"].nodes) {
    each.rounds = {round_of(0.6, 0.72, "averaged", {})};
  }
  BOOST_TEST(!comparison().matches_oracle());
  BOOST_TEST(refusals() == 1U);
}

BOOST_AUTO_TEST_CASE(node_worse_than_alone_is_named_if_it_is_not_chance) {
  rounds(2) = {round_of(0.60, 0.58, "averaged", {"a"})};
  BOOST_TEST(comparison().worse_than_alone().empty());  // 500 images cannot tell 2 points
  rounds(2) = {round_of(0.60, 0.50, "averaged", {"a"})};
  BOOST_TEST((comparison().worse_than_alone() == Names{"c"}));
  const auto lines = verdict(comparison());
  BOOST_TEST(std::ranges::count(lines, std::string("NO   worse than alone: c")) == 1);
}

BOOST_AUTO_TEST_CASE(node_without_a_finished_round_is_named) {
  rounds(1).clear();
  const auto names_it = [](const Failure& failure) {
    return failure.code() == EX_DATAERR && std::string(failure.what()).starts_with("b ");
  };
  BOOST_CHECK_EXCEPTION(static_cast<void>(comparison()), Failure, names_it);
}

BOOST_AUTO_TEST_CASE(outcome_reads_back_as_written) {
  const StrategyOutcome& written = outcomes.at("lia");
  const StrategyOutcome read = outcome_from_json(to_json(written));
  BOOST_TEST(to_json(read) == to_json(written));
  BOOST_TEST(read.nodes[3].name == "d");
  BOOST_CHECK_THROW(static_cast<void>(outcome_from_json(json::object())), json::exception);
}

BOOST_AUTO_TEST_CASE(table_has_a_line_a_node_and_the_mean) {
  const auto lines = table(comparison(), testnet);
  const auto mean =
      std::ranges::find_if(lines, [](const std::string& line) { return line.starts_with("mean"); });
  BOOST_TEST_REQUIRE((mean != lines.end()));
  BOOST_TEST(mean->find("60.0") < mean->find("50.0"));
  BOOST_TEST(mean->find("50.0") < mean->find("70.0"));
  BOOST_TEST((mean - lines.begin() == 5));  // after the head and four nodes
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace comparison_test
