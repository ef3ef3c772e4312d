#include "crypto/hash.hpp"
#include "daemon/api/ask.hpp"
#include "daemon/api/membership_routes.hpp"
#include "daemon/cli/charter_views.hpp"
#include "daemon/cli/place.hpp"
#include "daemon/cli/verbs.hpp"
#include "daemon/membership/keys.hpp"
#include "daemon/membership/membership.hpp"
#include "daemon/membership/proposal.hpp"
#include "daemon/membership/typed_id.hpp"
#include "daemon/system/dates.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "net/endpoint.hpp"
#include "net/label.hpp"

#include <algorithm>
#include <memory>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;
using net::Charter;
using net::CharterChain;
using net::Member;
using net::Steward;
using nlohmann::json;
using std::chrono::system_clock;

constexpr unsigned kMaxDays = 3650;

/// What all these verbs are told.
struct CharterOptions : MembershipPlace {
  bool as_json = false, given_up = false;
  // Those of one verb or the other:
  std::vector<fs::path> files{};
  std::vector<fs::path> add{};
  std::vector<std::string> remove{}, steward_add{}, steward_remove{}, addresses{};
  std::string name{}, consortium{}, fingerprint{};
  fs::path out{};
  std::uint64_t from = 0;
  std::uint32_t threshold = 0;
  unsigned renew = 0;

  /// The file that is named, or else the charter.
  [[nodiscard]] fs::path file() const { return files.empty() ? charter() : files.front(); }
};

fs::path fresh(const fs::path& file) {
  if (!fs::exists(file)) return file;
  throw Failure(EX_CANTCREAT, file.string() + " exists already; name another file with --out");
}

Bytes read_offered(const fs::path& file) {
  auto bytes = read_whole(file, net::limits::kCharterFile);
  if (bytes) return *std::move(bytes);
  throw Failure(EX_NOINPUT, "there is no " + file.string() +
                                "; get the charter file from a steward, or make a proposal with "
                                "kith charter propose");
}

/// As a request carries it (daemon/api/membership_routes.hpp).
json request_file(const fs::path& file) {
  return {{"name", file.string()}, {"content", crypto::to_base64(read_offered(file))}};
}

// --- Reading -----------------------------------------------------------------------------------

Answer show(const CharterOptions& options) {
  const fs::path file = options.file();
  const Membership::Offered offered = parse_offered(read_offered(file), file);
  if (const auto* record = std::get_if<net::MembershipRecord>(&offered.content)) {
    return {record_json(*record), record_lines(*record)};
  }
  const Proposal& proposal = std::get<Proposal>(offered.content);
  const auto parsed = net::parse(proposal.version);
  if (const auto* fault = std::get_if<net::CharterFault>(&parsed)) {
    throw Failure(EX_DATAERR, file.string() + " is refused: " + std::string(explain(*fault)));
  }
  const Charter& charter = std::get<Charter>(parsed);
  return {charter_json(charter, proposal.version.id()),
          {"A proposal for version " + std::to_string(charter.number) + " of \"" +
           charter.consortium + "\"; kith charter diff FILE shows what it would change."}};
}

Answer log_versions(const CharterOptions& options) {
  const CharterChain chain = load_record(options.file()).chain;
  Answer answer{json::array(), {}};
  static const Charter nobody;
  const Charter* before = &nobody;
  for (const auto& [charter, signed_charter, id] : chain.versions()) {
    const auto names = signers(signed_charter, charter, *before);
    json entry = charter_json(charter, id);
    entry["signed_by"] = names;
    entry["changes"] = diff_json(diff(*before, charter));
    answer.value.push_back(std::move(entry));
    answer.lines.push_back("version " + std::to_string(charter.number) + "  signed by " +
                           joined(names));
    answer.lines.push_back("  fingerprint  " + fingerprint(id));
    for (const std::string& line : diff_lines(diff(*before, charter))) answer.lines.push_back(line);
    before = &charter;
  }
  return answer;
}

Answer show_diff(const CharterOptions& options) {
  const CharterChain chain = load_record(options.charter()).chain;
  const auto& versions = chain.versions();
  std::size_t from = versions.size() - (options.files.empty() && versions.size() > 1 ? 1 : 0);
  if (options.from > versions.size()) {
    throw Failure(EX_USAGE, "there is no version " + std::to_string(options.from) +
                                "; the newest is " + std::to_string(versions.size()));
  }
  if (options.from > 0) from = options.from;
  const Charter& before = versions[from - 1].charter;
  Charter after = chain.newest().charter;
  Lines end;
  json tallied = nullptr;
  if (!options.files.empty()) {
    const Proposal proposal = load_proposal(options.files.front());
    const net::Tally tally = tally_of(chain, proposal.version, options.files.front());
    after = std::get<Charter>(net::parse(proposal.version));
    tallied = to_json(tally);
    end = {tally_text(tallied)};
  }
  const net::CharterDiff changes = diff(before, after);
  Answer answer{
      diff_json(changes),
      {"version " + std::to_string(before.number) + " -> " + std::to_string(after.number)}};
  answer.value["from"] = before.number;
  answer.value["to"] = after.number;
  answer.value["signatures"] = tallied;
  for (const std::string& line : diff_lines(changes)) answer.lines.push_back(line);
  for (const std::string& line : end) answer.lines.push_back(line);
  return answer;
}

Answer verify(const CharterOptions& options) {
  const net::MembershipRecord record = load_record(options.file());
  const auto& newest = record.chain.newest();
  if (!options.fingerprint.empty()) check_typed(crypto::NodeId{newest.id}, options.fingerprint);
  const json shown = record_json(record);
  const std::string age = shown.at("age");
  const bool contradicted = std::ranges::any_of(
      shown.at("rivals"), [](const json& rival) { return !rival.at("settled").get<bool>(); });
  Answer answer{{{"number", newest.charter.number},
                 {"fingerprint", fingerprint(newest.id)},
                 {"founded", fingerprint(record.chain.founded())},
                 {"age", age},
                 {"rivals", shown.at("rivals")}},
                {"Every one of the " + std::to_string(record.chain.versions().size()) +
                     " versions is signed as it must be; the newest expires on " +
                     date(newest.charter.expires) + " (" + age + ").",
                 "Compare with the other members:", "  fingerprint  " + fingerprint(newest.id),
                 "  founded as   " + fingerprint(record.chain.founded())}};
  if (contradicted) {
    answer.lines.emplace_back("But there is a rival; kith charter show says more.");
    answer.code = EX_DATAERR;
  }
  return answer;
}

// --- Changing ----------------------------------------------------------------------------------

net::Card read_card(const fs::path& file) {
  auto card = load_card(file);
  if (card) return *std::move(card);
  throw Failure(EX_NOINPUT, "there is no " + file.string() +
                                "; a card is what kith charter request prints");
}

/// By the name of a member, or by a card.
Steward find_steward(const Charter& charter, const std::string& who) {
  if (const Member* const member = charter.find_member(who)) return {member->id, member->name};
  if (fs::exists(who)) {
    const net::Card card = read_card(who);
    return {card.node, card.name};
  }
  throw Failure(EX_USAGE, "\"" + who +
                              "\" is neither a member's name nor the file of a card that "
                              "kith charter request made");
}

Answer propose(const CharterOptions& options) {
  const fs::path file = options.charter();
  const CharterChain chain = load_record(file).chain;
  Proposal proposal;
  CharterChanges changes{.remove = options.remove,
                         .steward_remove = options.steward_remove,
                         .threshold = options.threshold,
                         .renew = std::chrono::hours(24) * options.renew};
  for (const fs::path& path : options.add) {
    const net::Card card = read_card(path);
    if (card.founded != chain.founded()) {
      throw Failure(EX_DATAERR, path.string() +
                                    " is a card for another consortium: let its node make one for "
                                    "this, with kith charter request");
    }
    changes.add.push_back({card.node, card.name});
    proposal.cards.push_back(card);
  }
  for (const std::string& who : options.steward_add) {
    changes.steward_add.push_back(find_steward(chain.newest().charter, who));
  }
  const Charter charter = next_version(chain, changes, system_clock::now());
  const fs::path name = "charter-" + std::to_string(charter.number) + ".proposal";
  const fs::path out = fresh(options.out.empty() ? file.parent_path() / name : options.out);
  proposal.version = net::unsigned_charter(charter);
  save_proposal(out, proposal);
  const net::CharterDiff made = diff(chain.newest().charter, charter);
  Answer answer{
      diff_json(made),
      {"Proposed version " + std::to_string(charter.number) + ", in " + out.string() + ":"}};
  answer.value["file"] = out.string();
  answer.value["signatures"] = to_json(tally_of(chain, proposal.version, out));
  for (const std::string& line : diff_lines(made)) answer.lines.push_back(line);
  answer.lines.insert(
      answer.lines.end(),
      {"Compare the ids of whom it adds, on the telephone: a mail may have been altered.",
       "Then the stewards sign (kith charter sign " + out.string() + "), and whoever has all the",
       "signatures makes it the newest version (kith charter merge " + out.string() + ")."});
  return answer;
}

Answer sign(const CharterOptions& options) {
  const fs::path& file = options.files.front();
  const CharterChain chain = load_record(options.charter()).chain;
  Proposal proposal = load_proposal(file);
  (void)tally_of(chain, proposal.version, file);  // says what is wrong with it
  const fs::path key_file = options.key();
  const auto identity = load_node_key(key_file);
  const Charter charter = std::get<Charter>(net::parse(proposal.version));
  const auto is_steward = [&](const std::vector<Steward>& stewards) {
    return std::ranges::find(stewards, identity.id(), &Steward::id) != stewards.end();
  };
  if (!is_steward(charter.stewards) && !is_steward(chain.newest().charter.stewards)) {
    throw Failure(EX_NOPERM, key_file.string() + " is the key of " + to_string(identity.id()) +
                                 ", who is no steward; name a steward's key file with --key");
  }
  sign_once(proposal.version, chain, identity, key_file, file, options.given_up);
  save_proposal(file, proposal);
  const net::Tally tally = tally_of(chain, proposal.version, file);
  Answer answer{
      {{"file", file.string()}, {"signatures", to_json(tally)}},
      {"Signed version " + std::to_string(charter.number) + ", in " + file.string() + ":"}};
  for (const std::string& line : diff_lines(diff(chain.newest().charter, charter))) {
    answer.lines.push_back(line);
  }
  answer.lines.push_back(tally_text(answer.value.at("signatures")));
  if (tally.enough()) {
    answer.lines.push_back("Make it the newest version: kith charter merge " + file.string());
  }
  return answer;
}

void tell_of_rivals(Answer& answer) {
  for (const json& rival : answer.value.at("rivals")) {
    const std::string number = rival.at("number").dump();
    answer.code = EX_DATAERR;
    answer.lines.insert(answer.lines.end(),
                        {"THERE ARE TWO VERSIONS " + number +
                             ", and both are signed as they must be:",
                         "  ours    " + rival.at("ours").get<std::string>(),
                         "  theirs  " + rival.at("theirs").get<std::string>()});
    for (const json& steward : rival.at("signed_twice")) {
      answer.lines.push_back("  signed both: " + steward.at("name").get<std::string>() + "  " +
                             steward.at("id").get<std::string>());
    }
    answer.lines.emplace_back(
        "The other is kept as evidence, and changes nothing here.  Agree with the stewards which is "
        "right: the next version that they sign on it brings everybody to it.  To follow the other "
        "by hand: kith charter adopt FILE");
  }
}

Answer merge(const CharterOptions& options) {
  json files = json::array();
  for (const fs::path& file : options.files) files.push_back(request_file(file));
  const fs::path own = options.charter();
  Answer answer;
  answer.value = ask_membership(options.node_of_charter(), own, "POST", "/v1/charter/merge",
                                {{"files", files}});
  const json& value = answer.value;
  const auto text = [&](const char* key) { return value.at(key).get<std::string>(); };
  tell_of_rivals(answer);
  if (value.contains("unfinished")) {
    const fs::path file = value.at("unfinished").at("name").get<std::string>();
    write_whole(file, *crypto::from_base64(value.at("unfinished").at("content").get<std::string>()));
    answer.value["unfinished"] = file.string();
    answer.lines.push_back("Put the signatures of these files together in " + file.string() +
                           ".  " + tally_text(value.at("signatures")));
  }
  if (value.at("changed").get<bool>()) {
    answer.lines.insert(answer.lines.end(),
                        {own.string() + " now has version " + value.at("number").dump() +
                             " of \"" + text("consortium") + "\", with " +
                             value.at("members").dump() + " members.",
                         "  fingerprint  " + text("fingerprint")});
    if (value.at("first").get<bool>()) {
      answer.lines.push_back("  founded as   " + text("founded") +
                             ": compare it with a steward, on the telephone");
    }
  }
  if (value.at("cards").get<std::uint64_t>() > 0) {
    answer.lines.push_back("Cards of members that were news: " + value.at("cards").dump() + ".");
  }
  if (answer.lines.empty()) {
    answer.lines.emplace_back("There is nothing in it that is not here already.");
  }
  return answer;
}

// --- Cards, and consortia ------------------------------------------------------------------------

/// Those that others can dial.
std::vector<std::string> reachable(const std::vector<std::string>& listen) {
  std::vector<std::string> found;
  for (const std::string& address : listen) {
    const auto endpoint = net::parse_endpoint(address);
    if (endpoint && endpoint->host != "0.0.0.0" && endpoint->host != "::") found.push_back(address);
  }
  return found;
}

KeyFiles key_files(const MembershipPlace& place) {
  return {place.key(), place.channel_key(), place.card()};
}

/// What this node says of itself: what the options say, or else its card, or its configuration.
CardDraft own_draft(const CharterOptions& options) {
  const auto config = options.load();
  const auto before = load_card(options.card());
  CardDraft draft{options.name, options.addresses};
  if (draft.name.empty() && before) draft.name = before->name;
  if (draft.name.empty() && config) draft.name = config->node.name;
  if (draft.addresses.empty() && before) draft.addresses = before->addresses;
  if (draft.addresses.empty() && !before && config) draft.addresses = reachable(config->node.listen);
  return draft;
}

Answer request(const CharterOptions& options) {
  const net::Hash founded = load_record(options.charter()).chain.founded();
  auto card = load_card(options.card());
  const CardDraft draft = own_draft(options);
  const bool fits = card && card->founded == founded && card->name == draft.name &&
                    card->addresses == draft.addresses;
  // A card for another consortium is for its stewards: this node works with its own until it adopts
  // the other charter.
  const auto sign = options.charter_file.empty() ? write_card : make_card;
  if (!fits) {
    card = sign(key_files(options), load_node_key(options.key()), draft, founded,
                system_clock::now(), card ? card->issued : 0);
  }
  const std::string text = net::to_text(*card);
  Answer answer{{{"name", card->name},
                 {"id", to_string(card->node)},
                 {"channel", crypto::to_hex(card->channel.key)},
                 {"addresses", card->addresses},
                 {"issued", card->issued},
                 {"card", text}},
                {}};
  if (options.out.empty()) {
    answer.lines = {text};
    return answer;
  }
  write_whole(options.out, as_byte_view(text + "\n"));
  answer.value["file"] = options.out.string();
  answer.lines = {"Wrote " + options.out.string() + ": send it to a steward, and read this id",
                  "to the steward on the telephone: " + to_string(card->node)};
  if (card->addresses.empty()) {
    answer.lines.emplace_back(
        "It names no address: nobody can dial this node, unless you give --address HOST:PORT.");
  }
  return answer;
}

/// A new consortium with the keys that this node has: a part that goes its own way.
Answer found(const CharterOptions& options) {
  const auto identity = load_node_key(options.key());
  if (!net::is_label(options.consortium)) {
    throw Failure(EX_USAGE, "--consortium is 1 to 64 printable characters");
  }
  const fs::path out = fresh(options.out);
  const CardDraft draft = own_draft(options);
  const Charter charter = founding_version(options.consortium, {identity.id(), draft.name},
                                           system_clock::now());
  net::MembershipRecord record;
  net::SignedCharter first = net::unsigned_charter(charter);
  sign_once(first, record.chain, identity, options.key(), out);
  (void)record.chain.append(std::move(first));
  record.cards.push_back(make_card(key_files(options), identity, draft, record.chain.founded(),
                                   system_clock::now()));
  write_whole(out, net::encode_record(record));
  const std::string name = fingerprint(record.chain.founded());
  return {{{"file", out.string()}, {"consortium", options.consortium}, {"founded", name}},
          {"Founded \"" + options.consortium + "\" in " + out.string() + ".",
           "  founded as   " + name,
           "Take others in with kith charter propose, sign and merge, each with --charter " +
               out.string() + ";",
           "then every one of them, this node too: kith charter adopt FILE"}};
}

/// Follows that charter, whatever was followed before: a rival, or that of another consortium.
Answer adopt(const CharterOptions& options) {
  const fs::path &file = options.files.front(), own = options.charter();
  const json request = request_file(file);
  const net::MembershipRecord record =
      parse_record(*crypto::from_base64(request.at("content").get<std::string>()), file);
  const net::Hash founded = record.chain.founded();
  const auto config = options.node_of_charter();
  const auto card = config ? load_card(config->node.card) : std::nullopt;
  const bool elsewhere = card && card->founded != founded;
  if (elsewhere) {
    const auto& members = record.chain.newest().charter.members;
    if (!std::ranges::binary_search(members, card->node, {}, &Member::id)) {
      throw Failure(EX_NOPERM, file.string() + " does not name this node, " +
                                   to_string(card->node) +
                                   ": let its stewards take it in first");
    }
  }
  Answer answer;
  answer.value = ask_membership(config, own, "POST", "/v1/charter/adopt", request);
  if (elsewhere) {  // if we are interrupted, kith run says that the card is missing
    (void)write_card(key_files(options), load_node_key(options.key()),
                     {card->name, card->addresses}, founded, system_clock::now());
  }
  answer.lines = {"From now on this node follows version " + answer.value.at("number").dump() +
                      " of \"" + answer.value.at("consortium").get<std::string>() +
                      "\".  Compare with a steward, on the telephone:",
                  "  fingerprint  " + answer.value.at("fingerprint").get<std::string>(),
                  "  founded as   " + answer.value.at("founded").get<std::string>()};
  if (elsewhere) {
    answer.lines.emplace_back(
        "The charter of before lies beside it.  What was learnt stays, if the task is the same: "
        "kith task diff.");
  }
  return answer;
}

/// For those whom no node of theirs can tell: a running node tells the others by itself.
Answer publish(const CharterOptions& options) {
  const net::MembershipRecord record = load_record(options.charter());
  const auto& newest = record.chain.newest();
  write_whole(fresh(options.out), net::encode_record(record));
  const std::string name = fingerprint(newest.id);
  return {
      {{"file", options.out.string()}, {"number", newest.charter.number}, {"fingerprint", name}},
      {"Wrote version " + std::to_string(newest.charter.number) + " of \"" +
           newest.charter.consortium + "\", and all before it, to " + options.out.string() + ".",
       "Whoever gets it takes it with kith charter merge FILE, and compares on the telephone:",
       "  fingerprint  " + name, "  founded as   " + fingerprint(record.chain.founded())}};
}

}  // namespace

// --- The command line --------------------------------------------------------------------------

void add_charter_verbs(CLI::App& app, Chosen& chosen) {
  CLI::App* const charter = app.add_subcommand(
      "charter", "show and change who belongs to the consortium");
  charter->require_subcommand(1);
  const auto options = std::make_shared<CharterOptions>();
  const auto add = [&](const std::string& name, const std::string& help,
                       Answer (*run)(const CharterOptions&)) {
    CLI::App* const verb = charter->add_subcommand(name, help);
    options->add_to(*verb);
    options->add_charter_to(*verb);
    on_parsed(*verb, chosen, options, run);
    return verb;
  };
  const auto add_file = [&](CLI::App* verb, const std::string& help) {
    return verb->add_option("FILE", options->files, help);
  };

  CLI::App* verb = add("show", "show members, stewards, threshold and expiry", show);
  add_file(verb, "another charter file, or a proposal")->expected(0, 1);
  verb = add("log", "list every version: what it changed, and who signed it", log_versions);
  add_file(verb, "another charter file")->expected(0, 1);
  verb = add("diff", "show what the newest version changed, or what a proposal would", show_diff);
  add_file(verb, "a proposal")->expected(0, 1);
  verb->add_option("--from", options->from, "compare with this version");
  verb = add("verify", "check every signature, from the first version on", verify);
  add_file(verb, "another charter file")->expected(0, 1);
  verb->add_option("--fingerprint", options->fingerprint,
                   "of the newest version, as you heard it on the telephone");

  verb = add("request", "print this node's card, for a steward to admit it", request);
  verb->add_option("--name", options->name, "its name, if not that of the configuration");
  verb->add_option("--address", options->addresses, "host:port at which the others reach it");
  verb->add_option("--out", options->out, "write the card to this file");
  options->add_key_to(*verb);

  verb = add("propose", "write a proposal for the next version", propose);
  verb->add_option("--add", options->add, "the card of a new member");
  verb->add_option("--remove", options->remove, "the name of a member to expel");
  verb->add_option("--steward-add", options->steward_add, "a member's name, or a card's file");
  verb->add_option("--steward-remove", options->steward_remove, "a steward's name");
  verb->add_option("--threshold", options->threshold,
                   "how many stewards must sign; more than half, which it is if stewards change");
  verb->add_option("--renew", options->renew, "let it expire so many days from now")
      ->check(CLI::Range(1U, kMaxDays));
  verb->add_option("--out", options->out, "the proposal's file, if not charter-NUMBER.proposal");

  verb = add("sign", "add this steward's signature to a proposal", sign);
  add_file(verb, "the proposal")->required()->expected(1);
  verb->add_flag("--given-up", options->given_up,
                 "sign although this key has signed another version of that number, which came to "
                 "nothing");
  options->add_key_to(*verb);
  verb = add("merge", "take signatures, newer versions and cards from files", merge);
  add_file(verb, "proposals, and charter files of others")->required();
  verb = add("adopt", "follow another charter: a rival, or that of another consortium", adopt);
  add_file(verb, "the charter to follow")->required()->expected(1);
  options->add_key_to(*verb);
  verb = add("found", "found a new consortium of this node alone, in a file", found);
  verb->add_option("--consortium", options->consortium, "its id")->required();
  verb->add_option("--out", options->out, "the charter's file")->required();
  verb->add_option("--name", options->name, "the node's name, if not the configuration's");
  options->add_key_to(*verb);
  verb = add("publish", "write the newest version to a file, for who has no running node", publish);
  verb->add_option("--out", options->out, "where to write it")->required();
}

}  // namespace kith::daemon
