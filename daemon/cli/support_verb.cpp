#include "daemon/cli/charter_views.hpp"
#include "daemon/cli/limit_views.hpp"
#include "daemon/cli/own_data.hpp"
#include "daemon/cli/place.hpp"
#include "daemon/cli/verbs.hpp"
#include "daemon/doctor/support_bundle.hpp"
#include "daemon/system/console.hpp"
#include "daemon/system/dates.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"

#include <fstream>
#include <memory>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;

struct SupportOptions {
  Place place;
  fs::path file, log;
  bool as_json = false;
};

Answer pack(const SupportOptions& options) {
  doctor::Examined node = doctor::examine(options.place.config());
  node.look_at_data = check_own_data;
  const std::uint64_t now = seconds_of(node.now);
  const fs::path file =
      options.file.empty() ? fs::path("kith-support-" + date(now) + ".tar.gz") : options.file;
  if (fs::exists(file))
    throw Failure(EX_CANTCREAT, file.string() + " exists already; name another file");
  std::ifstream opened;
  std::istream* log = nullptr;
  if (options.log == "-") log = &std::cin;
  if (log == nullptr && !options.log.empty()) {
    opened.open(options.log);
    if (!opened)
      throw Failure(EX_NOINPUT, "cannot read " + options.log.string() +
                                    "; name the file that holds the node's log");
    log = &opened;
  }
  std::vector<doctor::Packed> more{{"limits.json", limits_json(node.config.limits).dump(2) + "\n"}};
  if (node.charter) more.push_back({"charter.json", record_json(*node.charter).dump(2) + "\n"});
  const auto files = doctor::support_bundle(node, log, std::move(more));
  write_whole(file, as_byte_view(doctor::gzip(doctor::tar(files, now))));
  Answer answer{{{"file", file.string()}, {"contents", nlohmann::json::array()}},
                {"Wrote " + file.string() + ":", ""}};
  for (const auto& each : files) {
    answer.value["contents"].push_back(each.name);
    answer.lines.push_back("  " + each.name + "  " + human_bytes(each.text.size()));
  }
  answer.lines.insert(answer.lines.end(),
                      {"",
                       "No key, token, example or weight is in it; names, addresses and paths are. "
                       "Look at it before you send it."});
  if (log == nullptr)
    answer.lines.emplace_back(
        "With --log FILE the node's log goes in, too: journalctl -u kith -o cat | kith "
        "support-bundle --log -");
  return answer;
}

}  // namespace

void add_support_verb(CLI::App& app, Chosen& chosen) {
  const auto options = std::make_shared<SupportOptions>();
  CLI::App* const verb = app.add_subcommand(
      "support-bundle",
      "pack what somebody who helps needs to know of a node, and no secret, into a file");
  verb->add_option("FILE", options->file,
                   "the file, as node.tar.gz; without it, one with the date in its name");
  options->place.add_to(*verb);
  verb->add_option("--log", options->log,
                   "the node's log, of which the last lines go in; - is the standard input");
  on_parsed(*verb, chosen, options, pack);
}

}  // namespace kith::daemon
