#include "daemon/api/task_change.hpp"
#include "daemon/cli/place.hpp"
#include "daemon/cli/verbs.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "model/data/draft.hpp"
#include "model/data/table.hpp"

#include <algorithm>
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

struct DraftOptions {
  std::vector<fs::path> files;
  std::string name = "my-task", target;
  fs::path out;
  bool as_json = false;
};

/// Reads the files with what was drafted: whatever is wrong, the founder hears first.
std::uint64_t count_rows(const std::vector<fs::path>& files, const model::Task& task) {
  std::uint64_t rows = 0;
  for (const fs::path& file : files) rows += data::read_table(file, task.columns).rows;
  return rows;
}

Answer draft(const DraftOptions& options) {
  data::Draft draft;
  std::uint64_t rows = 0;
  try {
    draft = data::draft_table(options.files, options.target);
    draft.task.name = options.name;
    draft.task.sizes = {64};
    if (const auto wrong = model::problem(draft.task)) throw Failure(EX_DATAERR, *wrong);
    rows = count_rows(options.files, draft.task);
  } catch (const data::DataError& error) {
    throw Failure(EX_DATAERR, error.what());
  }
  std::vector<std::string> notes{
      "A task drafted from " + std::to_string(rows) + " rows of " +
      (options.files.size() == 1 ? "a file" : std::to_string(options.files.size()) + " files") +
      ".  Look at each column, correct it, and agree on this file with the other members: it is "
      "what all of them learn, and ranges and values in it tell them of these rows."};
  notes.insert(notes.end(), draft.notes.begin(), draft.notes.end());
  const std::string text = draft_toml(draft.task, draft.reasons, notes);
  Answer answer;
  const model::Column* const target = model::target_of(draft.task.columns);
  answer.value = {{"task", text}, {"rows", rows}, {"target", target->name}};
  if (options.out.empty()) {
    answer.lines = {text};
    return answer;
  }
  if (fs::exists(options.out)) {
    throw Failure(EX_CANTCREAT, options.out.string() +
                                    " exists already; move it away, or name another with --out");
  }
  write_whole(options.out, as_byte_view(text));
  const auto used = std::ranges::count_if(draft.task.columns, [](const model::Column& column) {
    return model::features(column) > 0;
  });
  answer.lines = {"Drafted " + options.out.string() + ": predicts " + target->name + " from " +
                      std::to_string(used) + " of " + std::to_string(draft.task.columns.size()) +
                      " columns; " + std::to_string(rows) + " rows were read with it.",
                  "Look at it, correct it, then: kith init --task " + options.out.string() +
                      " --train " + options.files.front().string() + " ..."};
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
  const auto drafted = std::make_shared<DraftOptions>();
  CLI::App* const verb = task->add_subcommand(
      "draft", "write a task that suits your tables, for you to correct and agree on with others");
  verb->add_option("FILES", drafted->files, "tables whose first line names the columns")->required();
  verb->add_option("--name", drafted->name, "what the task is called")->capture_default_str();
  verb->add_option("--target", drafted->target, "the column to predict; without it, a guess");
  verb->add_option("--out", drafted->out, "write it to this file, not to the terminal");
  on_parsed(*verb, chosen, drafted, draft);
}

}  // namespace kith::daemon
