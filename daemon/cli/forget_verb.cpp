#include "daemon/state/audit_log.hpp"
#include "daemon/config/config.hpp"
#include "daemon/state/departures.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/state/history.hpp"
#include "daemon/membership/keys.hpp"
#include "daemon/membership/membership.hpp"
#include "daemon/membership/named.hpp"
#include "daemon/cli/place.hpp"
#include "daemon/cli/verbs.hpp"
#include "daemon/state/store.hpp"

#include <boost/algorithm/string/join.hpp>

#include <algorithm>
#include <map>
#include <memory>
#include <set>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct ForgetOptions {
  Place place;
  std::string who;
  std::uint64_t from = 1;
  bool deny = false, as_json = false;
};

/// Names, by id, of whom the charter names, in all its versions.
std::map<std::string, std::string> ever_members(const net::CharterChain& chain) {
  std::map<std::string, std::string> names;
  for (const auto& version : chain.versions()) {
    for (const net::Member& member : version.charter.members) {
      names[to_string(member.id)] = member.name;
    }
  }
  return names;
}

/// Names by id: of everybody who is or was a member, as far as is known here.
std::map<std::string, std::string> known_nodes(const net::CharterChain& chain,
                                               const std::vector<json>& rounds) {
  auto names = ever_members(chain);  // come before those of the reports
  for (const json& round : rounds) {
    for (const json& member : round.at("members"))
      names.emplace(member.at("id"), member.at("name"));
  }
  return names;
}

/// The id of the one called `who`, or whose id begins so.  Throws Failure(EX_USAGE).
std::string find_node(const std::map<std::string, std::string>& names, const std::string& who) {
  std::vector<Named> named;
  for (const auto& [id, name] : names) named.push_back({name, id});
  const auto found = meant_by(who, named);
  if (found.size() == 1) return named[found.front()].id;
  const std::string quoted = "\"" + who + "\"";
  throw Failure(EX_USAGE,
                found.empty()
                    ? "nobody here was ever called " + quoted + "; there are: " + names_of(named)
                    : quoted + " is more than one; give the beginning of its id");
}

/// Whose models were averaged with in these rounds, beside `id`: they may have had its in them.
std::set<std::string> others(const std::string& id, std::uint64_t last,
                             const std::vector<json>& rounds) {
  std::set<std::string> names;
  for (const json& round : rounds) {
    if (round.at("round").get<std::uint64_t>() > last) break;
    for (const json& member : round.at("members")) {
      if (member.at("id") != id) names.insert(member.at("name"));
    }
  }
  return names;
}

std::string count_of(std::uint64_t rounds) {
  return std::to_string(rounds) + (rounds == 1 ? " round" : " rounds");
}

Answer forget(const ForgetOptions& options) {
  const Config config = load_config(options.place.config());
  const fs::path state = config.node.state;
  if (!fs::exists(state)) {
    throw Failure(EX_NOINPUT, "there is no " + state.string() + ": this node has learnt nothing");
  }
  Store store(state);  // nobody runs this node meanwhile
  const auto rounds = store.rounds(SIZE_MAX);
  Membership membership(config.consortium.charter);
  const auto names = known_nodes(membership.chain(), rounds);
  const std::string id = find_node(names, options.who), name = names.at(id);
  const crypto::NodeId node = *crypto::parse_node_id(id);
  const auto self = load_channel_keys(config.node.channel_key).id;
  if (node == self) throw Failure(EX_USAGE, name + " is this node");

  const Contributions found = contributions_of(id, options.from, rounds);
  const std::uint64_t finished =
      rounds.empty() ? 0 : rounds.back().at("round").get<std::uint64_t>();
  History history(state / kHistory);
  std::uint64_t back_to = finished;
  if (found.count > 0) {
    back_to = 0;
    for (const std::uint64_t kept : history.rounds()) {
      if (kept < found.first) back_to = kept;
    }
  }
  const auto carriers = others(id, back_to, rounds);
  Answer answer{{{"id", id},
                 {"name", name},
                 {"from", options.from},
                 {"rounds_with_it", found.count},
                 {"first", found.count > 0 ? json(found.first) : json()},
                 {"last", found.count > 0 ? json(found.last) : json()},
                 {"back_to", back_to},
                 {"rounds_lost", finished - back_to},
                 {"may_carry_it", carriers}},
                {}};
  if (found.count == 0) {
    answer.lines = {
        "No model of " + name + " was averaged into this node's" +
        (options.from > 1 ? " from round " + std::to_string(options.from) + " on" : "") +
        "; nothing is changed."};
  } else {
    AuditLog(state / kAuditLog).append("forgot", answer.value, Sync::yes);
    // The model first: if we are interrupted, the same again finishes it.
    if (back_to > 0) history.restore(back_to, state / kCheckpoint);
    if (back_to == 0) on_disk("remove", [&] { fs::remove(state / kCheckpoint); });
    history.forget_after(back_to);
    store.go_back(back_to, self, node);
    if (options.from <= 1) forget_departure(store, node);
    answer.lines = {
        "Models of " + name + " were averaged into this node's in " + count_of(found.count) + ", " +
            std::to_string(found.first) + " to " + std::to_string(found.last) + ".",
        back_to > 0 ? "It has again the model that it had after round " + std::to_string(back_to) +
                          ", without them: " + count_of(finished - back_to) + " are done anew."
                    : "No model from before them is kept, so it begins anew."};
  }
  answer.lines.emplace_back("What cannot be undone here:");
  if (!carriers.empty()) {
    answer.lines.push_back("- Models of " + boost::algorithm::join(carriers, ", ") +
                           " were averaged in what remains, and may have had " + name +
                           "'s in them.");
  }
  if (found.count > 0) {
    answer.lines.push_back("- Snapshots that this node published after round " +
                           std::to_string(back_to) + " may be with others, with " + name +
                           "'s models in them.");
  }
  answer.lines.push_back("- What " + name + " has of this node's snapshots, it keeps.");
  if (options.deny && membership.deny(node)) {
    AuditLog(state / kAuditLog).append("denied", {{"name", name}, {"id", id}}, Sync::yes);
  }
  const bool may_come_again = membership.is_member(node) && !membership.denied().contains(node);
  answer.value["may_come_again"] = may_come_again;
  if (may_come_again) {
    answer.lines.push_back(name +
                           " is still a member and may be averaged with again; kith forget " +
                           name + " --deny prevents that.");
  }
  return answer;
}

}  // namespace

void add_forget_verb(CLI::App& app, Chosen& chosen) {
  const auto options = std::make_shared<ForgetOptions>();
  CLI::App* const verb = app.add_subcommand(
      "forget", "take a node's models out of this node's, and say what cannot be undone");
  on_parsed(*verb, chosen, options, forget);
  verb->add_option("NODE", options->who, "its name, or its node id or the beginning of it")
      ->required();
  verb->add_option("--from", options->from, "only what was averaged in this round or later")
      ->capture_default_str();
  verb->add_flag("--deny", options->deny, "and have nothing to do with it from now on");
  options->place.add_to(*verb);
}

}  // namespace kith::daemon
