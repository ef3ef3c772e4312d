#pragma once

#include "daemon/config/config.hpp"
#include "daemon/simulation/attack.hpp"
#include "daemon/simulation/simulated_network.hpp"
#include "model/data/partition.hpp"

#include <any>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace kith::daemon {

/// A simulation as its file describes it: whose data, which strategies, what goes wrong.
/// docs/simulation.md, made from the same table as the parser, says what each key means.
struct Scenario {
  struct Simulation {
    std::string name;
    std::vector<std::string> strategies{"lia", "local", "fedavg", "oracle"};
    std::vector<unsigned> seeds{1};
    double convenor_share = 1;  ///< of the nodes: the first so many use `learning.convenor`
    unsigned outcomes = 0;      ///< rounds, the last, of which each held-out example is recorded
  };
  /// The data of the nodes: cut from a public set, or already cut.
  struct Data {
    std::filesystem::path directory;  ///< one sub-folder a node; empty: the plan is carried out
    bool draft = false;               ///< the task's columns follow from the tables there
    data::PartitionPlan plan;
    std::vector<double> shares;      ///< of the nodes in each group; empty: equal
    std::vector<unsigned> families;  ///< of each group; empty: every group is for itself
    unsigned absent = 0;             ///< so many nodes of the partition, the last, do not exist
    double validation = 0.25;
    unsigned min_validation = 10;
  };
  struct Attack {
    AttackKind kind = AttackKind::none;
    unsigned nodes = 1;  ///< the last so many
    unsigned from = 1;   ///< round; honest until then
  };
  struct Drift {
    unsigned round = 0;      ///< from this round on; 0: never
    double share = 1.0 / 3;  ///< of the nodes: those change to the next group
  };

  std::string text;  ///< the file as it was read
  Simulation simulation;
  Data data;
  model::Task task;  ///< as the file has it; what it leaves out suits the partition
  std::function<void(model::Task&)> adjust_task;  ///< sets in another task what the file has
  Config::Learning learning;
  std::map<std::string, std::any> own;  ///< what is set of each strategy alone, by its name
  Config::Worker worker;
  Config::Privacy privacy;
  NetworkConditions network;
  Attack attack;
  Drift drift;
};

/// Reads a scenario.  Throws Failure like load_config().
[[nodiscard]] Scenario load_scenario(const std::filesystem::path& file);
[[nodiscard]] Scenario parse_scenario(std::string_view text, const std::filesystem::path& file);

/// The reference of all keys, for docs/simulation.md.
[[nodiscard]] std::string scenario_markdown();

}  // namespace kith::daemon
