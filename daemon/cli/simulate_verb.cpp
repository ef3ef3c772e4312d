#include "daemon/cli/verbs.hpp"
#include "daemon/learning/strategy_kind.hpp"
#include "daemon/simulation/simulation.hpp"
#include "daemon/simulation/summary.hpp"
#include "daemon/system/interrupts.hpp"

#include <memory>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct SimulateOptions {
  fs::path scenario, out, source;
  std::vector<unsigned> seeds;
  std::vector<std::string> strategies;
  bool any_program = false, as_json = false;
};

Answer simulate_scenario(const SimulateOptions& options) {
  catch_interrupts();
  Scenario scenario = load_scenario(options.scenario);
  if (!options.source.empty()) {
    const bool own = !scenario.data.directory.empty();
    (own ? scenario.data.directory : scenario.data.plan.source) = options.source;
  }
  if (!options.seeds.empty()) scenario.simulation.seeds = options.seeds;
  if (!options.strategies.empty()) scenario.simulation.strategies.clear();
  for (const std::string& only : options.strategies) {
    scenario.simulation.strategies.push_back(strategy_kind(only).name);
  }
  const fs::path out = options.out.empty() ? options.scenario.stem() : options.out;
  std::ostream& progress = options.as_json ? std::cerr : std::cout;
  Answer answer;
  answer.value =
      simulate(scenario, out, options.any_program ? Reuse::of_any_program : Reuse::of_this_program,
               progress);
  answer.lines = {"", scenario.simulation.name, ""};
  for (const std::string& line : summary_table(answer.value)) answer.lines.push_back(line);
  answer.lines.insert(answer.lines.end(),
                      {"", "To look at, in a browser: " + (out / "report.html").string(),
                       "Everything, round by round: " + (out / "results.json").string()});
  return answer;
}

}  // namespace

void add_simulate_verb(CLI::App& app, Chosen& chosen) {
  const auto options = std::make_shared<SimulateOptions>();
  CLI::App* const verb = app.add_subcommand(
      "simulate", "compare strategies: many nodes in one process and virtual time");
  verb->add_option("SCENARIO", options->scenario,
                   "a TOML file; docs/simulation.md says what is in it")
      ->required();
  verb->add_option("--out", options->out,
                   "folder for the results (the scenario's name, here); what this program finished "
                   "there is not done again");
  verb->add_option("--source", options->source,
                   "folder of the data, in place of partition.source or data.directory");
  verb->add_option("--seeds", options->seeds, "only these, with commas between")->delimiter(',');
  verb->add_option("--strategies", options->strategies, "only these, with commas between")
      ->delimiter(',');
  verb->add_flag("--any-program", options->any_program,
                 "nor is what another build of kith finished there");
  on_parsed(*verb, chosen, options, simulate_scenario);
}

}  // namespace kith::daemon
