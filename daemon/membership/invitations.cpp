#include "daemon/membership/invitations.hpp"

#include "daemon/membership/named.hpp"
#include "daemon/system/dates.hpp"
#include "daemon/system/failure.hpp"
#include "net/label.hpp"

#include <algorithm>

namespace kith::daemon {
namespace {

using nlohmann::json;

/// Also if it was expelled since.
bool was_taken_in(const Invitation& invitation, const net::CharterChain& chain) {
  if (!invitation.applicant) return false;
  return std::ranges::any_of(chain.versions(), [&](const auto& version) {
    const auto& members = version.charter.members;
    return version.charter.number > invitation.charter &&
           std::ranges::binary_search(members, invitation.applicant->node, {}, &net::Member::id);
  });
}

/// Another member whom people would take for this one.
const net::Member* namesake_of(const net::Card& card, const net::CharterChain& chain) {
  if (chain.empty()) return nullptr;
  for (const net::Member& member : chain.newest().charter.members) {
    if (member.id == card.node) continue;
    if (net::label_key(member.name) == net::label_key(card.name)) return &member;
  }
  return nullptr;
}

net::Admission refusal(std::string why) {
  return {.state = net::Admission::State::refused, .why = std::move(why)};
}

}  // namespace

json to_json(const Invitation& invitation) {
  return {{"for", invitation.label},
          {"token", crypto::to_hex(invitation.token)},
          {"made", invitation.made},
          {"charter", invitation.charter},
          {"expires", invitation.expires},
          {"applicant", invitation.applicant ? json(net::to_text(*invitation.applicant)) : json()},
          {"applied", invitation.applied},
          {"refused", invitation.refused}};
}

std::optional<Invitation> parse_invitation(const json& text) {
  try {
    Invitation invitation{.label = text.at("for"),
                          .made = text.at("made"),
                          .charter = text.at("charter"),
                          .expires = text.at("expires"),
                          .applied = text.at("applied"),
                          .refused = text.at("refused")};
    const auto token = crypto::from_hex(text.at("token").get<std::string>());
    if (!token || token->size() != invitation.token.size()) return std::nullopt;
    std::ranges::copy(*token, invitation.token.begin());
    if (text.at("applicant").is_null()) return invitation;
    auto card = net::parse_card(text.at("applicant").get<std::string>());
    if (!std::holds_alternative<net::Card>(card)) return std::nullopt;
    invitation.applicant = std::get<net::Card>(std::move(card));
    return invitation;
  } catch (const json::exception&) {
    return std::nullopt;
  }
}

std::vector<Invitation> Invitations::open(Time now) const {
  std::vector<Invitation> found = all_;
  std::erase_if(found, [&](const Invitation& one) { return one.expires <= seconds_of(now); });
  return found;
}

bool Invitations::any_open(Time now) const {
  return std::ranges::any_of(
      all_, [&](const Invitation& one) { return one.expires > seconds_of(now); });
}

std::vector<Invitation> Invitations::pending(const net::CharterChain& chain, Time now) const {
  std::vector<Invitation> found = open(now);
  std::erase_if(found, [&](const Invitation& one) { return was_taken_in(one, chain); });
  return found;
}

Invitation Invitations::find(std::string_view who, Which which, const net::CharterChain& chain,
                             Time now) const {
  std::vector<Invitation> invitations = pending(chain, now);
  if (which == Which::applied) {
    std::erase_if(invitations, [](const Invitation& one) { return !one.applicant; });
  }
  const auto numbered = std::ranges::find(invitations, who, &Invitation::number);
  if (numbered != invitations.end()) return *numbered;
  std::vector<Named> named;
  for (const Invitation& one : invitations) {
    named.push_back({one.name(), one.applicant ? to_string(one.applicant->node) : ""});
  }
  const auto found = meant_by(who, named);
  if (found.size() == 1) return invitations[found.front()];
  const std::string quoted = "\"" + std::string(who) + "\"";
  if (found.empty()) {
    throw Failure(EX_USAGE, (which == Which::applied ? "nobody has applied as "
                                                     : "there is no invitation of ") +
                                quoted + "; there are: " + names_of(named));
  }
  throw Failure(EX_USAGE, "there is more than one invitation of " + quoted +
                              "; give the number of the one, as kith pending shows it");
}

void Invitations::add(const Invitation& invitation, Time now) {
  all_ = open(now);
  if (all_.size() >= net::limits::kInvites) {
    throw Failure(EX_CANTCREAT, "there are " + std::to_string(all_.size()) +
                                    " open invitations already; kith pending lists them, and kith "
                                    "deny NAME withdraws one");
  }
  all_.push_back(invitation);
}

void Invitations::refuse(const Invitation& invitation, bool refused) {
  const auto found = std::ranges::find(all_, invitation.token, &Invitation::token);
  if (found != all_.end()) found->refused = refused;
}

void Invitations::remove(const Invitation& invitation) {
  std::erase_if(all_, [&](const Invitation& one) { return one.token == invitation.token; });
}

void Invitations::used(const net::Token& token) {
  const auto hash = net::token_hash(token);
  std::erase_if(all_, [&](const Invitation& one) { return one.token == hash; });
}

Invitations::Reply Invitations::consider(const net::Apply& apply, const net::CharterChain& chain,
                                         Time now) {
  const auto hash = net::token_hash(apply.token);
  const auto found = std::ranges::find(all_, hash, &Invitation::token);
  if (found == all_.end() || found->expires <= seconds_of(now)) {
    return {
        refusal("the invitation is not known here: it has expired, or was withdrawn; ask for "
                "another")};
  }
  if (found->applicant && found->applicant->node != apply.card.node) {
    return {
        refusal("another node has used this invitation: if it was yours, go on in its folder; else "
                "ask for another, and say so")};
  }
  if (found->refused) return {refusal("the operator has refused it")};
  if (was_taken_in(*found, chain)) {
    return {refusal("it was taken in with this invitation, and expelled since; ask a steward")};
  }
  if (const auto* const namesake = namesake_of(apply.card, chain)) {
    return {refusal("there is a member \"" + namesake->name +
                    "\" already; go on with another name: kith join --name NAME")};
  }
  const bool news = !found->applicant, changed = found->applicant != apply.card;
  if (changed) {
    found->applicant = apply.card;
    found->applied = seconds_of(now);
  }
  return {{.state = net::Admission::State::waiting,
           .why = "its operator must approve: kith approve " + found->name()},
          news,
          changed};
}

}  // namespace kith::daemon
