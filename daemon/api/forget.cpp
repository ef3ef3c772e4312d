#include "daemon/api/forget.hpp"

#include "daemon/membership/named.hpp"
#include "daemon/state/audit_log.hpp"
#include "daemon/state/history.hpp"
#include "daemon/state/store.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/system/report.hpp"

#include <map>
#include <vector>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// Names by id: of everybody who is or was a member, as far as is known here.
std::map<std::string, std::string> known_nodes(const net::CharterChain& chain,
                                               const std::vector<json>& rounds) {
  std::map<std::string, std::string> names;
  for (const auto& version : chain.versions()) {
    for (const net::Member& member : version.charter.members) {
      names[to_string(member.id)] = member.name;
    }
  }
  for (const json& round : rounds) {  // those of the charter come before these
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

/// Whose models were averaged with up to round `last`, beside `id`.
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

/// The last of `kept`, which ascend, before round `first`; 0 if there is none.
std::uint64_t last_before(std::uint64_t first, const std::vector<std::uint64_t>& kept) {
  std::uint64_t found = 0;
  for (const std::uint64_t round : kept) {
    if (round < first) found = round;
  }
  return found;
}

}  // namespace

Forgotten forget(const fs::path& state, Membership& membership, const crypto::NodeId& self,
                 const ForgetRequest& request) {
  if (!fs::exists(state)) {
    throw Failure(EX_NOINPUT, "there is no " + state.string() + ": this node has learnt nothing");
  }
  Store store(state);  // nobody runs this node meanwhile
  const auto rounds = store.rounds(SIZE_MAX);
  const auto names = known_nodes(membership.chain(), rounds);
  Forgotten forgotten{.id = find_node(names, request.who), .name = {}, .from = request.from};
  forgotten.name = names.at(forgotten.id);
  const crypto::NodeId node = *crypto::parse_node_id(forgotten.id);
  if (node == self) throw Failure(EX_USAGE, forgotten.name + " is this node");

  History history(state / kHistory);
  forgotten.found = contributions_of(forgotten.id, request.from, rounds);
  const std::uint64_t finished =
      rounds.empty() ? 0 : rounds.back().at("round").get<std::uint64_t>();
  const bool any = forgotten.found.count > 0;
  forgotten.back_to = any ? last_before(forgotten.found.first, history.rounds()) : finished;
  forgotten.rounds_lost = finished - forgotten.back_to;
  forgotten.may_carry_it = others(forgotten.id, forgotten.back_to, rounds);
  forgotten.may_come_again =
      membership.is_member(node) && !request.deny && !membership.denied().contains(node);
  if (any) {
    AuditLog(state / kAuditLog).append("forgot", to_json(forgotten), Sync::yes);
    // The model first: if we are interrupted, the same again finishes it.
    if (forgotten.back_to > 0) history.restore(forgotten.back_to, state / kCheckpoint);
    if (forgotten.back_to == 0) on_disk("remove", [&] { fs::remove(state / kCheckpoint); });
    history.forget_after(forgotten.back_to);
    store.go_back(forgotten.back_to, self, node);
    if (request.from <= 1) forget_departure(store, node);
  }
  if (request.deny && membership.deny(node)) {
    AuditLog(state / kAuditLog)
        .append("denied", {{"name", forgotten.name}, {"id", forgotten.id}}, Sync::yes);
  }
  return forgotten;
}

}  // namespace kith::daemon
