#include "daemon/cli/diagnosis_view.hpp"
#include "daemon/cli/own_data.hpp"
#include "daemon/cli/verbs.hpp"
#include "daemon/doctor/worker_check.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/system/temporary_folder.hpp"

#include <memory>

namespace kith::daemon {
namespace {

struct WorkerOptions {
  std::vector<std::string> command;
  std::filesystem::path task;
  std::vector<std::string> train, test;
  std::string model = "worker";
  std::vector<std::string> only;
  bool as_json = false;
};

Answer check_worker(const WorkerOptions& options) {
  const TemporaryFolder folder;
  Config config;
  if (options.task.empty() != options.train.empty()) {
    throw Failure(EX_USAGE, "give --task and --train together, or neither");
  }
  if (options.task.empty()) {
    config = doctor::made_up_node(folder.path(), options.model);
  } else {
    config.task = load_task(options.task);
    config.data.train = absolute(options.train);
    config.data.test = absolute(options.test);
  }
  if (const auto wrong = model::problem(config.task)) throw Failure(EX_CONFIG, "task." + *wrong);
  config.worker.command = doctor::program_of(options.command, folder.path());
  config.worker.device = "cpu";
  const Terminal terminal = Terminal::of_stdout();
  const auto tell = [&](const doctor::Diagnosis::Item& item) {
    if (options.as_json) return;
    for (const std::string& line : check_lines(item, terminal)) std::cout << line << std::endl;
  };
  const auto diagnosis = doctor::check_worker(config, folder.path(), options.only, tell);
  return {to_json(diagnosis), {"", diagnosis_sum(diagnosis)}, diagnosis.failed == 0 ? EX_OK : 1};
}

}  // namespace

void add_worker_verbs(CLI::App& app, Chosen& chosen) {
  CLI::App* const worker = app.add_subcommand("worker", "look at a worker of your own");
  worker->require_subcommand(1);
  const auto options = std::make_shared<WorkerOptions>();
  CLI::App* const verb = worker->add_subcommand(
      "check",
      "put a worker through the worker protocol, and say of each check what the document says and "
      "whether the worker does it");
  verb->add_option(
          "COMMAND", options->command,
          "the worker, and what it is told before --fd N; with -- before it if a word begins "
          "with a dash")
      ->required();
  verb->add_option("--task", options->task,
                   "what it is to learn, a TOML file with the section [task]; without it, a small "
                   "table that is made up");
  verb->add_option("--train", options->train, "examples to learn from, with --task");
  verb->add_option("--test", options->test,
                   "examples to report on; without them, those of --train");
  verb->add_option("--model", options->model,
                   "task.model of the task that is made up: mlp for kith-worker")
      ->capture_default_str();
  verb->add_option("--only", options->only, "do this check alone, by its name; may be repeated")
      ->allow_extra_args(false);
  on_parsed(*verb, chosen, options, check_worker);
}

}  // namespace kith::daemon
