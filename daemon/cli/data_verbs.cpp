#include "daemon/cli/data_page.hpp"
#include "daemon/cli/own_data.hpp"
#include "daemon/cli/place.hpp"
#include "daemon/cli/verbs.hpp"
#include "daemon/system/console.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/system/report.hpp"
#include "model/data/check.hpp"

#include <memory>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;

struct DataOptions {
  Place place;
  fs::path task;
  std::vector<std::string> train, validation, test;
  fs::path page;
  bool as_json = false;
};

/// The node's, or what the command line names in its place.
Config config_of(const DataOptions& options) {
  Config config;
  if (options.task.empty() || options.train.empty()) config = load_config(options.place.config());
  if (!options.task.empty()) config.task = load_task(options.task);
  if (!options.train.empty()) {
    config.data = {};
    config.data.train = absolute(options.train);
    config.data.validation_files = absolute(options.validation);
    config.data.test = absolute(options.test);
  }
  return config;
}

std::vector<std::string> class_lines(const data::CheckReport& report) {
  if (report.classes.empty()) return {};
  using enum Table::Align;
  Table table({left, right, right, right});
  table.add({"class", "training", "validation", "test"});
  for (const auto& one : report.classes) {
    table.add({one.name, std::to_string(one.train), std::to_string(one.validation),
               std::to_string(one.test)});
  }
  return table.lines();
}

std::vector<std::string> column_lines(const data::CheckReport& report) {
  if (report.columns.empty()) return {};
  using enum Table::Align;
  Table table({left, left, right, right, right, right});
  table.add({"column", "kind", "missing", "below", "above", "unknown"});
  for (const auto& column : report.columns) {
    table.add({column.name, column.kind, std::to_string(column.missing),
               std::to_string(column.below), std::to_string(column.above),
               std::to_string(column.unknown)});
  }
  return table.lines();
}

Answer check(const DataOptions& options) {
  const Config config = config_of(options);
  std::cerr << "reading ..." << std::endl;
  const data::Dataset dataset = read_own_data(config);
  std::cerr << "looking at the examples and their neighbours ..." << std::endl;
  const data::CheckReport report = data::check(dataset, config.task, config.data.split);
  Answer answer;
  answer.value = to_json(report);
  answer.code = report.fine() ? EX_OK : 1;
  const auto say = [&](const std::vector<std::string>& lines) {
    if (lines.empty()) return;
    answer.lines.insert(answer.lines.end(), lines.begin(), lines.end());
    answer.lines.emplace_back();
  };
  say({counts_line(report)});
  say(class_lines(report));
  say(column_lines(report));
  for (const std::string& note : report.notes) answer.lines.push_back("note: " + note);
  for (const std::string& sentence : report.to_mend) answer.lines.push_back("MEND: " + sentence);
  answer.lines.push_back(report.fine() ? "fine" : "not fine: see what to mend");
  if (!options.page.empty()) {
    write_whole(options.page, as_byte_view(data_page(report, dataset, config.task)));
    answer.lines.push_back("To look at, in a browser: " + options.page.string());
  }
  return answer;
}

}  // namespace

void add_data_verbs(CLI::App& app, Chosen& chosen) {
  CLI::App* const data = app.add_subcommand("data", "look at a node's own data before it learns");
  data->require_subcommand(1);
  const auto options = std::make_shared<DataOptions>();
  CLI::App* const verb = data->add_subcommand(
      "check", "read all examples, count what is in them, and say what would make numbers wrong");
  options->place.add_to(*verb);
  verb->add_option("--task", options->task, "a TOML file with the section [task], not the node's");
  verb->add_option("--train", options->train, "files to learn from, not the node's");
  verb->add_option("--validation", options->validation, "files to judge models with");
  verb->add_option("--test", options->test, "held-out files");
  verb->add_option("--html", options->page, "write a page to look at to this file");
  on_parsed(*verb, chosen, options, check);
}

}  // namespace kith::daemon
