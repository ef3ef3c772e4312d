#include "daemon/backup/backup.hpp"
#include "daemon/cli/place.hpp"
#include "daemon/cli/verbs.hpp"
#include "daemon/membership/keys.hpp"
#include "daemon/system/console.hpp"
#include "daemon/system/dates.hpp"
#include "daemon/system/failure.hpp"

#include <boost/algorithm/string/join.hpp>

#include <algorithm>
#include <memory>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;

struct BackupOptions {
  Place place;
  fs::path file;
  bool with_keys = false, as_json = false;
};

/// "12 files, 34.0 MiB"
std::string size_of(const BackupReport& report) {
  std::uint64_t size = 0;
  for (const auto& entry : report.entries) size += entry.size;
  return std::to_string(report.entries.size()) + " files, " + human_bytes(size);
}

std::string as_of(const BackupReport& report) {
  return report.name + (report.round ? " after round " + std::to_string(*report.round) : "");
}

Answer make_backup(const BackupOptions& options) {
  const fs::path config_file = options.place.config();
  const Config config = load_config(config_file);
  const BackupReport report = back_up(config_file, config, options.file,
                                      options.with_keys ? new_passphrase : NewPassphrase());
  Answer answer{
      to_json(report),
      {"Wrote " + options.file.string() + ": " + as_of(report) + ", " + size_of(report) + "."}};
  answer.lines.push_back(
      report.keys.empty()
          ? "Its keys are not in it: keep node.key, node.key.signed and channel.key elsewhere, or "
            "add "
            "them sealed with a passphrase (--with-keys)."
          : boost::algorithm::join(report.keys, " and ") +
                " are in it, sealed: without their passphrase nobody can use them, nor can you.");
  answer.lines.emplace_back(
      "No example is in it: the files that data.train and its like name are yours to keep.");
  return answer;
}

bool holds(const BackupReport& report, const std::string& name) {
  return std::ranges::any_of(
      report.entries, [&](const auto& entry) { return fs::path(entry.name).filename() == name; });
}

Answer restore_backup(const BackupOptions& options) {
  const BackupReport report = restore(options.file, options.place.directory);
  const std::string folder = options.place.directory.string();
  Answer answer{to_json(report),
                {"Restored " + as_of(report) + " as of " + date(report.made) + " into " + folder +
                 ": " + size_of(report) + "."}};
  const auto say = [&](const std::string& line) { answer.lines.push_back(line); };
  answer.value["folder"] = folder;
  for (const std::string& each : report.elsewhere)
    say("The configuration has this elsewhere; move it there: " + each);
  if (report.keys.empty()) {
    say("No key is in it: put node.key, node.key.signed and channel.key there before the start.");
  } else {
    say("Its keys are sealed: KITH_PASSPHRASE_FILE names the file with the passphrase, and kith "
        "key open "
        "takes it away.");
  }
  say("The node that it was made of must not run any more: two that run at once publish different "
      "models "
      "under one number, and are convicted. This one begins a new log at its start, so it uses no "
      "number "
      "twice.");
  if (holds(report, "node.key.signed"))
    say("If its node key has signed a version of the charter since, get the newest charter (kith "
        "charter "
        "merge) before you sign another.");
  if (holds(report, "privacy.ledger"))
    say("Its privacy ledger does not know what was spent since: lower privacy.epsilon by what the "
        "rounds "
        "after the backup spent.");
  say("kith doctor --dir " + folder + " says what is missing.");
  return answer;
}

}  // namespace

void add_backup_verbs(CLI::App& app, Chosen& chosen) {
  const auto backup = std::make_shared<BackupOptions>();
  CLI::App* verb = app.add_subcommand(
      "backup",
      "put a node into one file, while it runs or not, without its keys or with them sealed");
  verb->add_option("FILE", backup->file, "the file to write, as node.zip")->required();
  backup->place.add_to(*verb);
  verb->add_flag("--with-keys", backup->with_keys,
                 "put its keys in, sealed with a passphrase: the first line of the file that "
                 "KITH_PASSPHRASE_FILE names, or asked for");
  on_parsed(*verb, chosen, backup, make_backup);

  const auto from = std::make_shared<BackupOptions>();
  verb = app.add_subcommand("restore", "make a node's folder out of a backup; overwrites nothing");
  verb->add_option("FILE", from->file, "the backup")->required();
  verb->add_option("--dir,-d", from->place.directory, "the new folder")->required();
  on_parsed(*verb, chosen, from, restore_backup);
}

}  // namespace kith::daemon
