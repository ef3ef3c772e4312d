#include "daemon/api/approve.hpp"

#include "crypto/hash.hpp"
#include "daemon/api/ask.hpp"
#include "daemon/api/membership_routes.hpp"
#include "daemon/membership/keys.hpp"
#include "daemon/membership/membership.hpp"
#include "daemon/membership/named.hpp"
#include "daemon/membership/proposal.hpp"
#include "daemon/membership/typed_id.hpp"
#include "daemon/system/failure.hpp"

#include <algorithm>
#include <chrono>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// Who has applied and is meant by that; throws Failure.
json find_applicant(const json& pending, const std::string& who) {
  std::vector<Named> named;
  std::vector<json> applicants;
  for (const json& one : pending) {
    if (one.at("id").is_null()) continue;
    if (one.at("number") == who) return one;
    named.push_back({one.at("name"), one.at("id")});
    applicants.push_back(one);
  }
  const auto found = meant_by(who, named);
  if (found.size() == 1) return applicants[found.front()];
  const std::string quoted = "\"" + who + "\"";
  if (found.empty()) {
    throw Failure(EX_USAGE,
                  "nobody has applied as " + quoted + "; there are: " + names_of(named));
  }
  throw Failure(EX_USAGE, "more than one has applied as " + quoted +
                              "; give the number of the one, as kith pending shows it");
}

/// The key in this file, if it is there and a steward's: it may be kept elsewhere.
std::optional<crypto::Identity> steward_in(const fs::path& key, const net::Charter& charter) {
  if (!fs::exists(key)) return std::nullopt;
  auto identity = load_node_key(key);
  const auto known = std::ranges::find(charter.stewards, identity.id(), &net::Steward::id);
  if (known == charter.stewards.end()) return std::nullopt;
  return identity;
}

std::vector<Approved::Shared> shared_addresses(const net::MembershipRecord& record,
                                               const net::Card& card) {
  std::vector<Approved::Shared> shared;
  for (const net::Card& other : record.cards) {
    if (other.node == card.node) continue;
    for (const std::string& address : card.addresses) {
      const auto known = std::ranges::find(other.addresses, address);
      if (known != other.addresses.end()) shared.push_back({other.name, address});
    }
  }
  return shared;
}

}  // namespace

Approved approve(const Config& config, const ApproveRequest& request) {
  const net::MembershipRecord record = load_record(config.consortium.charter);
  const json pending = ask_membership(config, "GET", "/v1/invitations");
  const json applicant = find_applicant(pending, request.who);
  const auto parsed = net::parse_card(applicant.at("card").get<std::string>());
  Approved approved{.card = std::get<net::Card>(parsed)};
  const net::Card& card = approved.card;
  if (!request.id.empty()) check_typed(card.node, request.id);
  const net::Charter charter =
      next_version(record.chain, {.add = {{card.node, card.name}}}, std::chrono::system_clock::now());
  const fs::path file =
      config.consortium.charter.parent_path() /
      ("charter-" + std::to_string(charter.number) + "-" + applicant.at("number").get<std::string>() +
       ".proposal");
  Proposal proposal{net::unsigned_charter(charter), {card}};
  const auto steward = steward_in(request.key, record.chain.newest().charter);
  approved.signed_here = steward.has_value();
  if (steward) sign_once(proposal.version, record.chain, *steward, request.key, file);
  const net::Tally tally = tally_of(record.chain, proposal.version, file);
  approved.signatures = to_json(tally);
  approved.shared = shared_addresses(record, card);
  if (applicant.at("state") == "refused") {
    (void)ask_membership(config, "POST", "/v1/invitations/accept", {{"number", applicant.at("number")}});
  }
  if (!tally.enough()) {
    save_proposal(file, proposal);
    approved.proposal = file;
    return approved;
  }
  const json offered{{"name", file.string()},
                     {"content", crypto::to_base64(encode_proposal(proposal))}};
  const json merged = ask_membership(config, "POST", "/v1/charter/merge", {{"files", {offered}}});
  approved.number = merged.at("number");
  approved.fingerprint = merged.at("fingerprint");
  return approved;
}

}  // namespace kith::daemon
