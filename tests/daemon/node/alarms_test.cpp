#include "daemon/node/alarms.hpp"

#include "daemon/node/status.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <functional>
#include <ostream>

namespace alarms_test {

using namespace kith::daemon;
namespace data = boost::unit_test::data;

NodeStatus healthy() {
  NodeStatus status;
  status.charter.member = true;
  status.charter.age = "valid";
  status.members = 3;
  status.connected = 2;
  status.listening = {"127.0.0.1:7700"};
  status.examples = {1000, 100, 100};
  status.guards = {{"network", true, ""}};
  return status;
}

struct Trouble {
  const char* name;
  const char* severity;
  std::function<void(NodeStatus&)> make;
};
std::ostream& operator<<(std::ostream& out, const Trouble& trouble) { return out << trouble.name; }

const Trouble kTroubles[] = {
    {"renewed_elsewhere", "error", [](NodeStatus& s) { s.renewed_elsewhere = 1; }},
    {"expelled", "error", [](NodeStatus& s) { s.charter.member = false; }},
    {"not_a_member", "error", [](NodeStatus& s) { s.refused_by = {"b"}; }},
    {"charter_contradicted", "error", [](NodeStatus& s) { s.charter.rivals = {{2, "x", {}, false}}; }},
    {"charter_expired", "error", [](NodeStatus& s) { s.charter.age = "grace"; }},
    {"charter_expires", "warning", [](NodeStatus& s) { s.charter.age = "expiring"; }},
    {"application", "notice", [](NodeStatus& s) { s.applications = 1; }},
    {"not_fetching", "error", [](NodeStatus& s) { s.not_fetching = "the disk is full"; }},
    {"other_task", "warning", [](NodeStatus& s) { s.other_tasks = {{"b", {}}}; }},
    {"nobody_connected", "warning", [](NodeStatus& s) { s.connected = 0; }},
    {"worker_lost", "error", [](NodeStatus& s) { s.worker_trouble = "it was killed"; }},
    {"diverged", "error", [](NodeStatus& s) { s.last_round = {{"diverged", "the loss is infinite"}}; }},
    {"privacy_budget_spent", "warning", [](NodeStatus& s) { s.last_round = {{"privacy", {{"published", false}}}}; }},
    {"few_validation_examples", "notice", [](NodeStatus& s) { s.examples.validation = 39; }},
    {"cannot_be_known", "notice", [](NodeStatus& s) { s.unknowable = {"all are of one class"}; }},
    {"not_confined", "warning", [](NodeStatus& s) { s.own_guards = {{"reading", false, "no Landlock"}}; }},
};

BOOST_AUTO_TEST_SUITE(alarms_tests)

BOOST_AUTO_TEST_CASE(healthy_node_has_none) {
  BOOST_TEST(alarms_of(healthy()).empty());
  NodeStatus fresh = healthy();  // nothing is known yet
  fresh.connected = 0;
  fresh.listening = {};
  fresh.examples = {};
  BOOST_TEST(alarms_of(fresh).empty());
  NodeStatus settled = healthy();
  settled.charter.rivals = {{2, "x", {}, true}};
  BOOST_TEST(alarms_of(settled).empty());
}

BOOST_DATA_TEST_CASE(trouble_is_named_with_what_to_do, data::make(kTroubles), trouble) {
  NodeStatus status = healthy();
  trouble.make(status);
  const auto alarms = alarms_of(status);
  BOOST_TEST_REQUIRE(alarms.size() == 1U);
  BOOST_TEST(alarms.front().name == trouble.name);
  BOOST_TEST(alarms.front().severity == trouble.severity);
  BOOST_TEST(alarms.front().what.ends_with('.'));
  BOOST_TEST(alarms.front().help.ends_with('.'));
}

BOOST_AUTO_TEST_CASE(other_task_is_told_with_the_fields_that_differ) {
  NodeStatus status = healthy();
  status.other_tasks = {{"b", std::vector<DifferenceReport>{{"learning_rate", "0.05", "0.1"}, {"columns", "", "age: 1..2"}}}};
  BOOST_TEST(alarms_of(status).at(0).what ==
             "b learns another task (learning_rate 0.1, here 0.05; columns age: 1..2, here not there), and is ignored.");
}

BOOST_AUTO_TEST_CASE(worst_comes_first) {
  NodeStatus status = healthy();
  status.applications = 1;
  status.connected = 0;
  status.worker_trouble = "it was killed";
  const auto alarms = alarms_of(status);
  BOOST_TEST_REQUIRE(alarms.size() == 3U);
  BOOST_TEST(alarms[0].severity == "error");
  BOOST_TEST(alarms[1].severity == "warning");
  BOOST_TEST(alarms[2].severity == "notice");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace alarms_test
