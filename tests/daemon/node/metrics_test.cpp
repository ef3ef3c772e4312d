#include "daemon/node/metrics.hpp"

#include <boost/test/unit_test.hpp>

#include <cmath>
#include <regex>
#include <set>
#include <sstream>

namespace metrics_test {

using namespace kith::daemon;

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != text.npos;
}

std::string some_text() {
  NodeStatus status;
  status.name = "a \"quoted\\ name\nin two lines";
  status.counters.rounds = 3;
  status.counters.seconds = {{"train", 1.5}};
  status.members = 2;
  status.last_round = {{"metric", "accuracy"},
                       {"served", "averaged"},
                       {"members", {{{"id", "x"}}}},
                       {"models",
                        {{"averaged", {{"test", {{"accuracy", 0.75}}}, {"validation", nullptr}}},
                         {"baseline", {{"test", {{"accuracy", 0.5}}}}}}},
                       {"privacy", {{"epsilon", 1.25}, {"budget", 8}}}};
  status.alarms = {{"other_task", "warning", "one.", "help."}, {"other_task", "warning", "two.", "help."}};
  MeasuredPeer near, far;
  near.report.name = "near", near.report.connected = true, near.report.round_trip_ms = 2;
  near.opinion = {{"rho", 0.5}}, near.averaged = true;
  far.report.name = "far";
  return metrics_of(status, {near, far});
}

BOOST_AUTO_TEST_SUITE(metrics_tests)

BOOST_AUTO_TEST_CASE(numbers_are_those_of_the_status) {
  const std::string text = some_text();
  BOOST_TEST(has_line(text, "kith_rounds_total 3"));
  BOOST_TEST(has_line(text, "kith_round_phase_seconds_total{phase=\"train\"} 1.5"));
  BOOST_TEST(has_line(text, "kith_model_quality{model=\"served\",split=\"test\",metric=\"accuracy\"} 0.75"));
  BOOST_TEST(has_line(text, "kith_model_quality{model=\"alone\",split=\"test\",metric=\"accuracy\"} 0.5"));
  BOOST_TEST(has_line(text, "kith_privacy_epsilon_budget 8"));
  BOOST_TEST(has_line(text, "kith_cluster_size 1"));
  BOOST_TEST(has_line(text, "kith_alarm{name=\"other_task\",severity=\"warning\"} 1"));
  BOOST_TEST(has_line(text, "kith_peer_round_trip_seconds{peer=\"near\"} 0.002"));
  BOOST_TEST(!has_line(text, "kith_peer_round_trip_seconds{peer=\"far\"} 0"));
  BOOST_TEST(has_line(text, "kith_peer_connected{peer=\"far\"} 0"));
  BOOST_TEST(text.find("node=\"a \\\"quoted\\\\ name\\nin two lines\"") != text.npos);
}

BOOST_AUTO_TEST_CASE(text_is_as_prometheus_wants_it) {
  std::set<std::string> series, metrics;
  std::istringstream lines(some_text());
  const std::regex comment("# (HELP [a-z_]+ .+|TYPE [a-z_]+ (gauge|counter))");
  const std::regex sample(R"re(([a-z_]+)(\{[a-z]+="([^"\\\n]|\\["\\n])*"(,[a-z]+="([^"\\\n]|\\["\\n])*")*\})? [-+0-9.eEinfNa]+)re");
  std::smatch parts;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("#")) {
      BOOST_TEST(std::regex_match(line, comment), line);
      continue;
    }
    BOOST_TEST_REQUIRE(std::regex_match(line, parts, sample), line);
    BOOST_TEST(series.insert(line.substr(0, line.rfind(' '))).second, line + " is there twice");
    metrics.insert(parts[1]);
  }
  BOOST_TEST(metrics.size() > 25U);
}

BOOST_AUTO_TEST_CASE(what_is_no_number_can_be_told) {
  MetricsText text;
  text.metric("kith_x", MetricsText::Kind::gauge, "X.");
  text.sample(std::nan(""));
  text.sample(-INFINITY, {{"a", "b"}});
  text.sample(1e300);
  BOOST_TEST(text.text() == "# HELP kith_x X.\n# TYPE kith_x gauge\nkith_x NaN\nkith_x{a=\"b\"} -Inf\nkith_x 1e+300\n");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace metrics_test
