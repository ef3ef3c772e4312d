#include "daemon/cli/place.hpp"
#include "daemon/cli/verbs.hpp"
#include "daemon/cli/views.hpp"
#include "daemon/state/audit_log.hpp"
#include "daemon/system/failure.hpp"

#include <memory>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct LogOptions {
  Place place;
  fs::path named;
  std::size_t entries = 50;
  bool as_json = false;

  [[nodiscard]] fs::path file() const {
    return named.empty() ? load_config(place.config()).node.state / kAuditLog : named;
  }
};

Answer show(const LogOptions& options) {
  const auto newest = read_audit_log(options.file(), options.entries);
  return {json(newest), audit_lines(newest)};
}

Answer verify(const LogOptions& options) {
  const fs::path file = options.file();
  const auto checked = verify_audit_log(file);
  if (const auto* fault = std::get_if<AuditFault>(&checked)) {
    throw Failure(EX_DATAERR,
                  fault->file.string() + ":" + std::to_string(fault->line) + ": " + fault->what);
  }
  const auto& [count, first, before, last, from, to] = std::get<AuditSummary>(checked);
  const std::string newest = std::to_string(count);
  Answer answer{{{"entries", count},
                 {"first", first},
                 {"before", crypto::to_hex(before)},
                 {"last", crypto::to_hex(last)},
                 {"from", from},
                 {"to", to}},
                {}};
  if (first == 1) {
    answer.lines = {"All " + newest + " entries are whole, from " + from + " to " + to + "."};
  } else {
    answer.lines = {"Entries " + std::to_string(first) + " to " + newest + " are whole, from " + from +
                        " to " + to + ".  Those before were moved away; the last of them is",
                    "  " + crypto::to_hex(before)};
  }
  answer.lines.insert(answer.lines.end(),
                      {"Who notes this elsewhere can prove them later: entry " + newest + " is",
                       "  " + crypto::to_hex(last)});
  return answer;
}

}  // namespace

void add_log_verbs(CLI::App& app, Chosen& chosen) {
  CLI::App* const log = app.add_subcommand(
      "log", "show the audit log: what came in, was averaged, left the building");
  log->require_subcommand(1);
  const auto options = std::make_shared<LogOptions>();
  const auto add = [&](const std::string& name, const std::string& help,
                       Answer (*run)(const LogOptions&)) {
    CLI::App* const verb = log->add_subcommand(name, help);
    verb->add_option("FILE", options->named, "another one than this node's");
    options->place.add_to(*verb);
    on_parsed(*verb, chosen, options, run);
    return verb;
  };
  add("show", "show the newest entries", show)
      ->add_option("--last", options->entries, "how many")
      ->capture_default_str();
  add("verify", "check that every entry still follows the one before it", verify);
}

}  // namespace kith::daemon
