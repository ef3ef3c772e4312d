#include "daemon/api/task_change.hpp"

#include "daemon/membership/membership.hpp"
#include "daemon/state/audit_log.hpp"
#include "daemon/state/history.hpp"
#include "daemon/state/store.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Differences = std::vector<model::TaskDifference>;

/// How what was learnt here differs from `task`; nullopt if that is not known.
std::optional<Differences> learnt_otherwise(const Store& store, const model::Task& task) {
  const auto manifest = store.text("manifest");
  if (!manifest) return std::nullopt;
  Differences found = model::differences(*manifest, model::canonical_text(task));
  std::erase_if(found, [](const auto& each) { return each.field == "initial_model"; });
  return found;
}

/// Puts aside what was learnt; where.
fs::path put_aside(const fs::path& state, Store& store) {
  const std::string task = store.text("task").value_or("unknown").substr(0, 8);
  const fs::path aside = state / ("task-" + task);
  on_disk("write", [&] { fs::create_directories(aside); });
  const std::string rounds = json(store.rounds(SIZE_MAX)).dump(1) + "\n";
  write_whole(aside / "rounds.json", as_byte_view(rounds));
  on_disk("move", [&] {
    const fs::path from = state / kCheckpoint;
    if (fs::exists(from)) fs::rename(from, aside / kCheckpoint);
    fs::remove_all(state / kHistory);
  });
  store.forget_task();
  return aside;
}

}  // namespace

std::string fingerprint_of(const model::Task& task) {
  return fingerprint(crypto::hash(as_byte_view("kith task\n" + model::canonical_text(task))));
}

json differences_json(const Differences& differences) {
  json fields = json::array();
  for (const auto& [field, ours, theirs] : differences) {
    fields.push_back({{"field", field}, {"before", ours}, {"after", theirs}});
  }
  return fields;
}

Differences TaskChange::differences() const {
  return model::differences(canonical_text(before.task), canonical_text(after.task));
}

TaskChange change_task(const fs::path& file, const std::optional<model::Task>& task) {
  TaskChange change{.text = {}, .before = load_config(file), .after = {}};
  change.text = read_text(file, kSettingsFile);
  if (task) change.text = replace_task(change.text, file, *task);
  change.after = parse_config(change.text, file);
  return change;
}

AcceptedTask accept_task(const fs::path& file, const std::optional<model::Task>& task) {
  const TaskChange change = change_task(file, task);
  const Config& config = change.after;
  const fs::path& state = config.node.state;
  Store store(state);  // nobody runs this node meanwhile
  AcceptedTask accepted{.fingerprint = fingerprint_of(config.task), .differs = change.differences()};
  const auto otherwise = learnt_otherwise(store, config.task);
  accepted.begins_anew = store.text("task") && !otherwise.value_or(accepted.differs).empty();
  if (accepted.differs.empty() && !accepted.begins_anew) return accepted;
  AuditLog(state / kAuditLog)
      .append("task_accepted",
              {{"fingerprint", accepted.fingerprint}, {"differs", differences_json(accepted.differs)}},
              Sync::yes);
  if (!accepted.differs.empty()) write_whole(file, as_byte_view(change.text));
  if (accepted.begins_anew) accepted.aside = put_aside(state, store);
  return accepted;
}

}  // namespace kith::daemon
