#include "daemon/cli/charter_views.hpp"

#include "daemon/exchange/membership_sync.hpp"
#include "daemon/membership/membership.hpp"
#include "daemon/system/dates.hpp"

#include <boost/algorithm/string/join.hpp>

#include <algorithm>

namespace kith::daemon {
namespace {

using net::Charter;
using net::Member;
using net::Steward;
using nlohmann::json;
using std::chrono::system_clock;

template <class Item>
json list_json(const std::vector<Item>& items) {
  json list = json::array();
  for (const Item& item : items) list.push_back({{"name", item.name}, {"id", to_string(item.id)}});
  return list;
}

const net::Card* card_of(const net::MembershipRecord& record, const crypto::NodeId& id) {
  const auto found = std::ranges::find(record.cards, id, &net::Card::node);
  return found == record.cards.end() ? nullptr : &*found;
}

CharterReport report(const net::MembershipRecord& record) {
  return report_of(record, {}, system_clock::now());
}

}  // namespace

std::string joined(const std::vector<std::string>& texts) {
  return texts.empty() ? "-" : boost::algorithm::join(texts, ", ");
}

std::vector<std::string> signers(const net::SignedCharter& version, const Charter& charter,
                                 const Charter& before) {
  std::vector<std::string> names;
  for (const auto& signature : version.signatures) {
    for (const Charter* which : {&charter, &before}) {
      const auto known = std::ranges::find(which->stewards, signature.steward, &Steward::id);
      if (known == which->stewards.end()) continue;
      names.push_back(known->name);
      break;
    }
  }
  return names;
}

json charter_json(const Charter& charter, const crypto::Hash& id) {
  return {{"consortium", charter.consortium},
          {"number", charter.number},
          {"id", crypto::to_hex(id)},
          {"fingerprint", fingerprint(id)},
          {"previous", crypto::to_hex(charter.previous)},
          {"expires", charter.expires},
          {"age", name(net::age(charter, system_clock::now()))},
          {"threshold", charter.threshold},
          {"stewards", list_json(charter.stewards)},
          {"members", list_json(charter.members)}};
}

json diff_json(const net::CharterDiff& changes) {
  json renamed = json::array();
  for (const auto& [before, after] : changes.renamed) {
    renamed.push_back({{"id", to_string(after.id)}, {"before", before.name}, {"after", after.name}});
  }
  return {{"added", list_json(changes.added)},
          {"removed", list_json(changes.removed)},
          {"renamed", renamed},
          {"stewards_added", list_json(changes.stewards_added)},
          {"stewards_removed", list_json(changes.stewards_removed)},
          {"threshold", {changes.threshold.first, changes.threshold.second}},
          {"expires", {changes.expires.first, changes.expires.second}}};
}

Lines diff_lines(const net::CharterDiff& changes) {
  Lines lines;
  const auto say = [&](const std::string& what, const auto& who) {
    lines.push_back("  " + what + " " + who.name + "  " + to_string(who.id));
  };
  for (const Member& member : changes.added) say("+ member ", member);
  for (const Member& member : changes.removed) say("- member ", member);
  for (const auto& [before, after] : changes.renamed) {
    say("~ member ", after);
    lines.push_back("             was called " + before.name);
  }
  for (const Steward& steward : changes.stewards_added) say("+ steward", steward);
  for (const Steward& steward : changes.stewards_removed) say("- steward", steward);
  const auto [threshold, next_threshold] = changes.threshold;
  if (threshold != next_threshold) {
    lines.push_back("  threshold " + std::to_string(threshold) + " -> " +
                    std::to_string(next_threshold));
  }
  const auto [expires, next_expires] = changes.expires;
  if (expires != next_expires) {
    lines.push_back("  expires " + (expires == 0 ? "" : date(expires) + " -> ") +
                    date(next_expires));
  }
  if (lines.empty()) lines.emplace_back("  nothing but the number");
  return lines;
}

std::string tally_text(const json& tally) {
  const auto part = [&](const char* of) {
    const json& count = tally.at(of);
    return count.at("have").dump() + " of " + count.at("need").dump() + " signatures";
  };
  if (tally.at("enough").get<bool>()) return "It has all the signatures that it needs.";
  return "It has " + part("old") + " of the present stewards and " + part("new") +
         " of those to come; these may still sign: " + joined(tally.at("missing")) + ".";
}

json record_json(const net::MembershipRecord& record) {
  const auto& [charter, signed_charter, id] = record.chain.newest();
  json value = charter_json(charter, id);
  value["founded"] = fingerprint(record.chain.founded());
  value["founded_id"] = crypto::to_hex(record.chain.founded());
  for (json& member : value["members"]) {
    const auto* const card = card_of(record, *crypto::parse_node_id(member.at("id").get<std::string>()));
    member["addresses"] = card != nullptr ? json(card->addresses) : json::array();
    member["channel"] = card != nullptr ? json(crypto::to_hex(card->channel.key)) : json();
    member["card_issued"] = card != nullptr ? json(card->issued) : json();
  }
  value["rivals"] = to_json(report(record)).at("rivals");
  return value;
}

Lines record_lines(const net::MembershipRecord& record) {
  const auto& [charter, signed_charter, id] = record.chain.newest();
  Lines lines{
      charter.consortium + ", version " + std::to_string(charter.number),
      "  fingerprint  " + fingerprint(id),
      "  founded as   " + fingerprint(record.chain.founded()),
      "  expires      " + date(charter.expires) + " (" +
          std::string(name(net::age(charter, system_clock::now()))) + ")",
      "  changed by   " + std::to_string(charter.threshold) + " of " +
          std::to_string(charter.stewards.size()) + " stewards",
      "",
  };
  using enum Table::Align;
  Table table({left, left, left, left, left});
  table.add({"", "name", "id", "addresses", "card of"});
  for (const Steward& steward : charter.stewards) {
    table.add({"steward", steward.name, to_string(steward.id), "", ""});
  }
  for (const Member& member : charter.members) {
    const auto* const card = card_of(record, member.id);
    table.add({"member", member.name, to_string(member.id),
               card != nullptr ? joined(card->addresses) : "not heard of yet",
               card != nullptr ? date(card->issued) : ""});
  }
  for (const std::string& line : table.lines()) lines.push_back(line);
  for (const CharterReport::Rival& rival : report(record).rivals) {
    lines.push_back((rival.settled ? "\nA rival version " : "\nA RIVAL VERSION ") +
                    std::to_string(rival.number) + " is known, " + rival.fingerprint +
                    "; signed both: " + joined(rival.signed_twice) +
                    (rival.settled ? ".  It was decided against here."
                                   : ".  It changes nothing here: agree with the stewards which is "
                                     "right, and have the next version signed on that."));
  }
  return lines;
}

}  // namespace kith::daemon
