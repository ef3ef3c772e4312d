#include "daemon/simulation/simulation.hpp"

#include "tests/temporary_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <fstream>
#include <sstream>

namespace simulation_test {

using namespace kith;
using namespace kith::daemon;
using nlohmann::json;
namespace fs = std::filesystem;

/// A node of data that are cut already, whose made-up worker behaves so.
void add_node(const fs::path& data, const std::string& name, const std::string& behaviour) {
  fs::create_directories(data / name);
  std::ofstream(data / name / ("train-" + behaviour)) << "not looked at";
}

BOOST_AUTO_TEST_SUITE(simulation_tests)

BOOST_AUTO_TEST_CASE(node_whose_training_diverges_is_named_and_ends_nothing_for_the_others) {
  const test::TemporaryDirectory folder;
  add_node(folder / "data", "ana", "honest");
  add_node(folder / "data", "ben", "diverges");
  add_node(folder / "data", "cleo", "stumbles");
  Scenario scenario;
  scenario.simulation.name = "diverging";
  scenario.simulation.strategies = {"fedavg"};
  scenario.data.directory = folder / "data";
  scenario.task.name = "task";
  scenario.learning.rounds = 6;
  scenario.worker.command = KITH_FAKE_WORKER;
  std::ostringstream out;
  const json results = simulate(scenario, folder / "results", Reuse::of_this_program, out);
  const json& nodes = results.at("runs").at(0).at("nodes");
  const auto given_up = [&](std::size_t node) {
    std::size_t count = 0;
    for (const json& round : nodes.at(node).at("rounds")) {
      count += round.at("diverged").is_null() ? 0U : 1U;
    }
    return count;
  };
  for (const json& node : nodes) BOOST_TEST(node.at("rounds").size() == 6U);
  BOOST_TEST(given_up(0) == 0U);
  BOOST_TEST(given_up(1) == 6U);
  BOOST_TEST(given_up(2) == 1U);
  const std::string said = out.str();
  BOOST_TEST(said.find("GIVEN UP by ben") != std::string::npos, said);
  BOOST_TEST(said.find("GIVEN UP by cleo") != std::string::npos, said);
  BOOST_TEST(said.find("GIVEN UP by ana") == std::string::npos, said);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace simulation_test
