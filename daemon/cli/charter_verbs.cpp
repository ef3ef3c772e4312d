#include "daemon/cli/charter_verbs.hpp"

#include "daemon/membership/charter_file.hpp"
#include "daemon/system/console.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/membership/keys.hpp"
#include "daemon/membership/renewals.hpp"
#include "daemon/state/store.hpp"
#include "daemon/membership/typed_id.hpp"
#include "daemon/cli/views.hpp"
#include "net/endpoint.hpp"
#include "net/member_card.hpp"

#include <algorithm>
#include <functional>
#include <memory>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;
using net::Charter;
using net::CharterChain;
using net::Member;
using net::SignedCharter;
using net::Steward;
using nlohmann::json;
using std::chrono::system_clock;

constexpr std::size_t kCardSize = 8 << 10;
constexpr unsigned kMaxDays = 3650;

/// What all these verbs are told.
struct CharterOptions {
  fs::path directory = ".", config_file, charter_file, keys_file;
  bool as_json = false, given_up = false;
  // Those of one verb or the other:
  std::vector<fs::path> files{};
  std::vector<fs::path> add{};
  std::vector<Member> members{};  ///< to add, as if by their cards
  std::vector<std::string> remove{}, steward_add{}, steward_remove{}, addresses{};
  std::string name{}, consortium{}, fingerprint{};
  fs::path out{};
  std::uint64_t from = 0;
  std::uint32_t threshold = 0;
  unsigned renew = 0;

  /// Of this node, if it has a configuration: a steward's machine needs none.
  [[nodiscard]] std::optional<Config> config() const {
    if (config_file.empty() && !fs::exists(config_path())) return std::nullopt;
    return load_config(config_path());
  }
  [[nodiscard]] fs::path config_path() const {
    return config_file.empty() ? directory / "kith.toml" : config_file;
  }
  [[nodiscard]] fs::path charter() const {
    if (!charter_file.empty()) return charter_file;
    const auto node = config();
    const bool configured = node && !node->consortium.charter.empty();
    return configured ? node->consortium.charter : directory / "charter.kith";
  }
  [[nodiscard]] fs::path keys() const {
    if (!keys_file.empty()) return keys_file;
    const auto node = config();
    return node ? node->node.keys : directory / "node.keys";
  }
};

// --- Words -------------------------------------------------------------------------------------

std::string joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : ", ") + text;
  return all.empty() ? "-" : all;
}

json to_json(const Member& member) {
  return {{"name", member.name},
          {"id", to_string(member.id)},
          {"channel", crypto::to_hex(member.channel)},
          {"addresses", member.addresses}};
}

json to_json(const Steward& steward) {
  return {{"name", steward.name}, {"id", to_string(steward.id)}};
}

template <class Item>
json to_json(const std::vector<Item>& items) {
  json list = json::array();
  for (const Item& item : items) list.push_back(to_json(item));
  return list;
}

std::vector<std::string> signers(const SignedCharter& version, const Charter& charter,
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

std::string threshold_text(const Charter& charter) {
  return std::to_string(charter.threshold) + " of " + std::to_string(charter.stewards.size()) +
         " stewards";
}

const char* age_text(net::CharterAge age) {
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

json charter_json(const Charter& charter, const crypto::Hash& id) {
  return {{"consortium", charter.consortium},
          {"number", charter.number},
          {"id", crypto::to_hex(id)},
          {"fingerprint", fingerprint(id)},
          {"previous", crypto::to_hex(charter.previous)},
          {"expires", charter.expires},
          {"age", age_text(net::age(charter, system_clock::now()))},
          {"threshold", charter.threshold},
          {"stewards", to_json(charter.stewards)},
          {"members", to_json(charter.members)}};
}

json diff_json(const net::CharterDiff& changes) {
  json changed = json::array();
  for (const auto& [before, after] : changes.changed) {
    changed.push_back({{"before", to_json(before)}, {"after", to_json(after)}});
  }
  return {{"added", to_json(changes.added)},
          {"removed", to_json(changes.removed)},
          {"changed", changed},
          {"stewards_added", to_json(changes.stewards_added)},
          {"stewards_removed", to_json(changes.stewards_removed)},
          {"threshold", {changes.threshold.first, changes.threshold.second}},
          {"expires", {changes.expires.first, changes.expires.second}}};
}

Lines diff_lines(const net::CharterDiff& changes) {
  Lines lines;
  const auto say = [&](const std::string& what, const auto& who) {
    lines.push_back("  " + what + " " + who.name + "  " + to_string(who.id));
  };
  for (const Member& member : changes.added) {
    say("+ member ", member);
    lines.push_back("             at " + joined(member.addresses));
  }
  for (const Member& member : changes.removed) say("- member ", member);
  for (const auto& [before, after] : changes.changed) {
    say("~ member ", after);
    if (before.name != after.name) lines.push_back("             was called " + before.name);
    if (before.channel != after.channel) lines.emplace_back("             has a new channel key");
    if (before.addresses != after.addresses) {
      lines.push_back("             at " + joined(after.addresses) + ", no more at " +
                      joined(before.addresses));
    }
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

json tally_json(const net::Tally& tally) {
  return {{"old", {{"have", tally.of_old.have}, {"need", tally.of_old.need}}},
          {"new", {{"have", tally.of_new.have}, {"need", tally.of_new.need}}},
          {"enough", tally.enough()},
          {"missing", to_json(tally.missing)}};
}

std::string tally_text(const net::Tally& tally) {
  const auto part = [](const net::Tally::Part& count) {
    return std::to_string(count.have) + " of " + std::to_string(count.need) + " signatures";
  };
  if (tally.enough()) return "It has all the signatures that it needs.";
  std::vector<std::string> names;
  for (const Steward& steward : tally.missing) names.push_back(steward.name);
  return "It has " + part(tally.of_old) + " of the stewards so far and " + part(tally.of_new) +
         " of those to come; these may still sign: " + joined(names) + ".";
}

// --- Reading -----------------------------------------------------------------------------------

/// Throws Failure if `proposal` cannot follow `chain`, whoever signs it.
net::Tally tally_of(const CharterChain& chain, const SignedCharter& proposal,
                    const fs::path& file) {
  if (chain.contains(chain.newest().charter.number, proposal.id())) {
    throw Failure(EX_USAGE, file.string() + " is the newest version of the charter already");
  }
  const auto tally = chain.tally(proposal);
  if (const auto* fault = std::get_if<net::CharterFault>(&tally)) {
    std::string accused;
    for (const auto& version : chain.versions()) {
      for (const crypto::NodeId& id : signed_twice(version.signed_charter, proposal)) {
        accused += "; signed both: " + to_string(id);
      }
    }
    throw Failure(EX_DATAERR,
                  file.string() + " is refused: " + std::string(explain(*fault)) + accused);
  }
  return std::get<net::Tally>(tally);
}

/// A charter whose pin fits.
CharterChain open_charter(const fs::path& file) {
  CharterChain chain = load_charter(file);
  check_pin(file, chain);
  return chain;
}

Member load_card(const fs::path& file) {
  const auto bytes = read_whole(file, kCardSize);
  if (!bytes) throw Failure(EX_NOINPUT, "there is no " + file.string());
  const auto card = net::parse_card({reinterpret_cast<const char*>(bytes->data()), bytes->size()});
  if (card) return card->member;
  throw Failure(EX_DATAERR, file.string() +
                                " is no member card, or was altered on its way; ask for "
                                "what kith charter request prints");
}

Answer show(const CharterOptions& options) {
  const fs::path file = options.files.empty() ? options.charter() : options.files.front();
  if (is_proposal(file)) {
    const SignedCharter proposal = load_proposal(file);
    const auto parsed = net::parse(proposal);
    if (const auto* fault = std::get_if<net::CharterFault>(&parsed)) {
      throw Failure(EX_DATAERR, file.string() + " is refused: " + std::string(explain(*fault)));
    }
    const Charter& charter = std::get<Charter>(parsed);
    return {charter_json(charter, proposal.id()),
            {"A proposal for version " + std::to_string(charter.number) + " of \"" +
             charter.consortium + "\"; kith charter diff FILE shows what it would change."}};
  }
  const CharterChain chain = load_charter(file);
  const auto& [charter, signed_charter, id] = chain.newest();
  Answer answer{charter_json(charter, id), {}};
  answer.value["founded"] = fingerprint(chain.versions().front().id);
  answer.lines = {
      charter.consortium + ", version " + std::to_string(charter.number),
      "  fingerprint  " + fingerprint(id),
      "  founded as   " + fingerprint(chain.versions().front().id),
      "  expires      " + date(charter.expires) + " (" +
          age_text(net::age(charter, system_clock::now())) + ")",
      "  changed by   " + threshold_text(charter),
      "",
  };
  using enum Table::Align;
  Table table({left, left, left, left});
  table.add({"", "name", "id", "addresses"});
  for (const Steward& steward : charter.stewards) {
    table.add({"steward", steward.name, to_string(steward.id), ""});
  }
  for (const Member& member : charter.members) {
    table.add({"member", member.name, to_string(member.id), joined(member.addresses)});
  }
  for (const std::string& line : table.lines()) answer.lines.push_back(line);
  for (const net::Renewal& renewal : load_renewals(renewals_file(file), charter)) {
    const auto& entry = *std::ranges::find(charter.members, renewal.member, &Member::id);
    answer.value["renewed"].push_back({{"name", entry.name},
                                       {"id", to_string(entry.id)},
                                       {"issued", renewal.issued},
                                       {"channel", crypto::to_hex(renewal.channel)},
                                       {"addresses", renewal.addresses}});
    answer.lines.push_back(entry.name + " renewed itself on " + date(renewal.issued) + ": " +
                           (renewal.channel == entry.channel ? "" : "another channel key, ") +
                           joined(renewal.addresses));
  }
  if (const auto fork = known_fork(file, chain)) {
    answer.value["fork"] = {{"number", fork->number}, {"evidence", rival_file(file).string()}};
    answer.lines.push_back("\nFORKED: " + rival_file(file).string() +
                           " is a rival; only the members of both count.");
  }
  return answer;
}

Answer log_versions(const CharterOptions& options) {
  const CharterChain chain =
      load_charter(options.files.empty() ? options.charter() : options.files.front());
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
  const CharterChain chain = load_charter(options.charter());
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
    const SignedCharter proposal = load_proposal(options.files.front());
    const net::Tally tally = tally_of(chain, proposal, options.files.front());
    after = std::get<Charter>(net::parse(proposal));
    end = {tally_text(tally)};
    tallied = tally_json(tally);
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
  const fs::path file = options.files.empty() ? options.charter() : options.files.front();
  const CharterChain chain = open_charter(file);
  const auto& newest = chain.newest();
  if (!options.fingerprint.empty()) check_typed(crypto::NodeId{newest.id}, options.fingerprint);
  const std::string age = age_text(net::age(newest.charter, system_clock::now()));
  const auto fork = known_fork(file, chain);
  Answer answer{{{"number", newest.charter.number},
                 {"fingerprint", fingerprint(newest.id)},
                 {"age", age},
                 {"forked", fork.has_value()}},
                {"Every one of the " + std::to_string(chain.versions().size()) +
                     " versions is signed as it must be; the newest expires on " +
                     date(newest.charter.expires) + " (" + age + ").",
                 "Compare with the other members: " + fingerprint(newest.id)}};
  if (fork) {
    answer.lines.push_back("But it has a rival: " + rival_file(file).string());
    answer.code = EX_DATAERR;
  }
  return answer;
}

// --- Changing ----------------------------------------------------------------------------------

[[noreturn]] void nobody_called(const std::string& what, const std::string& name,
                                const std::vector<std::string>& names) {
  throw Failure(EX_USAGE, "there is no " + what + " \"" + name + "\"; there are: " + joined(names));
}

template <class Item>
void remove_named(std::vector<Item>& items, const std::string& what, const std::string& name) {
  std::vector<std::string> names;
  for (const Item& item : items) names.push_back(item.name);
  if (std::erase_if(items, [&](const Item& item) { return item.name == name; }) == 0) {
    nobody_called(what, name, names);
  }
}

/// By the name of a member, or by a card.
Steward find_steward(const Charter& charter, const std::string& who) {
  if (const Member* const member = charter.find_member(who)) return {member->id, member->name};
  if (fs::exists(who)) {
    const Member card = load_card(who);
    return {card.id, card.name};
  }
  throw Failure(EX_USAGE, "\"" + who +
                              "\" is neither a member's name nor the file of a card that "
                              "kith charter request made");
}

void change(Charter& charter, const CharterOptions& options) {
  for (const std::string& name : options.remove) remove_named(charter.members, "member", name);
  std::vector<Member> added = options.members;
  for (const fs::path& file : options.add) added.push_back(load_card(file));
  for (const Member& card : added) {
    std::erase_if(charter.members, [&](const Member& member) { return member.id == card.id; });
    charter.members.push_back(card);
  }
  for (const std::string& name : options.steward_remove) {
    remove_named(charter.stewards, "steward", name);
  }
  for (const std::string& who : options.steward_add) {
    charter.stewards.push_back(find_steward(charter, who));
  }
  std::ranges::sort(charter.members, {}, &Member::id);
  std::ranges::sort(charter.stewards, {}, &Steward::id);
  if (!options.steward_add.empty() || !options.steward_remove.empty()) {
    charter.threshold = static_cast<std::uint32_t>(charter.stewards.size() / 2 + 1);
  }
  if (options.threshold > 0) charter.threshold = options.threshold;
  if (options.renew > 0) {
    const auto until = system_clock::now() + std::chrono::hours(24) * options.renew;
    charter.expires = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::seconds>(until.time_since_epoch()).count());
  }
}

Answer propose(const CharterOptions& options) {
  const fs::path file = options.charter();
  const CharterChain chain = open_charter(file);
  const Charter& before = chain.newest().charter;
  Charter charter = before;
  change(charter, options);
  if (charter == before) {
    throw Failure(EX_USAGE,
                  "this changes nothing; say what: --add FILE, --remove NAME, "
                  "--steward-add, --steward-remove, --threshold or --renew");
  }
  ++charter.number;
  charter.previous = chain.newest().id;
  if (const auto fault = net::problem(charter)) {
    throw Failure(EX_USAGE, "such a charter would be refused: " + std::string(explain(*fault)));
  }
  const fs::path name = "charter-" + std::to_string(charter.number) + ".proposal";
  const fs::path out = options.out.empty() ? file.parent_path() / name : options.out;
  if (fs::exists(out)) {
    throw Failure(EX_CANTCREAT, out.string() + " exists already; name another file with --out");
  }
  const SignedCharter proposal = net::unsigned_charter(charter);
  save_proposal(out, proposal);
  Answer answer{
      diff_json(diff(before, charter)),
      {"Proposed version " + std::to_string(charter.number) + ", in " + out.string() + ":"}};
  answer.value["file"] = out.string();
  answer.value["signatures"] = tally_json(tally_of(chain, proposal, out));
  for (const std::string& line : diff_lines(diff(before, charter))) answer.lines.push_back(line);
  answer.lines.insert(
      answer.lines.end(),
      {"Compare the ids of whom it adds, on the telephone: a mail may have been altered.",
       "Then the stewards sign (kith charter sign " + out.string() + "), and whoever has all the",
       "signatures makes it the newest version (kith charter merge " + out.string() + ")."});
  return answer;
}

Answer sign(const CharterOptions& options) {
  const fs::path& file = options.files.front();
  const CharterChain chain = open_charter(options.charter());
  SignedCharter proposal = load_proposal(file);
  const net::Tally before = tally_of(chain, proposal, file);
  const fs::path keys_file = options.keys();
  const auto keys = load_keys(keys_file);
  const crypto::NodeId self = keys.identity.id();
  const Charter charter = std::get<Charter>(net::parse(proposal));
  const auto is_steward = [&](const std::vector<Steward>& stewards) {
    return std::ranges::find(stewards, self, &Steward::id) != stewards.end();
  };
  if (!is_steward(charter.stewards) && !is_steward(chain.newest().charter.stewards)) {
    throw Failure(EX_NOPERM, keys_file.string() + " is the key of " + to_string(self) +
                                 ", who is no steward; name a steward's key file with --keys");
  }
  sign_once(proposal, chain, keys.identity, keys_file, file, options.given_up);
  save_proposal(file, proposal);
  const net::Tally tally = tally_of(chain, proposal, file);
  Answer answer{
      {{"file", file.string()}, {"signatures", tally_json(tally)}},
      {"Signed version " + std::to_string(charter.number) + ", in " + file.string() + ":"}};
  for (const std::string& line : diff_lines(diff(chain.newest().charter, charter))) {
    answer.lines.push_back(line);
  }
  answer.lines.push_back(tally_text(tally));
  if (tally.enough()) {
    answer.lines.push_back("Make it the newest version: kith charter merge " + file.string());
  }
  return answer;
}

void check_consortium(const CharterOptions& options, const CharterChain& chain,
                      const fs::path& file) {
  const auto config = options.config();
  const std::string& id = chain.newest().charter.consortium;
  if (!config || config->consortium.id == id) return;
  throw Failure(EX_DATAERR, file.string() + " is the charter of \"" + id +
                                "\", but consortium.id in this node's configuration is \"" +
                                config->consortium.id + "\"");
}

void check_founding(const CharterChain& ours, const CharterChain& theirs, const fs::path& file) {
  if (ours.versions().front().id == theirs.versions().front().id) return;
  throw Failure(EX_DATAERR, file.string() + " is the charter of another consortium, founded as " +
                                fingerprint(theirs.versions().front().id) +
                                "; this one was founded as " +
                                fingerprint(ours.versions().front().id));
}

/// The rival is kept; what was followed here goes on to be followed, among the members of both.
Answer raise_alarm(const fs::path& own, const CharterChain& ours, const net::CharterFork& fork) {
  json accused = json::array();
  Lines lines{"FORK: there are two versions " + std::to_string(fork.number) +
                  ", and both are signed as they must be.",
              "  ours    " + fingerprint(fork.one), "  theirs  " + fingerprint(fork.other)};
  for (const crypto::NodeId& id : fork.signed_twice) {
    const auto& stewards = ours.versions()[fork.number - 1].charter.stewards;
    const auto known = std::ranges::find(stewards, id, &Steward::id);
    const std::string name = known == stewards.end() ? "" : known->name;
    accused.push_back({{"name", name}, {"id", to_string(id)}});
    lines.push_back("  signed both: " + name + "  " + to_string(id));
  }
  lines.insert(lines.end(), {"The rival is kept as evidence: " + rival_file(own).string(),
                             "From now on this node takes part with the " +
                                 std::to_string(fork.members.size()) + " members of both only.",
                             "Agree with the others which is right, then: kith charter pin FILE"});
  return {{{"fork",
            {{"number", fork.number},
             {"signed_twice", accused},
             {"evidence", rival_file(own).string()},
             {"members", to_json(fork.members)}}}},
          lines,
          EX_DATAERR};
}

/// Takes what is news in `file`, and says so.
std::string take_renewals(const fs::path& own, const Charter& charter, const fs::path& file) {
  const fs::path kept = renewals_file(own);
  const auto here = load_renewals(kept, charter);
  auto all = load_renewals(file, charter);
  all.insert(all.begin(), here.begin(), here.end());
  all = in_force(charter, std::move(all));
  if (all == here) return file.string() + ": nobody has renewed more than is known here.";
  save_renewals(kept, all);
  const auto is_news = [&](const net::Renewal& renewal) {
    return std::ranges::find(here, renewal) == here.end();
  };
  return file.string() + ": " + std::to_string(std::ranges::count_if(all, is_news)) +
         " renewed since, and signed it; a running node takes that up within a second.";
}

Answer merge(const CharterOptions& options) {
  const fs::path own = options.charter();
  CharterChain chain;
  if (fs::exists(own)) chain = open_charter(own);
  std::optional<net::Hash> before;
  if (!chain.versions().empty()) before = chain.newest().id;
  Answer answer;
  std::optional<SignedCharter> proposal;
  fs::path proposal_file;
  auto files = options.files;
  std::stable_partition(files.begin(), files.end(), std::not_fn(is_proposal));
  for (const fs::path& file : files) {
    if (is_renewals_file(file)) continue;  // when it is known which charter is followed
    if (is_proposal(file)) {
      const SignedCharter found = load_proposal(file);
      if (proposal && proposal->body != found.body) {
        throw Failure(EX_USAGE, file.string() + " proposes something else than " +
                                    proposal_file.string() + "; merge one after the other");
      }
      if (!proposal) proposal_file = file;
      if (chain.versions().empty()) (void)load_charter(own);  // says how to get one
      (void)tally_of(chain, found, file);
      if (!proposal) proposal = found;
      merge_signatures(*proposal, found);
      continue;
    }
    CharterChain theirs = load_charter(file);
    check_consortium(options, theirs, file);
    if (!chain.versions().empty()) {
      check_founding(chain, theirs, file);
      if (const auto fork = find_fork(chain, theirs)) {
        keep_rival(own, theirs);
        auto right = settle_fork(own, chain);
        if (!right) return raise_alarm(own, chain, *fork);
        answer.lines.emplace_back(
            "There are two rivals; enough stewards who did not sign both stand behind the one that "
            "is followed from now on:");
        chain = std::move(*right);
        continue;
      }
    }
    if (theirs.versions().size() > chain.versions().size()) chain = std::move(theirs);
  }
  if (proposal) {
    const net::Tally tally = tally_of(chain, *proposal, proposal_file);
    answer.value["signatures"] = tally_json(tally);
    if (!tally.enough()) {
      save_proposal(proposal_file, *proposal);
      answer.lines.push_back(proposal_file.string() + " now has every signature of these files.");
    }
    if (!tally.enough()) answer.lines.push_back(tally_text(tally));
    if (tally.enough()) (void)chain.append(*proposal);
  }
  if (chain.versions().empty()) (void)load_charter(own);  // says how to get one
  const auto& newest = chain.newest();
  for (const fs::path& file : files) {
    if (is_renewals_file(file)) answer.lines.push_back(take_renewals(own, newest.charter, file));
  }
  const bool changed = before != newest.id;
  if (changed) {
    follow_charter(own, chain);
    answer.lines.insert(
        answer.lines.end(),
        {own.string() + " now has version " + std::to_string(newest.charter.number) + " of \"" +
             newest.charter.consortium + "\", with " +
             std::to_string(newest.charter.members.size()) + " members.",
         "  fingerprint  " + fingerprint(newest.id)});
    if (!before) {
      answer.lines.push_back("  founded as   " + fingerprint(chain.versions().front().id) +
                             ": compare it with a steward, on the telephone");
    } else {
      answer.lines.emplace_back(
          "A running node takes it up within a second, and tells the others.");
    }
  } else if (answer.lines.empty()) {
    answer.lines.emplace_back("There is nothing in it that is not here already.");
  }
  answer.value["number"] = newest.charter.number;
  answer.value["fingerprint"] = fingerprint(newest.id);
  answer.value["changed"] = changed;
  return answer;
}

Answer pin(const CharterOptions& options) {
  const fs::path own = options.charter();
  const CharterChain chain = load_charter(options.files.empty() ? own : options.files.front());
  check_consortium(options, chain, own);
  decide_for(own, chain, net::Verdict::refused);
  const auto& newest = chain.newest();
  return {{{"number", newest.charter.number}, {"fingerprint", fingerprint(newest.id)}},
          {"From now on version " + std::to_string(newest.charter.number) + " is followed here:",
           "  fingerprint  " + fingerprint(newest.id)}};
}

/// Those that others can dial.
std::vector<std::string> reachable(const std::vector<std::string>& listen) {
  std::vector<std::string> found;
  for (const std::string& address : listen) {
    const auto endpoint = net::parse_endpoint(address);
    if (endpoint && endpoint->host != "0.0.0.0" && endpoint->host != "::") found.push_back(address);
  }
  return found;
}

/// This node as its card says: with what the options say, or else its charter, or configuration.
Member own_member(const CharterOptions& options, const crypto::NodeKeys& keys) {
  const auto config = options.config();
  Member member;
  member.id = keys.identity.id();
  member.channel = keys.channel.public_key();
  member.name = options.name.empty() && config ? config->node.name : options.name;
  member.addresses = options.addresses;
  if (options.addresses.empty() && config) member.addresses = reachable(config->node.listen);
  if (member.addresses.empty() && options.addresses.empty() && fs::exists(options.charter())) {
    const auto& members = load_charter(options.charter()).newest().charter.members;
    const auto known = std::ranges::find(members, member.id, &Member::id);
    if (known != members.end()) member.addresses = known->addresses;
  }
  if (!net::is_label(member.name)) {
    throw Failure(EX_USAGE, "a card needs a name of 1 to 64 printable characters: --name NAME");
  }
  if (!net::are_addresses(member.addresses)) {
    throw Failure(EX_USAGE, "a card has at most 4 addresses, each like \"host:7700\"");
  }
  return member;
}

Answer request(const CharterOptions& options) {
  const auto keys = load_keys(options.keys());
  const Member member = own_member(options, keys);
  const std::string card = net::to_text(net::make_card(member, keys.identity));
  Answer answer{to_json(member), {}};
  answer.value["card"] = card;
  if (options.out.empty()) {
    answer.lines = {card.substr(0, card.size() - 1)};
    return answer;
  }
  write_whole(options.out, as_byte_view(card));
  answer.value["file"] = options.out.string();
  answer.lines = {"Wrote " + options.out.string() + ": send it to a steward, and read him this id",
                  "on the telephone: " + to_string(member.id)};
  if (member.addresses.empty()) {
    answer.lines.emplace_back(
        "It names no address: nobody can dial this node, unless you give --address HOST:PORT.");
  }
  return answer;
}

/// A new consortium with the keys that this node has, to which it then moves: a part that goes its
/// own way.
Answer found(const CharterOptions& options) {
  const auto keys = load_keys(options.keys());
  if (fs::exists(options.out)) {
    throw Failure(EX_CANTCREAT, options.out.string() + " exists already");
  }
  if (!net::is_label(options.consortium)) {
    throw Failure(EX_USAGE, "--consortium is 1 to 64 printable characters");
  }
  found_consortium(options.out, options.consortium, own_member(options, keys), keys.identity,
                   options.keys(), system_clock::now());
  const std::string name = fingerprint(load_charter(options.out).newest().id);
  return {{{"file", options.out.string()}, {"consortium", options.consortium}, {"founded", name}},
          {"Founded \"" + options.consortium + "\" in " + options.out.string() + ".",
           "  founded as   " + name,
           "Take others in with kith charter propose, sign and merge, each with --charter " +
               options.out.string() + ";",
           "then every one of them, this node too: kith charter move FILE"}};
}

/// Into the consortium whose charter this is, with all that was learnt.
Answer move(const CharterOptions& options) {
  const fs::path file = options.files.front(), own = options.charter();
  const fs::path config_file = options.config_path();
  const Config config = load_config(config_file);
  const CharterChain chain = load_charter(file);
  const auto& [charter, signed_charter, id] = chain.newest();
  const auto keys = load_keys(options.keys());
  const auto self = std::ranges::find(charter.members, keys.identity.id(), &Member::id);
  if (self == charter.members.end()) {
    throw Failure(EX_NOPERM, file.string() + " does not name this node, " +
                                 to_string(keys.identity.id()) +
                                 ": let its stewards take in what kith charter request prints");
  }
  if (config.consortium.charter.empty()) {
    throw Failure(
        EX_USAGE,
        config_file.string() + " has a list of members; set consortium.charter in its place first");
  }
  if (is_in_use(config.node.state)) {
    throw Failure(EX_TEMPFAIL, "this node runs; stop it first");
  }
  const net::Hash& founded = chain.versions().front().id;
  fs::path aside;
  if (fs::exists(own)) {
    const CharterChain before = load_charter(own);
    const net::Hash& old = before.versions().front().id;
    if (old == founded) {
      throw Failure(EX_USAGE,
                    "this node is in that consortium already; kith charter merge takes "
                    "newer versions");
    }
    aside = own.parent_path() / ("charter-" + crypto::to_hex(old).substr(0, 8) + ".kith");
    write_whole(aside, before.encode());
  }
  // If we are interrupted, the same again finishes it.
  const std::string text = read_text(config_file, kSettingsFile);
  write_whole(config_file, as_byte_view(replace_consortium(text, config_file, charter.consortium)));
  decide_for(own, chain, net::Verdict::refused);
  Answer answer{
      {{"consortium", charter.consortium},
       {"number", charter.number},
       {"fingerprint", fingerprint(id)},
       {"aside", aside.empty() ? json() : json(aside.string())}},
      {"This node is in \"" + charter.consortium + "\" from now on, version " +
           std::to_string(charter.number) + ".  Compare with a steward, on the telephone:",
       "  fingerprint  " + fingerprint(id), "  founded as   " + fingerprint(founded)}};
  if (!aside.empty()) answer.lines.push_back("The charter of before: " + aside.string());
  answer.lines.emplace_back("What it has learnt stays, if the task is the same: kith task diff.");
  return answer;
}

/// For those whom no node of theirs can tell: a running node tells the others by itself.
Answer publish(const CharterOptions& options) {
  const CharterChain chain = open_charter(options.charter());
  const auto& newest = chain.newest();
  if (const auto fork = known_fork(options.charter(), chain)) {
    throw Failure(EX_DATAERR, "it has a rival, " + rival_file(options.charter()).string() +
                                  ": decide with kith charter pin before it is passed on");
  }
  if (fs::exists(options.out)) {
    throw Failure(EX_CANTCREAT, options.out.string() + " exists already");
  }
  write_whole(options.out, chain.encode());
  const std::string name = fingerprint(newest.id);
  return {
      {{"file", options.out.string()}, {"number", newest.charter.number}, {"fingerprint", name}},
      {"Wrote version " + std::to_string(newest.charter.number) + " of \"" +
           newest.charter.consortium + "\", and all before it, to " + options.out.string() + ".",
       "Whoever gets it takes it with kith charter merge FILE, and compares on the telephone:",
       "  fingerprint  " + name, "  founded as   " + fingerprint(chain.versions().front().id)}};
}

bool is_steward(const Charter& charter, const crypto::NodeId& id) {
  return std::ranges::find(charter.stewards, id, &Steward::id) != charter.stewards.end();
}

}  // namespace

Answer admit(const fs::path& config, const Member& member) {
  CharterOptions options;
  options.config_file = config;
  options.members = {member};
  const Answer proposed = propose(options);
  const fs::path file = proposed.value.at("file").get<std::string>();
  options.files = {file};
  const auto keys = load_keys(options.keys());
  const bool steward =
      is_steward(open_charter(options.charter()).newest().charter, keys.identity.id());
  json signatures = proposed.value.at("signatures");
  if (steward) signatures = sign(options).value.at("signatures");
  if (!signatures.at("enough").get<bool>()) {
    Answer answer{{{"admitted", false}, {"proposal", file.string()}, {"signatures", signatures}},
                  {"Proposed in " + file.string() + (steward ? ", and signed." : ".")}};
    answer.lines.push_back(
        tally_text(tally_of(open_charter(options.charter()), load_proposal(file), file)));
    answer.lines.push_back("Pass it round (kith charter sign " + file.string() +
                           "); then: kith charter merge " + file.string());
    return answer;
  }
  Answer answer = merge(options);
  on_disk("remove", [&] { fs::remove(file); });
  answer.value["admitted"] = true;
  return answer;
}

// --- The command line --------------------------------------------------------------------------

void add_charter_verbs(CLI::App& app, std::function<int()>& chosen) {
  CLI::App* const charter = app.add_subcommand(
      "charter", "who belongs to the consortium, and how stewards change that; works on files");
  charter->require_subcommand(1);
  const auto options = std::make_shared<CharterOptions>();
  const auto add = [&](const std::string& name, const std::string& help,
                       Answer (*run)(const CharterOptions&)) {
    CLI::App* const verb = charter->add_subcommand(name, help);
    verb->add_option("--dir,-d", options->directory, "the node's folder")->capture_default_str();
    verb->add_option("--config,-c", options->config_file,
                     "another configuration file than DIR/kith.toml");
    verb->add_option("--charter", options->charter_file,
                     "the charter file, if not the one that the configuration names, or "
                     "DIR/charter.kith");
    verb->add_flag("--json", options->as_json, "print JSON");
    on_parsed(*verb, chosen, options, run);
    return verb;
  };
  const auto add_file = [&](CLI::App* verb, const std::string& help) {
    return verb->add_option("FILE", options->files, help);
  };
  const auto add_keys = [&](CLI::App* verb) {
    verb->add_option("--keys", options->keys_file,
                     "the key file, if not the one that the configuration names, or DIR/node.keys");
  };

  CLI::App* verb = add("show", "members, stewards, threshold and expiry", show);
  add_file(verb, "another charter file, or a proposal")->expected(0, 1);
  verb = add("log", "every version: what it changed, and who signed it", log_versions);
  add_file(verb, "another charter file")->expected(0, 1);
  verb = add("diff", "what the newest version changed, or what a proposal would", show_diff);
  add_file(verb, "a proposal")->expected(0, 1);
  verb->add_option("--from", options->from, "compare with this version");
  verb = add("verify", "check every signature, from the first version on", verify);
  add_file(verb, "another charter file")->expected(0, 1);
  verb->add_option("--fingerprint", options->fingerprint,
                   "of the newest version, as you heard it on the telephone");

  verb = add("request", "print this node's card, for a steward to add it", request);
  verb->add_option("--name", options->name, "its name, if not that of the configuration");
  verb->add_option("--address", options->addresses, "host:port at which the others reach it");
  verb->add_option("--out", options->out, "write the card to this file");
  add_keys(verb);

  verb = add("propose", "write a proposal for the next version", propose);
  verb->add_option("--add", options->add, "the card of a new member, or a member's new card");
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
  verb->add_flag(
      "--given-up", options->given_up,
      "another version that this key has signed, and the charter has not, counts no more");
  add_keys(verb);
  verb = add("merge", "put signatures together, and take newer versions", merge);
  add_file(verb, "proposals, and charter files of others")->required();
  verb = add("found", "a new consortium of this node alone, in a file: a part goes its own way",
             found);
  verb->add_option("--consortium", options->consortium, "its id")->required();
  verb->add_option("--out", options->out, "the charter's file")->required();
  verb->add_option("--name", options->name, "the node's name, if not the configuration's");
  verb->add_option("--address", options->addresses, "host:port at which the others reach it");
  add_keys(verb);
  verb = add("move", "take this node, which must not run, into another consortium", move);
  add_file(verb, "the other's charter, which names this node")->required()->expected(1);
  add_keys(verb);
  verb = add("publish", "a file with the newest version, for who cannot get it from a running node",
             publish);
  verb->add_option("--out", options->out, "where to write it")->required();
  verb = add("pin", "follow this charter from now on, although another was followed before", pin);
  add_file(verb, "the charter to follow, if it is not in place already")->expected(0, 1);
}

}  // namespace kith::daemon
