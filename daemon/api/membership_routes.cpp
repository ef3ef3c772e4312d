#include "daemon/api/membership_routes.hpp"

#include "crypto/hash.hpp"
#include "daemon/membership/named.hpp"
#include "daemon/system/dates.hpp"
#include "daemon/system/failure.hpp"

#include <algorithm>
#include <memory>
#include <type_traits>
#include <utility>

namespace kith::daemon {
namespace {

using nlohmann::json;
using std::chrono::system_clock;

std::string text_in(const json& body, const char* key, const std::string& otherwise = {}) {
  if (!body.is_object()) return otherwise;
  const auto found = body.find(key);
  if (found == body.end() || found->is_null()) return otherwise;
  if (!found->is_string()) throw Failure(EX_USAGE, std::string(key) + " must be a text");
  return *found;
}

std::string required_text(const json& body, const char* key) {
  std::string text = text_in(body, key);
  if (text.empty()) throw Failure(EX_USAGE, std::string("say ") + key + ", a text");
  return text;
}

std::uint64_t number_in(const json& body, const char* key, std::uint64_t otherwise) {
  const json found = body.is_object() ? body.value(key, json(otherwise)) : json(otherwise);
  if (!found.is_number_integer() || found < 0) {
    throw Failure(EX_USAGE, std::string(key) + " must be a number");
  }
  return found;
}

json count(const net::Tally::Part& part) { return {{"have", part.have}, {"need", part.need}}; }

/// Who it is that an operator means: a member by the newest version, or one who is denied.
std::pair<crypto::NodeId, std::string> find_member(const Membership& membership,
                                                   const std::string& who) {
  std::vector<Named> named;
  for (const net::Member& member : membership.chain().newest().charter.members) {
    named.push_back({member.name, to_string(member.id)});
  }
  for (const crypto::NodeId& id : membership.denied()) {
    if (!membership.is_member(id)) named.push_back({"", to_string(id)});
  }
  const auto found = meant_by(who, named);
  const std::string quoted = "\"" + who + "\"";
  if (found.empty()) {
    throw Failure(EX_USAGE, "there is no member " + quoted + "; there are: " + names_of(named));
  }
  if (found.size() > 1) {
    throw Failure(EX_USAGE, quoted + " is more than one; give the beginning of its id");
  }
  return {*crypto::parse_node_id(named[found.front()].id), named[found.front()].name};
}

void require_charter(const Membership& membership) {
  if (!membership.chain().empty()) return;
  (void)load_record(membership.file());  // says how to get one
}

// --- Invitations -------------------------------------------------------------------------------

json show(const Invitation& invitation) {
  const bool applied = invitation.applicant.has_value();
  return {{"state", invitation.refused ? "refused" : applied ? "applied" : "invited"},
          {"number", invitation.number()},
          {"for", invitation.label},
          {"name", applied ? json(invitation.applicant->name) : json()},
          {"id", applied ? json(to_string(invitation.applicant->node)) : json()},
          {"addresses", applied ? json(invitation.applicant->addresses) : json::array()},
          {"card", applied ? json(net::to_text(*invitation.applicant)) : json()},
          {"made", invitation.made},
          {"applied", invitation.applied},
          {"expires", invitation.expires}};
}

json pending(const MembershipDesk& desk) {
  const Membership& membership = *desk.membership;
  require_charter(membership);
  json all = json::array();
  for (const auto& one : membership.invitations().pending(membership.chain(), system_clock::now()))
    all.push_back(show(one));
  return all;
}

json invite(const MembershipDesk& desk, const json& body) {
  Membership& membership = *desk.membership;
  require_charter(membership);
  const auto card = desk.card();
  if (!card || !membership.is_member(card->node)) {
    throw Failure(EX_NOPERM, "this node is no member of \"" +
                                 membership.chain().newest().charter.consortium +
                                 "\", so it cannot invite anybody");
  }
  const std::string label = text_in(body, "for");
  const auto now = system_clock::now();
  json others = json::array();
  for (const auto& one : membership.invitations().pending(membership.chain(), now)) {
    if (!label.empty() && one.name() == label) others.push_back(one.number());
  }
  const auto invite =
      membership.invite(*card, label, std::chrono::hours(24) * number_in(body, "days", 7),
                        text_in(body, "address"), now);
  desk.audit("invited", {{"for", label}, {"expires", invite.expires}});
  return {{"invite", net::to_text(invite)},
          {"number", Invitation{.token = net::token_hash(invite.token)}.number()},
          {"for", label},
          {"consortium", invite.consortium},
          {"expires", invite.expires},
          {"others_of_that_name", others}};
}

json accept(const MembershipDesk& desk, const json& body) {
  Membership& membership = *desk.membership;
  membership.accept(membership.invitations().find(required_text(body, "number"),
                                                  Invitations::Which::applied, membership.chain(),
                                                  system_clock::now()));
  return json::object();
}

// --- The charter -------------------------------------------------------------------------------

json describe(const net::CharterChain& chain) {
  const auto& newest = chain.newest();
  return {{"number", newest.charter.number},
          {"consortium", newest.charter.consortium},
          {"fingerprint", fingerprint(newest.id)},
          {"founded", fingerprint(chain.founded())},
          {"members", newest.charter.members.size()}};
}

json describe_rival(const net::CharterChain& chain, const net::SignedCharter& rival) {
  const net::Charter charter = std::get<net::Charter>(net::parse(rival));
  const auto& ours = chain.versions()[charter.number - 1];
  json accused = json::array();
  const auto ids = signed_twice(ours.signed_charter, rival);
  const auto names = steward_names(chain, charter.number, ids);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    accused.push_back({{"name", names[i]}, {"id", to_string(ids[i])}});
  }
  return {{"number", charter.number},
          {"ours", fingerprint(ours.id)},
          {"theirs", fingerprint(rival.id())},
          {"signed_twice", accused}};
}

json merged(const MembershipDesk& desk, const std::vector<Membership::Offered>& offered) {
  Membership& membership = *desk.membership;
  const bool first = membership.chain().empty();
  const auto result = membership.merge(offered, system_clock::now());
  json answer = describe(membership.chain());
  answer["changed"] = result.changed;
  answer["first"] = first;
  answer["cards"] = result.cards;
  answer["file"] = membership.file().string();
  answer["rivals"] = json::array();
  for (const auto& rival : result.rivals) {
    answer["rivals"].push_back(describe_rival(membership.chain(), rival));
  }
  if (!result.tally) return answer;
  answer["signatures"] = to_json(*result.tally);
  if (!result.unfinished) return answer;
  answer["unfinished"] = {
      {"name", result.unfinished->name},
      {"content", crypto::to_base64(encode_proposal(result.unfinished->proposal))}};
  return answer;
}

/// A file of the operator's, which travels in a request.
struct File {
  std::string name;
  Bytes bytes;
};

File file_in(const json& body) {
  auto bytes = crypto::from_base64(required_text(body, "content"));
  if (!bytes) throw Failure(EX_USAGE, "content must be in base64, for URLs and without padding");
  return {required_text(body, "name"), *std::move(bytes)};
}

std::vector<Membership::Offered> offered_in(const json& body) {
  const json files = body.is_object() ? body.value("files", json()) : json();
  if (!files.is_array() || files.empty()) {
    throw Failure(EX_USAGE, "say files, a list of {name, content}");
  }
  std::vector<Membership::Offered> offered;
  for (const json& each : files) {
    const File file = file_in(each);
    offered.push_back(parse_offered(file.bytes, file.name));
  }
  return offered;
}

/// Until what was changed so far is on the disk, where the next verb may look for it.
net::awaitable<void> written(std::shared_ptr<const MembershipDesk> desk) {
  if (desk->writer == nullptr) co_return;
  auto after_the_rest = [] {};
  co_await net::offload(*desk->writer, std::move(after_the_rest));
}

/// What `job` makes of files, where this desk verifies them.
template <class Job>
net::awaitable<std::invoke_result_t<Job>> verify(std::shared_ptr<const MembershipDesk> desk,
                                                 Job job) {
  if (desk->disk == nullptr) co_return job();
  auto found = co_await net::offload(*desk->disk, std::move(job));
  co_return found;
}

net::awaitable<json> merge(std::shared_ptr<const MembershipDesk> desk, ControlRequest request) {
  auto parse = [body = std::move(request.body)] { return offered_in(body); };
  const std::vector<Membership::Offered> offered = co_await verify(desk, std::move(parse));
  json answer = merged(*desk, offered);
  co_await written(desk);
  co_return answer;
}

net::awaitable<json> adopt(std::shared_ptr<const MembershipDesk> desk, ControlRequest request) {
  auto parse = [body = std::move(request.body)] {
    const File file = file_in(body);
    return parse_record(file.bytes, file.name);
  };
  net::MembershipRecord record = co_await verify(desk, std::move(parse));
  Membership& membership = *desk->membership;
  const bool elsewhere =
      !membership.chain().empty() && membership.chain().founded() != record.chain.founded();
  if (elsewhere && desk->disk != nullptr) {
    throw Failure(EX_TEMPFAIL,
                  "that is the charter of another consortium, and this node runs; stop it first");
  }
  membership.adopt(std::move(record));
  desk->audit("adopted", {{"number", membership.chain().newest().charter.number},
                          {"version", crypto::to_hex(membership.chain().newest().id)}});
  json answer = describe(membership.chain());
  answer["elsewhere"] = elsewhere;
  co_await written(desk);
  co_return answer;
}

// --- Whom the operator will have nothing to do with ----------------------------------------------

/// Whether `who` means an invitation, and not a member.
bool means_invitation(const Membership& membership, const std::string& who) {
  const auto pending = membership.invitations().pending(membership.chain(), system_clock::now());
  if (std::ranges::find(pending, who, &Invitation::number) != pending.end()) return true;
  const auto invited = std::ranges::find(pending, who, &Invitation::name);
  const auto& members = membership.chain().newest().charter.members;
  const bool member = std::ranges::find(members, who, &net::Member::name) != members.end();
  if (invited != pending.end() && member) {
    throw Failure(EX_USAGE,
                  "\"" + who +
                      "\" is a member, and there is an invitation of that name: give the beginning "
                      "of the member's id, or the invitation's number, " +
                      invited->number());
  }
  if (invited != pending.end() || member) return invited != pending.end();
  const auto starts = [&](const crypto::NodeId& id) { return to_string(id).starts_with(who); };
  return std::ranges::any_of(pending,
                             [&](const Invitation& one) {
                               return one.applicant && starts(one.applicant->node);
                             }) &&
         std::ranges::none_of(members, starts, &net::Member::id);
}

json deny(const MembershipDesk& desk, const json& body) {
  Membership& membership = *desk.membership;
  require_charter(membership);
  const std::string who = required_text(body, "who");
  if (means_invitation(membership, who)) {
    const auto invitation = membership.refuse(who, system_clock::now());
    const char* const what = invitation.applicant ? "refused" : "withdrawn";
    desk.audit(what, {{"name", invitation.name()}});
    return {{what, true}, {"name", invitation.name()}};
  }
  const auto [id, name] = find_member(membership, who);
  const auto card = desk.card();
  if (card && card->node == id) throw Failure(EX_USAGE, name + " is this node");
  if (membership.deny(id)) desk.audit("denied", {{"name", name}, {"id", to_string(id)}});
  return {{"denied", true}, {"name", name}, {"id", to_string(id)}};
}

json allow(const MembershipDesk& desk, const json& body) {
  Membership& membership = *desk.membership;
  require_charter(membership);
  const auto [id, name] = find_member(membership, required_text(body, "who"));
  if (membership.allow(id)) desk.audit("allowed", {{"name", name}, {"id", to_string(id)}});
  return {{"denied", false}, {"name", name}, {"id", to_string(id)}};
}

}  // namespace

json to_json(const net::Tally& tally) {
  json missing = json::array();
  for (const net::Steward& steward : tally.missing) missing.push_back(steward.name);
  return {{"old", count(tally.of_old)},
          {"new", count(tally.of_new)},
          {"enough", tally.enough()},
          {"missing", missing}};
}

namespace {

/// A JSON schema of an object whose members are of these types; those marked '?' may be missing.
json object_with(const std::map<std::string, std::string>& types) {
  json schema{{"type", "object"}, {"properties", json::object()}, {"required", json::array()}};
  for (const auto& [name, type] : types) {
    const bool optional = type.ends_with('?');
    schema["properties"][name] = {{"type", type.substr(0, type.size() - (optional ? 1 : 0))}};
    if (!optional) schema["required"].push_back(name);
  }
  return schema;
}

json file_schema() {
  json schema = object_with({{"name", "string"}, {"content", "string"}});
  schema["properties"]["content"]["description"] = "base64, for URLs and without padding";
  return schema;
}

RouteNote note_of_pending() {
  json one = object_with({{"state", "string"},
                          {"number", "string"},
                          {"for", "string"},
                          {"addresses", "array"},
                          {"made", "integer"},
                          {"applied", "integer"},
                          {"expires", "integer"}});
  one["properties"]["state"]["enum"] = {"invited", "applied", "refused"};
  for (const char* of_applicant : {"name", "id", "card"}) {
    one["properties"][of_applicant] = {{"type", {"string", "null"}}};
    one["required"].push_back(of_applicant);
  }
  return {"Open invitations, and who has applied with them", {{"type", "array"}, {"items", one}}};
}

RouteNote note_of_merge() {
  json body = object_with({{"files", "array"}});
  body["properties"]["files"]["items"] = file_schema();
  return {"Takes charter files and proposals",
          object_with({{"number", "integer"},
                       {"fingerprint", "string"},
                       {"changed", "boolean"},
                       {"rivals", "array"},
                       {"unfinished", "object?"}}),
          body};
}

}  // namespace

void add_membership_routes(ControlRoutes& routes, MembershipDesk made) {
  const auto desk = std::make_shared<const MembershipDesk>(std::move(made));
  const auto add = [&](const char* path, json (*operation)(const MembershipDesk&, const json&),
                       RouteNote note) {
    const auto handler = [desk, operation](const ControlRequest& request) {
      return operation(*desk, request.body);
    };
    routes.add("POST", path, handler, std::move(note));
  };
  const json who = object_with({{"who", "string"}});
  const json named = object_with({{"name", "string"}});
  routes.add(
      "GET", "/v1/invitations", [desk](const ControlRequest&) { return pending(*desk); },
      note_of_pending());
  add("/v1/invitations", invite,
      {"Makes an invitation, which is a secret",
       object_with({{"invite", "string"}, {"number", "string"}, {"expires", "integer"}}),
       object_with({{"for", "string?"}, {"days", "integer?"}, {"address", "string?"}})});
  add("/v1/invitations/accept", accept,
      {"Undoes a refusal", {{"type", "object"}}, object_with({{"number", "string"}})});
  add("/v1/deny", deny,
      {"Blocks a member here, refuses an application, or withdraws an invitation", named, who});
  add("/v1/allow", allow, {"Undoes that for a member", named, who});
  routes.add_slow(
      "POST", "/v1/charter/merge",
      [desk](ControlRequest request) { return merge(desk, std::move(request)); }, note_of_merge());
  routes.add_slow(
      "POST", "/v1/charter/adopt",
      [desk](ControlRequest request) { return adopt(desk, std::move(request)); },
      {"Follows the charter in a file, whatever was followed before",
       object_with({{"number", "integer"}, {"fingerprint", "string"}}), file_schema()});
}

}  // namespace kith::daemon
