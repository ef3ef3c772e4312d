#include "daemon/cli/own_module.hpp"
#include "daemon/cli/place.hpp"
#include "daemon/cli/verbs.hpp"

#include <memory>

namespace kith::daemon {
namespace {

struct ModelOptions {
  Place place;
  std::filesystem::path file, task;
  bool as_json = false;
};

Answer check_model(const ModelOptions& options) {
  Config config;
  if (options.task.empty()) {
    config = load_config(options.place.config());
  } else {
    config.task = load_task(options.task);
  }
  config.task = with_module(config.task, options.file);
  const ModuleReport report = inspect_module(config);
  Answer answer{to_json(report),
                {options.file.string() + " can be the model of the task " + config.task.name, ""}};
  for (const std::string& line : module_lines(report, config.task)) answer.lines.push_back(line);
  return answer;
}

}  // namespace

void add_model_verbs(CLI::App& app, Chosen& chosen) {
  CLI::App* const model = app.add_subcommand("model", "look at a model of your own");
  model->require_subcommand(1);
  const auto options = std::make_shared<ModelOptions>();
  CLI::App* const verb = model->add_subcommand("check",
                                               "load a TorchScript module as the worker does, try "
                                               "it on made-up examples, and say what travels "
                                               "of it and what it costs; or why it cannot be used");
  verb->add_option("FILE", options->file, "as torch.jit.save() writes it")->required();
  verb->add_option("--task", options->task,
                   "the task that it is for, a TOML file with the section [task]; without it, this "
                   "node's");
  options->place.add_to(*verb);
  on_parsed(*verb, chosen, options, check_model);
}

}  // namespace kith::daemon
