#include "daemon/node/curve.hpp"

#include <boost/test/unit_test.hpp>

#include <cmath>

namespace curve_test {

using namespace kith::daemon;
using nlohmann::json;

json judged(const std::string& metric, double value) {
  return {{metric, value}, {"loss", 1.0}, {"examples", 50}};
}

json report(std::uint64_t round, const std::string& metric, const std::vector<std::string>& members) {
  json averaged = json::array();
  for (const std::string& name : members) averaged.push_back({{"id", "id"}, {"name", name}, {"weight", 0.5}});
  const double value = static_cast<double>(round);
  return {{"round", round},
          {"time", 1000 + round},
          {"metric", metric},
          {"served", "averaged"},
          {"models",
           {{"averaged", {{"test", judged(metric, value)}, {"validation", judged(metric, -1)}}},
            {"baseline", {{"test", judged(metric, value / 2)}, {"validation", judged(metric, -2)}}}}},
          {"members", averaged},
          {"privacy", {{"epsilon", 0.5}}},
          {"bytes_in", 10 * round},
          {"bytes_out", 20 * round}};
}

BOOST_AUTO_TEST_SUITE(curve_tests)

BOOST_AUTO_TEST_CASE(node_without_a_round_has_none) {
  BOOST_TEST(curve_of({}).round.empty());
}

BOOST_AUTO_TEST_CASE(columns_follow_the_reports) {
  const auto curve = curve_of({report(3, "accuracy", {"b"}), report(6, "accuracy", {"c", "b"})});
  BOOST_TEST(curve.metric == "accuracy");
  BOOST_TEST(curve.higher_is_better);
  BOOST_TEST(curve.split == "test");
  BOOST_TEST(curve.step == 3U);
  BOOST_TEST((curve.round == std::vector<std::uint64_t>{3, 6}));
  BOOST_TEST((curve.time == std::vector<std::uint64_t>{1003, 1006}));
  BOOST_TEST(curve.served[1].value() == 6.0);
  BOOST_TEST(curve.alone[1].value() == 3.0);
  BOOST_TEST((curve.names == std::vector<std::string>{"b", "c"}));
  BOOST_TEST((curve.circle == std::vector<std::vector<std::uint64_t>>{{0}, {1, 0}}));
  BOOST_TEST(curve.epsilon[0].value() == 0.5);
  BOOST_TEST(curve.bytes_out[0] == 60U);
}

BOOST_AUTO_TEST_CASE(without_test_examples_the_validation_examples_count) {
  json one = report(1, "mae", {});
  for (const char* model : {"averaged", "baseline"}) one["models"][model]["test"] = nullptr;
  const auto curve = curve_of({one});
  BOOST_TEST(curve.split == "validation");
  BOOST_TEST(!curve.higher_is_better);
  BOOST_TEST(curve.served[0].value() == -1.0);
}

BOOST_AUTO_TEST_CASE(what_is_missing_is_missing_and_another_metric_is_another_curve) {
  json bare = report(2, "auroc", {});
  bare["models"].erase("baseline");
  bare["models"]["averaged"]["test"].erase("auroc");  // not defined on these examples
  bare["privacy"] = nullptr;
  const auto curve = curve_of({report(1, "accuracy", {}), bare});
  BOOST_TEST(curve.round.size() == 1U);
  BOOST_TEST(!curve.served[0]);
  BOOST_TEST(!curve.alone[0]);
  BOOST_TEST(!curve.epsilon[0]);
}

BOOST_AUTO_TEST_CASE(gain_is_the_mean_of_the_last_rounds_with_its_interval) {
  std::vector<json> reports;
  for (std::uint64_t round = 1; round <= 30; ++round) {
    json one = report(round, "accuracy", {});
    one["models"]["averaged"]["test"]["accuracy"] = round > 20 ? 0.8 : 0.1;
    one["models"]["baseline"]["test"]["accuracy"] = 0.6;
    reports.push_back(one);
  }
  const Gain gain = curve_of(reports).gain.value();
  BOOST_TEST(gain.rounds == kGainRounds);
  BOOST_TEST(gain.mean == 0.2, boost::test_tools::tolerance(1e-9));
  BOOST_TEST(gain.examples == 50U);
  // No round differs from another: what is left is that of shares of 50 examples each.
  const double half = 1.96 * std::sqrt((0.8 * 0.2 + 0.6 * 0.4) / 50);
  BOOST_TEST(gain.low == gain.mean - half, boost::test_tools::tolerance(1e-9));
  BOOST_TEST(gain.high == gain.mean + half, boost::test_tools::tolerance(1e-9));
  BOOST_TEST(gain.certain);
}

BOOST_AUTO_TEST_CASE(gain_in_an_error_is_how_much_less_it_is_and_two_rounds_are_no_interval) {
  const Gain gain = curve_of({report(3, "mae", {}), report(6, "mae", {})}).gain.value();
  BOOST_TEST(gain.mean == -(1.5 + 3.0) / 2);
  BOOST_TEST(gain.served == 4.5);
  BOOST_TEST(gain.examples == 0U);
  BOOST_TEST(!gain.certain);
  json bare = report(1, "mae", {});
  bare["models"].erase("baseline");
  BOOST_TEST(!curve_of({bare}).gain);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace curve_test
