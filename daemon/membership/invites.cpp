#include "daemon/membership/invites.hpp"

#include "daemon/membership/charter_file.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/membership/named.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using std::chrono::system_clock;

constexpr std::size_t kFileSize = 16 << 10;
constexpr int kFormat = 1;

json to_json(const OpenInvite& invite) {
  return {{"format", kFormat},
          {"for", invite.label},
          {"token", crypto::to_hex(invite.token)},
          {"made", invite.made},
          {"charter", invite.charter},
          {"expires", invite.expires},
          {"applicant", invite.applicant ? json(net::to_text(*invite.applicant)) : json()},
          {"applied", invite.applied},
          {"refused", invite.refused}};
}

/// nullopt if it is nothing that to_json() returns.
std::optional<OpenInvite> parse(ByteView bytes) {
  const json text =
      json::parse(reinterpret_cast<const char*>(bytes.data()),
                  reinterpret_cast<const char*>(bytes.data()) + bytes.size(), nullptr, false);
  try {
    if (text.at("format") != kFormat) return std::nullopt;
    OpenInvite invite{.label = text.at("for"),
                      .made = text.at("made"),
                      .charter = text.value("charter", std::uint64_t{0}),
                      .expires = text.at("expires"),
                      .applied = text.at("applied"),
                      .refused = text.at("refused")};
    const auto token = crypto::from_hex(text.at("token").get<std::string>());
    if (!token || token->size() != invite.token.size()) return std::nullopt;
    std::ranges::copy(*token, invite.token.begin());
    if (text.at("applicant").is_null()) return invite;
    invite.applicant = net::parse_card(text.at("applicant").get<std::string>());
    if (!invite.applicant) return std::nullopt;
    return invite;
  } catch (const json::exception&) {
    return std::nullopt;
  }
}

/// Also if it was expelled since.
bool was_taken_in(const OpenInvite& invite, const net::CharterChain& chain) {
  if (!invite.applicant) return false;
  const net::Member& applicant = invite.applicant->member;
  return std::ranges::any_of(chain.versions(), [&](const auto& version) {
    const auto& [number, members] = std::tie(version.charter.number, version.charter.members);
    const auto member = std::ranges::find(members, applicant.id, &net::Member::id);
    return number > invite.charter && member != members.end() &&
           member->channel == applicant.channel;
  });
}

/// What is in the file, if that is an invitation.
std::optional<OpenInvite> load(const fs::path& file) {
  if (file.extension() != ".json") return std::nullopt;
  try {
    const auto bytes = read_whole(file, kFileSize);
    return bytes ? parse(*bytes) : std::nullopt;
  } catch (const Failure&) {
    return std::nullopt;
  }
}

net::Admission refusal(std::string why) {
  return {.state = net::Admission::State::refused, .why = std::move(why)};
}

}  // namespace

Invites::Invites(const fs::path& charter) : folder_(charter.parent_path() / "invites") {}

fs::path Invites::file_of(const OpenInvite& invite) const {
  return folder_ / (crypto::to_hex(invite.token).substr(0, 16) + ".json");
}

std::vector<OpenInvite> Invites::open(system_clock::time_point now) const {
  std::vector<OpenInvite> found;
  on_disk("read", [&] {
    if (!fs::exists(folder_)) return;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      const auto invite = load(entry.path());
      if (invite && invite->expires > seconds_of(now)) found.push_back(*invite);
    }
  });
  std::ranges::sort(found, {},
                    [](const OpenInvite& one) { return std::pair(one.made, one.token); });
  return found;
}

void Invites::keep(const OpenInvite& invite, system_clock::time_point now) {
  on_disk("create", [&] {
    if (fs::create_directories(folder_)) {
      fs::permissions(folder_, fs::perms::owner_all);  // who wants to join is nobody else's affair
    }
  });
  const auto others = open(now);
  const bool known = std::ranges::find(others, invite.token, &OpenInvite::token) != others.end();
  if (!known && others.size() >= net::limits::kInvites) {
    throw Failure(EX_CANTCREAT, "there are " + std::to_string(others.size()) +
                                    " open invitations already; kith pending lists them, and kith "
                                    "deny NAME withdraws one");
  }
  on_disk("remove", [&] {
    for (const auto& entry : fs::directory_iterator(folder_)) {
      const auto old = load(entry.path());
      if (old && old->expires <= seconds_of(now)) fs::remove(entry.path());
    }
  });
  write_whole(file_of(invite), as_byte_view(to_json(invite).dump(2) + "\n"));
}

void Invites::remove(const OpenInvite& invite) {
  on_disk("remove", [&] { fs::remove(file_of(invite)); });
}

bool Invites::any_open(system_clock::time_point now) {
  std::error_code failed;
  const auto changed = fs::last_write_time(folder_, failed);
  if (failed) return false;  // there is no folder
  // What changes twice within a tick of the file system's clock has one time.
  const auto age = fs::file_time_type::clock::now() - changed;
  if (changed != looked_ || age < std::chrono::seconds(1)) {
    looked_ = changed;
    open_until_ = 0;
    for (const OpenInvite& invite : open(now)) open_until_ = std::max(open_until_, invite.expires);
  }
  return open_until_ > seconds_of(now);
}

std::vector<OpenInvite> Invites::pending(const net::CharterChain& chain,
                                         system_clock::time_point now) const {
  std::vector<OpenInvite> found = open(now);
  std::erase_if(found, [&](const OpenInvite& invite) { return was_taken_in(invite, chain); });
  return found;
}

void Invites::used(const net::Token& token, system_clock::time_point now) {
  const auto invites = open(now);
  const auto found = std::ranges::find(invites, net::token_hash(token), &OpenInvite::token);
  if (found != invites.end()) remove(*found);
}

OpenInvite Invites::find(std::string_view who, Which which, const net::CharterChain& chain,
                         system_clock::time_point now) const {
  std::vector<OpenInvite> invites = pending(chain, now);
  if (which == Which::applied) {
    std::erase_if(invites, [](const OpenInvite& invite) { return !invite.applicant; });
  }
  const auto numbered = std::ranges::find(invites, who, &OpenInvite::number);
  if (numbered != invites.end()) return *numbered;
  std::vector<Named> named;
  for (const OpenInvite& invite : invites) {
    named.push_back(
        {invite.name(), invite.applicant ? to_string(invite.applicant->member.id) : ""});
  }
  const auto found = meant_by(who, named);
  if (found.size() == 1) return invites[found.front()];
  const std::string quoted = "\"" + std::string(who) + "\"";
  if (found.empty()) {
    throw Failure(EX_USAGE, (which == Which::applied ? "nobody has applied as "
                                                     : "there is no invitation of ") +
                                quoted + "; there are: " + names_of(named));
  }
  throw Failure(EX_USAGE, "there is more than one invitation of " + quoted +
                              "; give the number of the one, as kith pending shows it");
}

Invites::Answer Invites::consider(const net::Apply& apply, const net::CharterChain& chain,
                                  system_clock::time_point now) {
  const auto invites = open(now);
  const auto found = std::ranges::find(invites, net::token_hash(apply.token), &OpenInvite::token);
  if (found == invites.end()) {
    return {
        refusal("the invitation is not known here: it has expired, or was withdrawn; ask for "
                "another")};
  }
  OpenInvite invite = *found;
  if (invite.applicant && invite.applicant->member.id != apply.card.member.id) {
    return {
        refusal("another node has used this invitation: if it was yours, go on in its folder; else "
                "ask for another, and say so")};
  }
  if (invite.refused) return {refusal("the operator has refused it")};
  if (was_taken_in(invite, chain)) {
    return {refusal("it was taken in with this invitation, and expelled since; ask a steward")};
  }
  const net::Member* const namesake =
      chain.versions().empty() ? nullptr
                               : chain.newest().charter.find_member(apply.card.member.name);
  if (namesake != nullptr && namesake->id != apply.card.member.id) {
    return {refusal("there is a member \"" + namesake->name +
                    "\" already; go on with another name: kith join --name NAME")};
  }
  const bool news = !invite.applicant;
  if (invite.applicant != apply.card) {
    invite.applicant = apply.card;
    invite.applied = seconds_of(now);
    keep(invite, now);
  }
  return {{.state = net::Admission::State::waiting,
           .why = "its operator must approve: kith approve " + invite.name()},
          news};
}

}  // namespace kith::daemon
