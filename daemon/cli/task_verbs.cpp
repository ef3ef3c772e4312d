#include "daemon/api/task_change.hpp"
#include "daemon/cli/place.hpp"
#include "daemon/cli/verbs.hpp"
#include "daemon/system/disk.hpp"

#include <memory>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;
using Differences = std::vector<model::TaskDifference>;

struct TaskOptions {
  Place place;
  fs::path file, out;
  bool as_json = false;
};

/// The task in the file that the operator names, if he names one.
std::optional<model::Task> task_in_file(const TaskOptions& options) {
  if (options.file.empty()) return std::nullopt;
  return load_task(options.file);
}

void say(Answer& answer, const Differences& differences) {
  for (const auto& [field, ours, theirs] : differences) {
    answer.lines.push_back("  " + field + "  " + (ours.empty() ? "(none)" : ours) + " -> " +
                           (theirs.empty() ? "(none)" : theirs));
  }
}

Answer show(const TaskOptions& options) {
  const Config config = load_config(options.place.config());
  const std::string text = task_toml(config.task), name = fingerprint_of(config.task);
  Answer answer{{{"name", config.task.name}, {"fingerprint", name}, {"toml", text}}, {}};
  if (options.out.empty()) {
    answer.lines = {text.substr(0, text.size() - 1), "# " + name};
    return answer;
  }
  write_whole(options.out, as_byte_view(text));
  answer.value["file"] = options.out.string();
  answer.lines = {
      "Wrote " + options.out.string() + ".  Its fingerprint, to compare:", "  " + name,
      "Each node's operator takes it with kith task accept " + options.out.filename().string()};
  return answer;
}

Answer show_difference(const TaskOptions& options) {
  const TaskChange found = change_task(options.place.config(), task_in_file(options));
  const Differences differences = found.differences();
  Answer answer{
      {{"fingerprint", fingerprint_of(found.after.task)}, {"differs", differences_json(differences)}},
      {options.file.string() + "  " + fingerprint_of(found.after.task)}};
  if (differences.empty()) answer.lines.emplace_back("It is the task of this node.");
  say(answer, differences);
  return answer;
}

Answer accept(const TaskOptions& options) {
  const fs::path config = options.place.config();
  const AcceptedTask done = accept_task(config, task_in_file(options));
  Answer answer{{{"fingerprint", done.fingerprint},
                 {"differs", differences_json(done.differs)},
                 {"begins_anew", done.begins_anew},
                 {"config", config.string()}},
                {}};
  if (done.differs.empty() && !done.begins_anew) {
    answer.lines = {"It is the task of this node already: " + done.fingerprint};
    return answer;
  }
  answer.lines = {"Accepted: " + done.fingerprint};
  say(answer, done.differs);
  if (done.aside) {
    answer.value["aside"] = done.aside->string();
    answer.lines.push_back("What was learnt until now lies in " + done.aside->string() +
                           "; the node begins anew.");
  }
  answer.lines.push_back("Start it: kith run --config " + config.string());
  return answer;
}

}  // namespace

void add_task_verbs(CLI::App& app, Chosen& chosen) {
  CLI::App* const task =
      app.add_subcommand("task", "show and change what is learnt: a file that all members agree on");
  task->require_subcommand(1);
  const auto options = std::make_shared<TaskOptions>();
  const auto add = [&](const std::string& name, const std::string& help,
                       Answer (*run)(const TaskOptions&)) {
    CLI::App* const verb = task->add_subcommand(name, help);
    options->place.add_to(*verb);
    on_parsed(*verb, chosen, options, run);
    return verb;
  };
  add("show", "show this node's task as a file for the others, and its fingerprint", show)
      ->add_option("--out", options->out, "write it to this file");
  add("diff", "list the fields in which the task in a file differs from this node's", show_difference)
      ->add_option("FILE", options->file, "a TOML file with the section [task]")
      ->required();
  add("accept",
      "learn what is in a file: change [task] in the configuration, and begin anew; the node must "
      "not run",
      accept)
      ->add_option("FILE", options->file,
                   "a TOML file with the section [task]; without it, what the configuration says");
}

}  // namespace kith::daemon
