#include "daemon/api/approve.hpp"
#include "daemon/api/ask.hpp"
#include "daemon/cli/charter_views.hpp"
#include "daemon/cli/place.hpp"
#include "daemon/cli/qr_code.hpp"
#include "daemon/cli/verbs.hpp"
#include "daemon/membership/keys.hpp"
#include "daemon/system/console.hpp"
#include "daemon/system/dates.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"

#include <memory>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// --- invite ------------------------------------------------------------------------------------

struct InviteOptions {
  Place place;
  std::string label, address;
  fs::path out;
  unsigned days = 7;
  bool qr = false, as_json = false;
};

Answer invite(const InviteOptions& options) {
  const Config config = load_config(options.place.config());
  Answer answer;
  answer.value = ask_membership(config, "POST", "/v1/invitations",
                     {{"for", options.label}, {"days", options.days}, {"address", options.address}});
  const std::string line = answer.value.at("invite");
  if (!options.out.empty()) {
    write_whole(options.out, as_byte_view(line + "\n"));
    answer.value["file"] = options.out.string();
    answer.lines = {"Wrote " + options.out.string() + "."};
  } else {
    answer.lines = {line};
  }
  if (options.qr) {
    const auto code = qr_code(line);
    if (!code) throw Failure(EX_USAGE, "the invitation is too long for a QR code; leave out --qr");
    answer.lines.insert(answer.lines.end(), code->begin(), code->end());
  }
  const std::string how = options.out.empty() ? "-" : options.out.filename().string();
  answer.lines.insert(
      answer.lines.end(),
      {"",
       "Give it, in secret, to the one it is for: it works once, until " +
           date(answer.value.at("expires")) + ". There:",
       "  kith join " + how + " --dir NODE --name NAME --address HOST:PORT --train FILES",
       "Then here, while this node runs: kith pending, and kith approve NAME."});
  for (const json& other : answer.value.at("others_of_that_name")) {
    answer.lines.push_back("There is one for " + options.label + " already; kith deny " +
                           other.get<std::string>() + " withdraws that.");
  }
  return answer;
}

// --- pending -----------------------------------------------------------------------------------

struct PendingOptions {
  Place place;
  bool as_json = false;
};

Answer pending(const PendingOptions& options) {
  Answer answer;
  answer.value = ask_membership(load_config(options.place.config()), "GET", "/v1/invitations");
  using enum Table::Align;
  Table table({left, left, left, left, left, left, left});
  table.add({"", "number", "name", "for", "id", "address", "until"});
  const auto text = [](const json& value) {
    return value.is_string() ? value.get<std::string>() : std::string();
  };
  bool applied = false;
  for (const json& one : answer.value) {
    const json& addresses = one.at("addresses");
    applied = applied || one.at("state") == "applied";
    table.add({one.at("state"), one.at("number"), text(one.at("name")), one.at("for"),
               text(one.at("id")), addresses.empty() ? "" : text(addresses.front()),
               date(one.at("expires"))});
  }
  answer.lines = table.lines();
  if (answer.value.empty()) answer.lines = {"Nobody is invited; kith invite does that."};
  if (applied) {
    answer.lines.insert(answer.lines.end(),
                        {"",
                         "Compare the id of who has applied, on the telephone; then kith "
                         "approve NAME, or kith deny NAME."});
  }
  return answer;
}

// --- approve -----------------------------------------------------------------------------------

struct ApproveOptions {
  MembershipPlace place;
  std::string who, id;
  bool as_json = false;
};

Answer approve_applicant(const ApproveOptions& options) {
  const fs::path key = options.place.key();
  if (!options.place.key_file.empty() && !fs::exists(key)) (void)load_node_key(key);  // says so
  const Approved done = approve(load_config(options.place.config()),
                                {.who = options.who, .id = options.id, .key = key});
  Answer answer{{{"name", done.card.name},
                 {"id", to_string(done.card.node)},
                 {"admitted", done.admitted()},
                 {"signatures", done.signatures}},
                {}};
  if (done.proposal) {
    const std::string file = done.proposal->string();
    answer.value["proposal"] = file;
    answer.lines = {"Proposed in " + file + (done.signed_here ? ", and signed." : "."),
                    tally_text(done.signatures),
                    "Pass it round (kith charter sign " + file + "); then: kith charter merge " +
                        file};
  } else {
    answer.value["number"] = done.number;
    answer.value["fingerprint"] = done.fingerprint;
    answer.lines = {done.card.name + "  " + to_string(done.card.node),
                    "is a member from version " + std::to_string(done.number) +
                        " of the charter on, and will be told as soon as it asks again."};
  }
  for (const auto& [name, address] : done.shared) {
    answer.lines.push_back("Mind that " + name + " has the address " + address +
                           " as well: one of the two is wrong.");
  }
  return answer;
}

}  // namespace

void add_invite_verbs(CLI::App& app, Chosen& chosen) {
  const auto inviting = std::make_shared<InviteOptions>();
  CLI::App* verb =
      app.add_subcommand("invite", "make one line that lets somebody apply to the consortium");
  inviting->place.add_to(*verb);
  verb->add_option("--for", inviting->label, "whom it is for, to know it again");
  verb->add_option("--days", inviting->days, "how long it works")
      ->check(CLI::Range(1U, 90U))
      ->capture_default_str();
  verb->add_option("--address", inviting->address,
                   "host:port at which this node is reached, if not its card's");
  verb->add_option("--out", inviting->out, "write it to this file");
  verb->add_flag("--qr", inviting->qr, "show it as a QR code, too");
  on_parsed(*verb, chosen, inviting, invite);

  const auto waiting = std::make_shared<PendingOptions>();
  verb = app.add_subcommand("pending", "list who is invited, and who has applied");
  waiting->place.add_to(*verb);
  on_parsed(*verb, chosen, waiting, pending);

  const auto approving = std::make_shared<ApproveOptions>();
  verb = app.add_subcommand("approve", "admit who has applied: a new version of the charter");
  verb->add_option("NAME", approving->who, "its name, or its node id or the beginning of it")
      ->required();
  verb->add_option("--id", approving->id,
                   "its id as you heard it on the telephone: it is approved only if that is right");
  approving->place.add_to(*verb);
  approving->place.add_key_to(*verb);
  on_parsed(*verb, chosen, approving, approve_applicant);
}

}  // namespace kith::daemon
