#include "daemon/api/task_change.hpp"
#include "daemon/cli/own_module.hpp"
#include "daemon/cli/place.hpp"
#include "daemon/cli/verbs.hpp"
#include "daemon/config/draft_file.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "model/data/array.hpp"
#include "model/data/draft.hpp"
#include "model/data/merge.hpp"
#include "model/data/table.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <set>

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
  fs::path model, out;
  bool as_json = false;
};

/// Reads the files with what was drafted: whatever is wrong, the founder hears first.
std::uint64_t count_rows(const std::vector<fs::path>& files, const model::Task& task) {
  std::uint64_t rows = 0;
  for (const fs::path& file : files) rows += data::read_table(file, task.columns).rows;
  return rows;
}

data::Draft draft_of(const DraftOptions& options) {
  const auto& files = options.files;
  const auto all = [&](auto is) { return std::ranges::all_of(files, is); };
  if (all([](const fs::path& file) { return fs::is_directory(file); })) {
    return data::draft_pictures(files);
  }
  if (all(data::is_array_file)) return data::draft_arrays(files);
  if (options.target.empty() && all(data::holds_texts)) return data::draft_texts(files);
  return data::draft_table(files, options.target);
}

/// The words of a drafted task lie beside it.
fs::path vocabulary_beside(const fs::path& task) {
  return task.parent_path() / (task.stem().string() + "-words.txt");
}

void must_not_exist(const fs::path& file) {
  if (!fs::exists(file)) return;
  throw Failure(EX_CANTCREAT,
                file.string() + " exists already; move it away, or name another with --out");
}

/// What the founder should know of a model of one's own that is to learn the drafted task.
std::string model_note(const DraftOptions& options, const model::Task& task) {
  const std::string file = options.model.string();
  Config config;
  config.task = with_module(task, options.model);
  try {
    const ModuleReport report = inspect_module(config);
    return file + " fits: it gets " + sides_text(report.batch) + " at once and answers with " +
           std::to_string(report.outputs) + " numbers for each example; kith model check " + file +
           " --task FILE lists its tensors, for share and freeze";
  } catch (const Failure& failure) {
    return "the model does NOT fit yet: " + std::string(failure.what()) +
           ".  Correct it, or the task, and look: kith model check " + file + " --task FILE";
  }
}

/// The model's file as the task's own file names it: from its folder.
fs::path script_beside(const DraftOptions& options) {
  if (options.model.is_absolute()) return options.model;
  const fs::path folder =
      options.out.empty() ? fs::current_path() : fs::absolute(options.out).parent_path();
  return fs::absolute(options.model)
      .lexically_normal()
      .lexically_relative(folder.lexically_normal());
}

bool one_class(const data::Draft& draft) { return data::has_one_class(draft.task); }

/// Writes a task and its words where nothing is yet.
void write_draft(const fs::path& out, const std::string& text, const data::Draft& draft,
                 Answer& answer) {
  must_not_exist(out);
  if (draft.vocabulary) {
    const fs::path words = vocabulary_beside(out);
    must_not_exist(words);
    data::write_vocabulary(words, *draft.vocabulary);
    answer.value["vocabulary"] = words.string();
  }
  write_whole(out, as_byte_view(text));
}

std::string columns_text(const model::Task& task) {
  const auto used = std::ranges::count_if(
      task.columns, [](const model::Column& column) { return model::features(column) > 0; });
  return " from " + std::to_string(used) + " of " + std::to_string(task.columns.size()) +
         " columns";
}

Answer draft(const DraftOptions& options) {
  data::Draft draft;
  try {
    draft = draft_of(options);
    draft.task.name = options.name;
    if (!options.model.empty()) {
      draft.task.learning_rate =
          model::Task().learning_rate;  // what was chosen suits another model
      draft.task.model = "script";
      draft.task.sizes.clear();
      draft.task.script = script_beside(options);
    }
    if (draft.vocabulary && options.out.empty()) {
      throw Failure(EX_USAGE,
                    "the words of a text lie in a file beside the task; say where with --out");
    }
    if (draft.vocabulary) draft.task.vocabulary = vocabulary_beside(options.out).filename();
    const model::Task whole = one_class(draft) ? data::with_another_class(draft.task) : draft.task;
    if (const auto wrong = model::problem(whole)) throw Failure(EX_DATAERR, *wrong);
    if (!draft.task.columns.empty()) draft.examples = count_rows(options.files, draft.task);
  } catch (const data::DataError& error) {
    throw Failure(EX_DATAERR, error.what());
  }
  const bool table = !draft.task.columns.empty();
  std::vector<std::string> notes{
      "A task drafted from " + std::to_string(draft.examples) + (table ? " rows of " : " examples in ") +
      (options.files.size() == 1 ? "a file" : std::to_string(options.files.size()) + " files") +
      ".  Look at " + (table ? "each column" : "it") +
      ", correct it, and agree on this file with the other members: it is what all of them learn, and " +
      (table ? "ranges and values in it tell them of these rows." : "what is in it tells them of your data.")};
  notes.insert(notes.end(), draft.notes.begin(), draft.notes.end());
  const std::string fits =
      options.model.empty() || one_class(draft) ? "" : model_note(options, draft.task);
  if (!fits.empty()) notes.push_back(fits);
  const std::string text = draft_toml(draft.task, draft.reasons, notes);
  Answer answer;
  answer.value = {{"task", text}, {"rows", draft.examples}, {"target", draft.target}};
  if (options.out.empty()) {
    answer.lines = {text};
    return answer;
  }
  write_draft(options.out, text, draft, answer);
  answer.lines = {"Drafted " + options.out.string() + ": predicts " + draft.target +
                  (table ? columns_text(draft.task) : "") + "; " + std::to_string(draft.examples) +
                  (table ? " rows were read with it." : " examples were seen.")};
  if (one_class(draft)) {
    answer.lines.push_back(
        "Only one class was seen, so it is no task by itself: merge it with the drafts of members "
        "who have others, kith task merge " +
        options.out.string() + " ...");
  } else {
    answer.lines.push_back("Look at it, correct it, then: kith init --task " +
                           options.out.string() + " --train " + options.files.front().string() +
                           " ...");
    answer.lines.emplace_back(
        "Of several members, let each draft one, and make them one: kith task merge");
  }
  if (!fits.empty()) {
    answer.value["model"] = fits;
    answer.lines.push_back("The model: " + fits);
  }
  if (draft.vocabulary) {
    answer.lines.push_back("Its words are in " + vocabulary_beside(options.out).string() +
                           ": every member needs that file beside the task.");
  }
  return answer;
}

// ---- Merging ----

struct MergeOptions {
  std::vector<fs::path> files;
  std::string name;
  fs::path out;
  bool as_json = false;
};

/// What people call each file: by its name; where several have the same, with their folders.
std::vector<std::string> names_of(const std::vector<fs::path>& files) {
  const std::vector<std::function<std::string(const fs::path&)>> ways{
      [](const fs::path& file) { return file.filename().string(); },
      [](const fs::path& file) {
        return (file.parent_path().filename() / file.filename()).string();
      },
      [](const fs::path& file) { return file.string(); }};
  std::vector<std::string> names;
  for (const auto& way : ways) {
    names.clear();
    for (const fs::path& file : files) names.push_back(way(file));
    if (std::set(names.begin(), names.end()).size() == names.size()) break;
  }
  return names;
}

Answer merge(const MergeOptions& options) {
  const std::vector<std::string> names = names_of(options.files);
  if (std::set(names.begin(), names.end()).size() != names.size()) {
    throw Failure(EX_USAGE, "a draft is named twice; name each once");
  }
  std::vector<data::NamedTask> drafts;
  for (std::size_t i = 0; i < names.size(); ++i)
    drafts.push_back({names[i], load_draft(options.files[i])});
  data::Draft merged;
  try {
    merged = data::merge_drafts(std::move(drafts), options.name);
  } catch (const data::DataError& error) {
    throw Failure(EX_DATAERR, error.what());
  }
  if (merged.vocabulary && options.out.empty()) {
    throw Failure(EX_USAGE,
                  "the words of a text lie in a file beside the task; say where with --out");
  }
  if (merged.vocabulary) merged.task.vocabulary = vocabulary_beside(options.out).filename();
  if (const auto wrong = model::problem(merged.task)) {
    throw Failure(EX_DATAERR, "the drafts make no task together: " + *wrong);
  }
  if (!merged.task.script.empty()) {
    const fs::path folder =
        options.out.empty() ? fs::current_path() : fs::absolute(options.out).parent_path();
    merged.task.script = merged.task.script.lexically_relative(folder.lexically_normal());
  }
  std::vector<std::string> notes{
      "A task merged from " + std::to_string(names.size()) +
      " drafts.  Look at it, correct it, and agree on this file with the other members: it is what "
      "all of them "
      "learn, and what is in it tells them of the data it was drafted from."};
  notes.insert(notes.end(), merged.notes.begin(), merged.notes.end());
  const std::string text = draft_toml(merged.task, merged.reasons, notes);
  Answer answer;
  answer.value = {
      {"task", text}, {"drafts", names}, {"target", merged.target}, {"notes", merged.notes}};
  if (options.out.empty()) {
    answer.lines = {text};
    return answer;
  }
  write_draft(options.out, text, merged, answer);
  const std::string out = options.out.string();
  answer.lines = {"Merged " + std::to_string(names.size()) + " drafts into " + out + ": predicts " +
                  merged.target +
                  (merged.task.classes > 1 && !merged.task.columns.empty()
                       ? " (" + std::to_string(merged.task.classes) + " classes)"
                       : "") +
                  (merged.task.columns.empty() ? "" : columns_text(merged.task)) + "."};
  for (const std::string& note : merged.notes) answer.lines.push_back("note: " + note);
  answer.lines.push_back(
      "Look at it, correct it; then let each member see whether it suits: kith data check --task " +
      out + " --train FILES");
  if (merged.vocabulary) {
    answer.lines.push_back("Its words are in " + vocabulary_beside(options.out).string() +
                           ": every member needs that file beside the task.");
  }
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
      "draft", "write a task that suits your files, for you to correct and agree on with others");
  verb->add_option("FILES", drafted->files, "tables whose first line names the columns; folders of pictures; arrays; texts")->required();
  verb->add_option("--name", drafted->name, "what the task is called")->capture_default_str();
  verb->add_option("--target", drafted->target, "the column to predict; without it, a guess");
  verb->add_option("--model", drafted->model,
                   "a TorchScript module of your own that is to learn it");
  verb->add_option("--out", drafted->out, "write it to this file, not to the terminal");
  on_parsed(*verb, chosen, drafted, draft);
  const auto merged = std::make_shared<MergeOptions>();
  CLI::App* const join = task->add_subcommand(
      "merge",
      "make one task of the drafts of several members: all classes and values, the widest ranges");
  join->add_option("DRAFTS", merged->files,
                   "TOML files with the section [task], as kith task draft writes them")
      ->required();
  join->add_option("--name", merged->name,
                   "what the task is called; without it, as all drafts call it");
  join->add_option("--out", merged->out, "write it to this file, not to the terminal");
  on_parsed(*join, chosen, merged, merge);
}

}  // namespace kith::daemon
