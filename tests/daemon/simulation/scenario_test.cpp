#include "daemon/simulation/scenario.hpp"

#include "daemon/learning/strategy_kind.hpp"
#include "daemon/system/failure.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <fstream>
#include <iterator>

namespace scenario_test {

using namespace kith;
using namespace kith::daemon;
using settings::Key;
namespace fs = std::filesystem;

const std::string kSimulation = "[simulation]\nname = \"s\"\n";
const std::string kPartition = "[partition]\nkind = \"iid\"\nnodes = 4\n";
const std::string kLearning = "[learning]\nrounds = 3\n";

Scenario parse(const std::string& text) { return parse_scenario(text, "folder/s.toml"); }

std::string error_of(const std::string& text) {
  try {
    parse(text);
  } catch (const Failure& failure) {
    BOOST_TEST(failure.code() == EX_CONFIG);
    return failure.what();
  }
  return "";
}

bool says(const std::string& text, const std::string& part) {
  const std::string error = error_of(text);
  BOOST_TEST_MESSAGE(error);
  return error.starts_with("folder/s.toml") && error.find(part) != std::string::npos;
}

const std::string kBegin = "<!-- keys: made from the parser's table -->\n";
const std::string kEnd = "<!-- end of keys -->\n";

BOOST_AUTO_TEST_SUITE(scenario_tests)

BOOST_AUTO_TEST_CASE(scenario_reads_what_it_says_and_has_defaults_for_the_rest) {
  const Scenario scenario =
      parse(kSimulation + "strategies = [\"lia\", \"dac\"]\nseeds = [4, 5]\n" + kPartition +
            kLearning + "[attack]\nkind = \"free-ride\"\n");
  BOOST_TEST((scenario.simulation.strategies == std::vector<std::string>{"lia", "dac"}));
  BOOST_TEST((scenario.simulation.seeds == std::vector{4U, 5U}));
  BOOST_TEST((scenario.data.plan.kind == data::PartitionKind::iid));
  BOOST_TEST((scenario.attack.kind == AttackKind::free_ride));
  BOOST_TEST(scenario.drift.round == 0U);
  BOOST_TEST(scenario.network.slowest == 1.0);
}

BOOST_AUTO_TEST_CASE(what_is_set_of_one_strategy_reaches_it_and_no_other) {
  const Scenario scenario = parse(kSimulation + kPartition + kLearning +
                                  "[strategy.pens]\ntop = 3\n[strategy.fedfomo]\nepsilon = 0\n");
  BOOST_TEST_REQUIRE(scenario.own.size() == 2U);
  const Key<std::any>& top = strategy_kind("pens").keys.back();
  BOOST_TEST(top.name == "top");
  BOOST_TEST(top.show(scenario.own.at("pens")) == "3");
  BOOST_TEST(strategy_kind("fedfomo").keys.front().show(scenario.own.at("fedfomo")) == "0");
}

BOOST_AUTO_TEST_CASE(task_of_the_partition_is_adjusted_by_what_the_file_says_and_no_more) {
  const Scenario scenario =
      parse(kSimulation + kPartition + kLearning + "[task]\nbatch = 7\nsizes = [5]\n");
  model::Task task;
  task.model = "cnn";
  task.sizes = {8, 16};
  task.learning_rate = 0.123;
  scenario.adjust_task(task);
  BOOST_TEST(task.batch == 7U);
  BOOST_TEST((task.sizes == std::vector{5U}));
  BOOST_TEST(task.model == "cnn");
  BOOST_TEST(task.learning_rate == 0.123);
}

BOOST_AUTO_TEST_CASE(what_makes_no_sense_is_refused_with_a_sentence_that_says_what_to_do) {
  BOOST_TEST(
      says(kSimulation + "strategies = [\"magic\"]\n" + kPartition + kLearning,
           ":3:14: simulation.strategies must be a list of texts with at least one of \"lia\", "));
  BOOST_TEST(says(kSimulation + kPartition + kLearning + "[strategy.pens]\ntops = 1\n",
                  "unknown key strategy.pens.tops; did you mean strategy.pens.top?"));
  BOOST_TEST(says(kSimulation + kPartition + kLearning + "[strategy.pens]\ntop = -1\n",
                  "strategy.pens.top must be a whole number from 0 to 512, not -1"));
  BOOST_TEST(says(kSimulation + kPartition + kLearning + "[strategy.lia]\ntop = 1\n",
                  "unknown section strategy.lia"));
  BOOST_TEST(says(kSimulation + "[partition]\nkind = \"rotations\"\n" + kLearning,
                  "partition.kind must be \"rotation\","));
  BOOST_TEST(says(kSimulation + kPartition + "groops = 2\n" + kLearning,
                  "unknown key partition.groops; did you mean partition.groups?"));
  BOOST_TEST(says(kPartition + kLearning, "simulation.name is missing"));
  BOOST_TEST(says(kSimulation + kLearning, "there are no data"));
  BOOST_TEST(says(kSimulation + kPartition + kLearning + "[data]\ndirectory = \"d\"\n",
                  "exclude one another"));
  BOOST_TEST(says(kSimulation + kPartition + kLearning + "[data]\nfamilies = [0, 1]\n",
                  "a family for each of the 3 groups"));
  BOOST_TEST(says(kSimulation + kLearning + "[data]\ndirectory = \"d\"\nabsent = 1\n",
                  "remove the sub-folders instead"));
  BOOST_TEST(says(kSimulation + kPartition, "learning.rounds must be set"));
  BOOST_TEST(says(kSimulation + kPartition + kLearning + "[attack]\nkind = \"noise\"\nnodes = 4\n",
                  "leave somebody honest"));
  const std::string backdoor = "[attack]\nkind = \"backdoor\"\nfrom = 2\n";
  BOOST_TEST(
      says(kSimulation + kPartition + kLearning + backdoor, "in the data from the first round"));
  const std::string sybil = "test = 0\n[attack]\nkind = \"sybil\"\n";
  BOOST_TEST(says(kSimulation + kPartition + sybil + kLearning, "set partition.test"));
  BOOST_TEST(says("this is not TOML", "not TOML"));
}

BOOST_AUTO_TEST_CASE(scenario_that_is_not_there_is_said_to_be_missing) {
  const auto is_missing = [](const Failure& failure) { return failure.code() == EX_NOINPUT; };
  BOOST_CHECK_EXCEPTION(static_cast<void>(load_scenario("/nowhere/s.toml")), Failure, is_missing);
}

BOOST_AUTO_TEST_CASE(every_scenario_of_the_benchmarks_reads) {
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator(KITH_SCENARIOS)) {
    BOOST_TEST_CONTEXT(entry.path()) {
      BOOST_TEST(!load_scenario(entry.path()).simulation.name.empty());
    }
    ++count;
  }
  BOOST_TEST(count > 10U);
}

BOOST_AUTO_TEST_CASE(documented_keys_are_up_to_date) {
  const fs::path file = fs::path(KITH_DOCS) / "simulation.md";
  std::ifstream in(file);
  std::string text(std::istreambuf_iterator<char>(in), {});
  const auto begin = text.find(kBegin);
  const auto end = text.find(kEnd);
  BOOST_TEST_REQUIRE((begin != std::string::npos && end != std::string::npos));
  const std::string wanted = kBegin + scenario_markdown() + "\n" + kEnd;
  const std::string present = text.substr(begin, end + kEnd.size() - begin);
  if (std::getenv("KITH_REFRESH") != nullptr && present != wanted) {
    text.replace(begin, present.size(), wanted);
    std::ofstream(file) << text;
    return;
  }
  BOOST_TEST((present == wanted), "docs/simulation.md is out of date; KITH_REFRESH=1 "
                                      << boost::unit_test::framework::master_test_suite().argv[0]
                                      << " refreshes it");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace scenario_test
