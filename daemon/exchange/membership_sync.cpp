#include "daemon/exchange/membership_sync.hpp"

#include "daemon/state/departures.hpp"
#include "daemon/system/dates.hpp"
#include "daemon/system/log.hpp"

#include <boost/algorithm/string/join.hpp>

#include <algorithm>
#include <utility>

namespace kith::daemon {
namespace {

using nlohmann::json;
using std::chrono::system_clock;

json names_and_ids(const std::vector<net::Member>& members) {
  json all = json::array();
  for (const net::Member& member : members) {
    all.push_back({{"name", member.name}, {"id", to_string(member.id)}});
  }
  return all;
}

/// A version, and what it changes.
struct Step {
  net::CharterChain::Version version;
  net::CharterDiff changes;
};

json audit_entry(const Step& step) {
  const net::Charter& charter = step.version.charter;
  json signers = json::array();
  for (const auto& signature : step.version.signed_charter.signatures) {
    signers.push_back(to_string(signature.steward));
  }
  return {{"number", charter.number},
          {"version", crypto::to_hex(step.version.id)},
          {"members", names_and_ids(charter.members)},
          {"admitted", names_and_ids(step.changes.added)},
          {"expelled", names_and_ids(step.changes.removed)},
          {"signed_by", signers}};
}

/// Every version since the one that was recorded last; if that is not of this chain, the newest.
std::vector<Step> unrecorded(const net::CharterChain& chain,
                             const std::optional<std::string>& recorded) {
  const auto& versions = chain.versions();
  auto next = std::ranges::find_if(
      versions, [&](const auto& version) { return crypto::to_hex(version.id) == recorded; });
  next = next == versions.end() ? std::prev(next) : std::next(next);
  std::vector<Step> steps;
  for (; next != versions.end(); ++next) {
    const net::Charter before =
        next == versions.begin() ? net::Charter{} : std::prev(next)->charter;
    steps.push_back({*next, diff(before, next->charter)});
  }
  return steps;
}

void record(Store& store, AuditLog& log, const Step& step, const crypto::NodeId& self) {
  log.append("charter", audit_entry(step));
  store.atomically([&] {
    for (const net::Member& member : step.changes.added) forget_departure(store, member.id);
    for (const net::Member& member : step.changes.removed) {
      if (member.id != self) note_departure(store, member, step.version.charter.number);
    }
    store.put_text("audited_charter", crypto::to_hex(step.version.id));
  });
}

}  // namespace

std::string_view name(net::CharterAge age) {
  switch (age) {
    case net::CharterAge::valid:
      return "valid";
    case net::CharterAge::expiring:
      return "expiring";
    case net::CharterAge::grace:
      return "grace";
    case net::CharterAge::expired:
      break;
  }
  return "expired";
}

CharterReport report_of(const net::MembershipRecord& record, const crypto::NodeId& self,
                        system_clock::time_point now) {
  const auto& newest = record.chain.newest();
  CharterReport report{.consortium = newest.charter.consortium,
                       .number = newest.charter.number,
                       .fingerprint = fingerprint(newest.id),
                       .expires = date(newest.charter.expires),
                       .age = std::string(name(net::age(newest.charter, now))),
                       .rivals = {}};
  report.member = std::ranges::binary_search(newest.charter.members, self, {}, &net::Member::id);
  for (const net::SignedCharter& rival : record.rivals) {
    const auto parsed = net::parse(rival);
    const auto number = std::get<net::Charter>(parsed).number;
    CharterReport::Rival shown{.number = number,
                               .fingerprint = fingerprint(rival.id()),
                               .signed_twice = {},
                               .settled = number <= record.settled};
    if (number <= record.chain.versions().size()) {
      const auto& ours = record.chain.versions()[number - 1];
      shown.signed_twice =
          steward_names(record.chain, number, signed_twice(ours.signed_charter, rival));
    }
    report.rivals.push_back(std::move(shown));
  }
  return report;
}

MembershipSync::MembershipSync(net::Host& host, const Shared& shared)
    : host_(host), shared_(shared) {}

// --- From the operator -------------------------------------------------------------------------

void MembershipSync::follow() {
  const std::set<net::NodeId> denied = shared_.membership.denied();
  for (const net::NodeId& id : denied) {
    if (!denied_.contains(id)) host_.deny(id);
  }
  for (const net::NodeId& id : denied_) {
    if (!denied.contains(id)) host_.allow(id);
  }
  denied_ = denied;
  host_.follow(shared_.membership.record());
  audit_charter();
}

void MembershipSync::audit_charter() {
  shared_.disk.post([&store = shared_.store, &log = shared_.log, self = shared_.keys->id,
                     chain = host_.gossip().charters().chain()] {
    for (const Step& step : unrecorded(chain, store.text("audited_charter"))) {
      record(store, log, step, self);
    }
  });
}

// --- From the network --------------------------------------------------------------------------

void MembershipSync::charter_changed(const net::Gossip::CharterChanged& change) {
  if (!change.from) return;  // it came from here
  const auto& newest = host_.gossip().charters().chain().newest();
  const auto* const member = host_.directory().find(*change.from);
  std::string from = member != nullptr ? member->name : to_string(*change.from);
  for (const net::Member& removed : change.removed) {
    if (removed.id == *change.from) from = removed.name;  // it tells of its own expulsion
  }
  log::info("charter_received", {{"from", from},
                                 {"number", newest.charter.number},
                                 {"fingerprint", fingerprint(newest.id)},
                                 {"added", change.added.size()},
                                 {"removed", change.removed.size()},
                                 {"left_ours", change.left_ours}});
  keep();
  audit_charter();
}

void MembershipSync::charter_contradicted(const net::Gossip::Contradicted& rival) {
  const auto& chain = host_.gossip().charters().chain();
  const auto* const from = host_.directory().find(rival.from);
  const std::string accused =
      boost::algorithm::join(steward_names(chain, rival.number, rival.signed_twice), ", ");
  log::error("charter_contradicted",
             {{"from", from != nullptr ? from->name : to_string(rival.from)},
              {"number", rival.number},
              {"signed_twice", accused},
              {"help",
               "there is another version of that number, signed as it must be; nothing is changed "
               "here: agree with the stewards which is right, and sign the next number on it"}});
  shared_.audit("charter_contradicted", {{"number", rival.number}, {"signed_twice", accused}});
  keep();
}

void MembershipSync::renewed(const net::Member& peer) {
  const auto* const entry = host_.directory().find(peer.id);
  if (entry == nullptr || !entry->card) return;
  const std::string addresses = boost::algorithm::join(entry->card->addresses, ", ");
  const auto& before = shared_.membership.record().cards;
  const bool first = std::ranges::find(before, peer.id, &net::Card::node) == before.end();
  log::info(first ? "peer_introduced" : "peer_renewed",
            {{"peer", peer.name}, {"id", to_string(peer.id)}, {"addresses", addresses}});
  shared_.audit(first ? "introduced" : "renewed",
                           {{"name", peer.name},
                            {"id", to_string(peer.id)},
                            {"channel", crypto::to_hex(entry->card->channel.key)},
                            {"addresses", entry->card->addresses}});
  keep();
}

void MembershipSync::renewed_elsewhere(const net::Card& card) {
  log::error("renewed_elsewhere",
             {{"issued", date(card.issued)},
              {"channel", crypto::to_hex(card.channel.key).substr(0, 16)},
              {"addresses", boost::algorithm::join(card.addresses, ", ")},
              {"help",
               "somebody has signed a card with this node's node key, later than this node's own: "
               "was it restored from a backup? kith key renew makes the others listen to this "
               "node again; if the node key was stolen, tell the stewards"}});
  shared_.audit("renewed_elsewhere", {{"issued", card.issued},
                                      {"channel", crypto::to_hex(card.channel.key)}});
}

std::optional<std::uint64_t> MembershipSync::renewed_elsewhere_at() const {
  const auto& card = host_.gossip().cards().signed_elsewhere();
  return card ? std::optional(card->issued) : std::nullopt;
}

void MembershipSync::keep() { shared_.membership.keep(host_.gossip().record()); }

net::Admission MembershipSync::applied(const net::Apply& apply) {
  using State = net::Admission::State;
  const net::Card& applicant = apply.card;
  if (shared_.membership.denied().contains(applicant.node)) {
    return {.state = State::refused, .why = "its operator has denied this node"};
  }
  const auto& newest = host_.gossip().charters().chain().newest();
  if (host_.directory().find(applicant.node) != nullptr) {
    shared_.membership.used(apply.token);
    return {.state = State::admitted,
            .place = {newest.charter.number, newest.id},
            .task = task_toml(shared_.config.task)};
  }
  auto answer = shared_.membership.consider(apply, system_clock::now());
  if (answer.news) {
    shared_.audit("application", {{"name", applicant.name}, {"id", to_string(applicant.node)}});
    log::info("application", {{"name", applicant.name},
                              {"id", to_string(applicant.node)},
                              {"help", "compare its id on the telephone; then kith approve"}});
  }
  return std::move(answer.admission);
}

}  // namespace kith::daemon
