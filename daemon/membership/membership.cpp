#include "daemon/membership/membership.hpp"

#include "crypto/secret.hpp"
#include "daemon/system/dates.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/system/log.hpp"
#include "net/endpoint.hpp"
#include "net/label.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;
using net::ChainRelation;
using nlohmann::json;

constexpr std::size_t kOthersSize = 4 << 20;
constexpr int kFormat = 1;
constexpr const char *kBefore = ".before", *kDamaged = ".damaged";

fs::path beside(fs::path file, const char* extension) { return file += extension; }

std::string short_name(const net::Hash& id) { return crypto::to_hex(id).substr(0, 8); }

void check_founding(const net::CharterChain& ours, const net::CharterChain& theirs,
                    const std::string& name) {
  if (ours.founded() == theirs.founded()) return;
  throw Failure(EX_DATAERR, name + " is the charter of another consortium, founded as " +
                                fingerprint(theirs.founded()) + "; this one was founded as " +
                                fingerprint(ours.founded()) +
                                ".  To leave this one for it: kith charter adopt");
}

bool knows_rival(const net::MembershipRecord& record, const net::Hash& id) {
  return std::ranges::find(record.rivals, id, &net::SignedCharter::id) != record.rivals.end();
}

/// Keeps, as evidence, the version with which `other` parts from the chain that is followed; nullptr
/// if that is no news.
const net::SignedCharter* keep_rival(net::MembershipRecord& record,
                                     const net::CharterChain& other) {
  const std::size_t common = common_versions(record.chain, other);
  if (common >= other.versions().size() || common >= record.chain.versions().size()) return nullptr;
  const net::SignedCharter& parting = other.versions()[common].signed_charter;
  if (common + 1 <= record.settled || knows_rival(record, parting.id())) return nullptr;
  if (record.rivals.size() >= net::limits::kRivals) return nullptr;
  return &record.rivals.emplace_back(parting);
}

/// Those of `cards` that count, by now; how many.
std::uint64_t take_cards(net::MembershipRecord& record, const std::vector<net::Card>& cards,
                         Membership::Time now) {
  const auto& members = record.chain.newest().charter.members;
  const std::uint64_t latest = seconds_of(now + net::limits::kCardAhead);
  std::uint64_t news = 0;
  for (const net::Card& card : cards) {
    const bool member = std::ranges::binary_search(members, card.node, {}, &net::Member::id);
    if (!member || card.founded != record.chain.founded() || card.issued > latest) continue;
    const auto known = std::ranges::find(record.cards, card.node, &net::Card::node);
    if (known == record.cards.end()) {
      record.cards.push_back(card);
    } else if (supersedes(card, *known)) {
      *known = card;
    } else {
      continue;
    }
    ++news;
  }
  std::erase_if(record.cards, [&](const net::Card& card) {
    return !std::ranges::binary_search(members, card.node, {}, &net::Member::id);
  });
  return news;
}

}  // namespace

std::string fingerprint(const crypto::Hash& id) { return to_string(crypto::NodeId{id}); }

std::vector<std::string> steward_names(const net::CharterChain& chain, std::uint64_t number,
                                       const std::vector<crypto::NodeId>& ids) {
  std::vector<std::string> names;
  for (const crypto::NodeId& id : ids) {
    std::string name = to_string(id);
    for (const std::uint64_t at : {number - 1, number}) {  // the latter counts
      if (at < 1 || at > chain.versions().size()) continue;
      const auto& stewards = chain.versions()[at - 1].charter.stewards;
      const auto known = std::ranges::find(stewards, id, &net::Steward::id);
      if (known != stewards.end()) name = known->name;
    }
    names.push_back(std::move(name));
  }
  return names;
}

net::MembershipRecord load_record(const fs::path& file) {
  const auto bytes = read_whole(file, net::limits::kCharterFile);
  if (!bytes) {
    throw Failure(EX_NOINPUT, "there is no " + file.string() +
                                  "; get the charter file from a steward, and take it with kith "
                                  "charter merge FILE");
  }
  return parse_record(*bytes, file.string());
}

net::MembershipRecord parse_record(ByteView file, const std::string& name) {
  auto decoded = net::decode_record(file);
  if (auto* const record = std::get_if<net::MembershipRecord>(&decoded)) return std::move(*record);
  throw Failure(EX_DATAERR, name + " is refused: " + std::get<net::RecordRefusal>(decoded).why);
}

Membership::Offered parse_offered(ByteView file, std::string name) {
  if (is_proposal(file)) {
    Proposal proposal = parse_proposal(file, name);
    return {std::move(name), std::move(proposal)};
  }
  net::MembershipRecord record = parse_record(file, name);
  return {std::move(name), std::move(record)};
}

// --- On the disk -------------------------------------------------------------------------------

Membership::Membership(fs::path charter)
    : file_(std::move(charter)),
      others_file_(file_.parent_path() / "membership.json"),
      lock_(beside(file_, ".lock"), file_) {
  load_charter();
  load_others();
}

// A charter that is damaged would end the node at every start; the one before it is not far behind,
// and the other members tell the rest.
void Membership::load_charter() {
  if (!fs::exists(file_)) return;
  try {
    record_ = load_record(file_);
  } catch (const Failure& failure) {
    const fs::path before = beside(file_, kBefore);
    if (failure.code() != EX_DATAERR) throw;
    if (fs::exists(before)) record_ = load_record(before);
    const fs::path aside = beside(file_, kDamaged);
    on_disk("move", [&] { fs::rename(file_, aside); });
    if (!chain().empty()) write_whole(file_, net::encode_record(record_));
    log::error("charter_damaged",
               {{"what", failure.what()},
                {"file", aside.string()},
                {"number", chain().versions().size()},
                {"help", chain().empty()
                             ? "it was set aside; take the charter from another member, with kith "
                               "charter merge FILE"
                             : "it was set aside, and the version before it is followed; the other "
                               "members tell what happened since"}});
  }
}

// Who is invited and denied is not worth stopping for: what is damaged is set aside.
void Membership::load_others() {
  const auto bytes = read_whole(others_file_, kOthersSize);
  if (!bytes) return;
  const json text =
      json::parse(reinterpret_cast<const char*>(bytes->data()),
                  reinterpret_cast<const char*>(bytes->data()) + bytes->size(), nullptr, false);
  std::vector<Invitation> invitations;
  bool sound = text.is_object() && text.value("format", 0) == kFormat;
  if (sound) {
    for (const json& each : text.value("invitations", json::array())) {
      if (auto invitation = parse_invitation(each)) invitations.push_back(std::move(*invitation));
    }
    for (const json& each : text.value("denied", json::array())) {
      const auto id = each.is_string() ? crypto::parse_node_id(each.get<std::string>())
                                       : std::nullopt;
      sound = sound && id;
      if (id) denied_.insert(*id);
    }
  }
  invitations_ = Invitations(std::move(invitations));
  if (sound) return;
  const fs::path aside = beside(others_file_, kDamaged);
  on_disk("move", [&] { fs::rename(others_file_, aside); });
  log::error("membership_damaged",
             {{"file", aside.string()},
              {"help",
               "it was set aside: invitations are void, and whom you had denied must be denied "
               "again with kith deny"}});
}

void Membership::write(const fs::path& file, Bytes bytes) const {
  if (write_) return write_(file, std::move(bytes));
  write_whole(file, bytes);
}

void Membership::set_record(net::MembershipRecord record) {
  if (!chain().empty()) write(beside(file_, kBefore), net::encode_record(record_));
  write(file_, net::encode_record(record));
  record_ = std::move(record);
}

void Membership::set_others(Invitations invitations, std::set<crypto::NodeId> denied) {
  json text{{"format", kFormat}, {"invitations", json::array()}, {"denied", json::array()}};
  for (const Invitation& one : invitations.open(std::chrono::system_clock::now())) {
    text["invitations"].push_back(to_json(one));
  }
  for (const crypto::NodeId& id : denied) text["denied"].push_back(to_string(id));
  const std::string written = text.dump(2) + "\n";
  const ByteView view = as_byte_view(written);
  write(others_file_, Bytes(view.begin(), view.end()));
  invitations_ = std::move(invitations);
  denied_ = std::move(denied);
}

bool Membership::is_member(const crypto::NodeId& id) const {
  if (chain().empty()) return false;
  return std::ranges::binary_search(chain().newest().charter.members, id, {}, &net::Member::id);
}

// --- What an operator asks for -----------------------------------------------------------------

Membership::Merged Membership::merge(const std::vector<Offered>& offered, Time now) {
  net::MembershipRecord record = record_;
  Merged merged;
  std::vector<net::Card> cards;
  std::optional<Unfinished> proposal;
  for (const auto& [name, content] : offered) {
    const auto* const theirs = std::get_if<net::MembershipRecord>(&content);
    if (theirs == nullptr) continue;
    cards.insert(cards.end(), theirs->cards.begin(), theirs->cards.end());
    if (record.chain.empty()) {
      record.chain = theirs->chain;
      continue;
    }
    check_founding(record.chain, theirs->chain, name);
    const auto relation = net::relation(record.chain, theirs->chain, record.settled);
    if (relation == ChainRelation::longer) record.chain = theirs->chain;
    if (relation == ChainRelation::rival) {
      if (const auto* rival = keep_rival(record, theirs->chain)) merged.rivals.push_back(*rival);
    }
    if (relation == ChainRelation::outranks) {
      const net::CharterChain ours = std::exchange(record.chain, theirs->chain);
      (void)keep_rival(record, ours);
    }
  }
  for (const auto& [name, content] : offered) {
    const auto* const found = std::get_if<Proposal>(&content);
    if (found == nullptr) continue;
    if (record.chain.empty()) (void)load_record(file_);  // says how to get one
    if (proposal && proposal->proposal.version.body != found->version.body) {
      throw Failure(EX_USAGE, name + " proposes something else than " + proposal->name +
                                  "; merge one after the other");
    }
    (void)tally_of(record.chain, found->version, name);
    if (!proposal) proposal = Unfinished{name, *found};
    merge_signatures(proposal->proposal.version, found->version);
  }
  if (proposal) {
    const auto& [version, its_cards] = proposal->proposal;
    merged.tally = tally_of(record.chain, version, proposal->name);
    cards.insert(cards.end(), its_cards.begin(), its_cards.end());
    if (merged.tally->enough()) {
      (void)record.chain.append(version);
    } else {
      merged.unfinished = std::move(proposal);
    }
  }
  if (record.chain.empty()) (void)load_record(file_);  // likewise
  for (const Invitation& one : invitations_.open(now)) {
    if (one.applicant) cards.push_back(*one.applicant);
  }
  merged.cards = take_cards(record, cards, now);
  merged.changed = record_.chain.empty() || record_.chain.newest().id != record.chain.newest().id;
  if (!merged.changed && merged.cards == 0 && merged.rivals.empty()) return merged;
  set_record(std::move(record));
  changed_(By::operators);
  return merged;
}

void Membership::adopt(net::MembershipRecord record) {
  if (!chain().empty() && chain().founded() == record.chain.founded()) {
    const net::CharterChain ours = record_.chain;
    record.settled = std::max({record.settled, record_.settled,
                               static_cast<std::uint64_t>(ours.versions().size())});
    record.rivals = record_.rivals;
    std::erase_if(record.rivals, [&](const net::SignedCharter& rival) {
      return std::ranges::find(record.chain.versions(), rival.id(),
                               &net::CharterChain::Version::id) != record.chain.versions().end();
    });
    (void)take_cards(record, record_.cards, std::chrono::system_clock::now());
  } else if (!chain().empty()) {
    const fs::path aside =
        file_.parent_path() / ("charter-" + short_name(chain().founded()) + ".kith");
    write_whole(aside, net::encode_record(record_));
    set_others(Invitations(), denied_);  // they were to the other consortium
  }
  set_record(std::move(record));
  changed_(By::operators);
}

net::Invite Membership::invite(const net::Card& inviter, const std::string& label,
                               std::chrono::hours lasts, const std::string& address, Time now) {
  if (!label.empty() && !net::is_label(label)) {
    throw Failure(EX_USAGE, "--for is 1 to 64 printable characters");
  }
  const auto& newest = chain().newest();
  net::Invite invite{.consortium = newest.charter.consortium,
                     .founded = chain().founded(),
                     .known = {newest.charter.number, newest.id},
                     .inviter = inviter.node,
                     .channel = inviter.channel,
                     .name = inviter.name,
                     .addresses = inviter.addresses,
                     .expires = seconds_of(now + lasts)};
  if (!address.empty()) invite.addresses = {address};
  if (!net::are_addresses(invite.addresses)) {
    throw Failure(EX_USAGE, "--address is like \"host:7700\"");
  }
  if (invite.addresses.empty()) {
    throw Failure(EX_USAGE,
                  "this node's card names no address: give the host:port at which who is invited "
                  "reaches it with --address");
  }
  const auto token = crypto::Secret<std::tuple_size_v<net::Token>>::random();
  std::ranges::copy(token.data(), invite.token.begin());
  Invitations invitations = invitations_;
  invitations.add({.label = label,
                   .token = net::token_hash(invite.token),
                   .made = seconds_of(now),
                   .charter = newest.charter.number,
                   .expires = invite.expires},
                  now);
  set_others(std::move(invitations), denied_);
  return invite;
}

Invitation Membership::refuse(std::string_view who, Time now) {
  Invitation invitation = invitations_.find(who, Invitations::Which::all, chain(), now);
  Invitations invitations = invitations_;
  if (invitation.applicant) invitations.refuse(invitation, true);
  if (!invitation.applicant) invitations.remove(invitation);
  set_others(std::move(invitations), denied_);
  return invitation;
}

void Membership::accept(const Invitation& invitation) {
  if (!invitation.refused) return;
  Invitations invitations = invitations_;
  invitations.refuse(invitation, false);
  set_others(std::move(invitations), denied_);
}

bool Membership::deny(const crypto::NodeId& peer) {
  std::set<crypto::NodeId> denied = denied_;
  if (!denied.insert(peer).second) return false;
  set_others(invitations_, std::move(denied));
  changed_(By::operators);
  return true;
}

bool Membership::allow(const crypto::NodeId& peer) {
  std::set<crypto::NodeId> denied = denied_;
  if (denied.erase(peer) == 0) return false;
  set_others(invitations_, std::move(denied));
  changed_(By::operators);
  return true;
}

// --- What the running node hears ---------------------------------------------------------------

void Membership::keep(net::MembershipRecord record) {
  set_record(std::move(record));
  changed_(By::peers);
}

Invitations::Reply Membership::consider(const net::Apply& apply, Time now) {
  Invitations invitations = invitations_;
  auto answer = invitations.consider(apply, chain(), now);
  if (answer.changed) set_others(std::move(invitations), denied_);
  return answer;
}

void Membership::used(const net::Token& token) {
  Invitations invitations = invitations_;
  invitations.used(token);
  if (invitations.open({}).size() != invitations_.open({}).size()) {
    set_others(std::move(invitations), denied_);
  }
}

}  // namespace kith::daemon
