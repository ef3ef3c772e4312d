#include "daemon/api/ask.hpp"
#include "daemon/api/control.hpp"
#include "daemon/cli/account_page.hpp"
#include "daemon/cli/place.hpp"
#include "daemon/cli/verbs.hpp"
#include "daemon/membership/keys.hpp"
#include "daemon/membership/membership.hpp"
#include "daemon/system/dates.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"

#include <memory>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t kPoints = 300;  // of the chart

struct ReportOptions {
  Place place;
  fs::path file;
  bool as_json = false;
};

AccountHead head_of(const Config& config) {
  const net::MembershipRecord record = load_record(config.consortium.charter);
  const auto& newest = record.chain.newest();
  const auto card = load_card(config.node.card);
  AccountHead head{config.node.name,          card ? to_string(card->node) : "",
                   newest.charter.consortium, config.task.name,
                   fingerprint(newest.id),    seconds_of(std::chrono::system_clock::now())};
  for (const net::Member& member : newest.charter.members)
    head.names[to_string(member.id)] = member.name;
  return head;
}

/// What needs somebody, as the node says if it runs.
std::optional<std::vector<Alarm>> alarms_now(const Config& config) {
  try {
    std::vector<Alarm> alarms;
    for (const json& alarm : ask_node(config, "GET", "/v1/status").at("alarms"))
      alarms.push_back(
          {alarm.at("name"), alarm.at("severity"), alarm.at("what"), alarm.at("help")});
    return alarms;
  } catch (const NoNodeRuns&) {
    return std::nullopt;
  }
}

Answer report(const ReportOptions& options) {
  const Config config = load_config(options.place.config());
  if (!options.file.empty() && fs::exists(options.file))
    throw Failure(EX_CANTCREAT, options.file.string() + " exists already; name another file");
  const AccountHead head = head_of(config);
  Account account = account_of(config.node.state, kPoints);
  account.alarms = alarms_now(config);
  Answer answer{to_json(account), account_lines(account, head)};
  answer.value["node"] = to_json(head);
  if (options.file.empty()) return answer;
  write_whole(options.file, as_byte_view(account_page(account, head)));
  answer.lines = {answer.lines.at(3),
                  "Wrote " + options.file.string() +
                      ", one page to read and to print.  It names members, and holds no "
                      "example, weight or key."};
  return answer;
}

}  // namespace

void add_report_verb(CLI::App& app, Chosen& chosen) {
  const auto options = std::make_shared<ReportOptions>();
  CLI::App* const verb = app.add_subcommand("report",
                                            "say for those who decide what the node gained, with "
                                            "whom, what it cost, and what left the building");
  verb->add_option("FILE", options->file,
                   "a page to write, as report.html; without it, lines are printed");
  options->place.add_to(*verb);
  on_parsed(*verb, chosen, options, report);
}

}  // namespace kith::daemon
