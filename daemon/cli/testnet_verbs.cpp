#include "daemon/cli/verbs.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/system/interrupts.hpp"
#include "daemon/system/temporary_folder.hpp"
#include "daemon/testnet/comparison.hpp"
#include "daemon/testnet/demo.hpp"
#include "daemon/testnet/testnet.hpp"

#include <memory>
#include <optional>
#include <system_error>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;

struct TestnetOptions {
  TestnetPlan plan;
  fs::path directory;
  std::string strategy = "lia";
  bool keep = false, as_json = false;
};

void add_plan(CLI::App& verb, TestnetPlan& plan) {
  verb.add_option("--nodes", plan.nodes, "how many nodes")->capture_default_str();
  verb.add_option("--groups", plan.groups, "hidden groups, each with its own turn of the pictures")
      ->capture_default_str();
  verb.add_option("--rounds", plan.rounds, "rounds each node learns")->capture_default_str();
  verb.add_option("--seed", plan.seed, "of data, model and training")->capture_default_str();
  verb.add_option("--images", plan.images, "images each node has")->capture_default_str();
  verb.add_option("--test-images", plan.test_images, "held-out images a node, for the table")
      ->capture_default_str();
  verb.add_option("--data", plan.data, "folder of Fashion-MNIST's IDX files")
      ->capture_default_str();
}

Answer show(const Comparison& comparison, const Testnet& testnet) {
  Answer answer{to_json(comparison, testnet), table(comparison, testnet)};
  answer.lines.emplace_back();
  for (const std::string& line : verdict(comparison)) answer.lines.push_back(line);
  answer.code = comparison.good() ? EX_OK : 1;
  return answer;
}

Answer demo(const TestnetOptions& options) {
  catch_interrupts();
  std::optional<TemporaryFolder> temporary;
  if (options.directory.empty()) temporary.emplace();
  const fs::path folder = temporary ? temporary->path() : options.directory;
  std::ostream& out = options.as_json ? std::cerr : std::cout;
  const TestnetPlan& plan = options.plan;
  out << plan.nodes << " nodes with " << plan.images << " images each, in " << plan.groups
      << " hidden groups; no node is told which others are alike.\n"
      << std::endl;
  const Testnet testnet = create_testnet(folder, plan);
  Answer answer = show(run_demo(testnet, out), testnet);
  if (!temporary || options.keep) {
    if (temporary) temporary->keep();
    answer.lines.insert(answer.lines.end(),
                        {"", "The nodes' folders, with configurations, logs and state: " +
                                 folder.string()});
  }
  return answer;
}

Answer create(const TestnetOptions& options) {
  (void)create_testnet(options.directory, options.plan);
  const std::string folder = options.directory.string();
  return {{{"directory", folder}},
          {"Made a testnet in " + folder + "; start its nodes with: kith run --dir " + folder +
           "/lia/node-1"}};
}

Answer watch_nodes(const TestnetOptions& options) {
  catch_interrupts();
  std::ostream& out = options.as_json ? std::cerr : std::cout;
  watch(open_testnet(options.directory), options.strategy, out, [] {});
  return {};
}

Answer report(const TestnetOptions& options) {
  const Testnet testnet = open_testnet(options.directory);
  return show(compare(testnet, read_outcomes(testnet)), testnet);
}

}  // namespace

void add_testnet_verbs(CLI::App& app, Chosen& chosen) {
  const auto options = std::make_shared<TestnetOptions>();
  CLI::App* verb = app.add_subcommand(
      "demo", "show the whole thing on this machine: real nodes find out whom to learn with");
  add_plan(*verb, options->plan);
  verb->add_option("--dir", options->directory, "keep the nodes' folders here (must be new)");
  verb->add_flag("--keep", options->keep, "keep the nodes' folders, and say where");
  on_parsed(*verb, chosen, options, demo);

  CLI::App* const testnet = app.add_subcommand(
      "testnet", "run the demo in pieces, for nodes that run elsewhere (containers)");
  testnet->require_subcommand(1);
  const auto add = [&](const std::string& name, const std::string& help,
                       Answer (*run)(const TestnetOptions&)) {
    CLI::App* const step = testnet->add_subcommand(name, help);
    step->add_option("DIR", options->directory, "the testnet's folder")->required();
    on_parsed(*step, chosen, options, run);
    return step;
  };
  verb = add("create", "write data, keys, charters and configurations of all nodes", create);
  add_plan(*verb, options->plan);
  verb->add_option("--host-prefix", options->plan.host_prefix,
                   "node i is host PREFIXi; without it all are on 127.0.0.1");
  verb->add_option("--port", options->plan.port, "with --host-prefix")->capture_default_str();
  verb = add("watch", "show running nodes until they have finished", watch_nodes);
  verb->add_option("--strategy", options->strategy, "lia, fedavg or oracle")->capture_default_str();
  add("report", "print the table of what was watched", report);
}

}  // namespace kith::daemon
