#include "daemon/membership/charter_file.hpp"

#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/membership/keys.hpp"
#include "daemon/system/log.hpp"
#include "daemon/membership/renewals.hpp"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <nlohmann/json.hpp>
#include <sstream>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::string_view kProposal = "kith charter proposal 1\n";
constexpr std::string_view kPin = "kith-charter-pin-1";
constexpr std::string_view kSettled = "kith-charter-settled-1";
constexpr std::size_t kProposalSize = net::limits::kCharter + (16 << 10);
constexpr std::size_t kPinSize = 256;
constexpr std::size_t kSettledSize = 1 << 20;
constexpr std::size_t kLedgerSize = 16 << 20;
constexpr std::chrono::hours kFirstExpiry{24 * 365};
constexpr std::chrono::minutes kLookAgain{1};  // if it could not be followed
constexpr std::chrono::hours kLook{24};  // at the time that is left, although no file has changed

fs::path beside(fs::path file, const char* extension) { return file += extension; }
fs::path pin_file(const fs::path& file) { return beside(file, ".pin"); }
fs::path settled_file(const fs::path& file) { return beside(file, ".settled"); }

std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

[[noreturn]] void missing(const fs::path& file) {
  throw Failure(EX_NOINPUT, "there is no " + file.string() +
                                "; get the charter file from a steward, and take it with kith "
                                "charter merge FILE");
}

struct Pin {
  std::uint64_t number = 0;
  crypto::Hash id{};
};

std::optional<Pin> load_pin(const fs::path& file) {
  const auto bytes = read_whole(pin_file(file), kPinSize);
  if (!bytes) return std::nullopt;
  std::istringstream text{std::string(as_text(*bytes))};
  std::string magic, digits;
  Pin pin;
  text >> magic >> pin.number >> digits;
  const auto id = crypto::from_hex(digits);
  if (!text || magic != kPin || !id || id->size() != pin.id.size()) {
    throw Failure(EX_DATAERR, pin_file(file).string() +
                                  " is damaged; compare the fingerprint that kith charter show "
                                  "prints with the other members, then run kith charter pin");
  }
  std::ranges::copy(*id, pin.id.begin());
  return pin;
}

std::string_view name(net::Verdict verdict) {
  return verdict == net::Verdict::refused ? "refused" : "outvoted";
}

std::optional<net::Verdict> verdict_of(std::string_view text) {
  for (const auto verdict : {net::Verdict::refused, net::Verdict::outvoted}) {
    if (text == name(verdict)) return verdict;
  }
  return std::nullopt;
}

// A line for each: "refused" or "outvoted", and the hash.
net::Verdicts load_verdicts(const fs::path& file) {
  net::Verdicts verdicts;
  const auto bytes = read_whole(settled_file(file), kSettledSize);
  if (!bytes) return verdicts;
  std::istringstream text{std::string(as_text(*bytes))};
  std::string line;
  bool sound = std::getline(text, line) && line == kSettled;
  while (sound && std::getline(text, line)) {
    const std::size_t space = line.find(' ');
    const auto verdict = verdict_of(line.substr(0, space));
    const auto id = crypto::from_hex(space == std::string::npos ? "" : line.substr(space + 1));
    crypto::Hash hash{};
    sound = verdict && id && id->size() == hash.size();
    if (!sound) break;
    std::ranges::copy(*id, hash.begin());
    verdicts[hash] = *verdict;
  }
  if (sound) return verdicts;
  throw Failure(EX_DATAERR, settled_file(file).string() +
                                " is damaged; remove it, and decide again with kith charter pin "
                                "if a rival charter turns up");
}

std::string names_of(const std::vector<crypto::NodeId>& stewards, const net::Charter& charter) {
  std::string names;
  for (const crypto::NodeId& id : stewards) {
    const auto known = std::ranges::find(charter.stewards, id, &net::Steward::id);
    names += (names.empty() ? "" : ", ") +
             (known != charter.stewards.end() ? known->name + " " : "") + to_string(id);
  }
  return names;
}

void check_consortium(const Config& config, const fs::path& file, const net::CharterChain& chain) {
  const std::string& id = chain.newest().charter.consortium;
  if (id == config.consortium.id) return;
  throw Failure(EX_CONFIG, file.string() + " is the charter of \"" + id +
                               "\", but consortium.id is \"" + config.consortium.id +
                               "\": correct the one, or get the other's charter");
}

bool was_member(const net::CharterChain& chain, const std::string& name) {
  return std::ranges::any_of(chain.versions(), [&](const auto& version) {
    return version.charter.find_member(name) != nullptr;
  });
}

void check_age(const fs::path& file, const net::Charter& charter,
               std::chrono::system_clock::time_point now) {
  const net::CharterAge age = net::age(charter, now);
  if (age == net::CharterAge::valid) return;
  const std::string what =
      file.string() + (age == net::CharterAge::expiring ? " expires on " : " expired on ") +
      date(charter.expires) + " (this machine's clock says " + date(seconds_of(now)) + ")";
  const std::string help =
      "ask the stewards for a newer version, which kith charter propose --renew 365 begins; or set "
      "the clock";
  if (age == net::CharterAge::expired) throw Failure(EX_CONFIG, what + ": " + help);
  log::warn("charter_expires",
            {{"what", what},
             {"help", help},
             {"not_after", date(charter.expires +
                                static_cast<std::uint64_t>(
                                    std::chrono::seconds(net::limits::kCharterGrace).count()))}});
}

}  // namespace

std::uint64_t seconds_of(std::chrono::system_clock::time_point time) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count());
}

std::string date(std::uint64_t seconds) {
  const auto time = static_cast<std::time_t>(std::min<std::uint64_t>(seconds, 253'402'300'799));
  std::tm parts{};
  gmtime_r(&time, &parts);
  char text[16];
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%d", &parts);
  return {text, size};
}

std::string fingerprint(const crypto::Hash& id) { return to_string(crypto::NodeId{id}); }

// --- Files -------------------------------------------------------------------------------------

net::CharterChain load_charter(const fs::path& file) {
  const auto bytes = read_whole(file, net::limits::kCharterFile);
  if (!bytes) missing(file);
  auto decoded = net::CharterChain::decode(*bytes);
  if (auto* const chain = std::get_if<net::CharterChain>(&decoded)) return std::move(*chain);
  const auto& refusal = std::get<net::CharterChain::Refusal>(decoded);
  const std::string where = refusal.number > 0
                                ? " is refused at version " + std::to_string(refusal.number)
                                : " is refused";
  throw Failure(EX_DATAERR, file.string() + where + ": " + std::string(explain(refusal.fault)));
}

bool is_proposal(const fs::path& file) {
  const auto bytes = read_whole(file, net::limits::kCharterFile);
  if (!bytes) missing(file);
  return as_text(*bytes).starts_with(kProposal);
}

net::SignedCharter load_proposal(const fs::path& file) {
  const auto bytes = read_whole(file, kProposalSize);
  if (!bytes) {
    throw Failure(EX_NOINPUT,
                  "there is no " + file.string() + "; make a proposal with kith charter propose");
  }
  if (as_text(*bytes).starts_with(kProposal)) {
    auto proposal = net::decode<net::SignedCharter>(ByteView(*bytes).subspan(kProposal.size()));
    if (proposal) return std::move(*proposal);
  }
  throw Failure(EX_DATAERR, file.string() +
                                " is no proposal, or damaged; get it again from whoever "
                                "made it with kith charter propose");
}

void save_proposal(const fs::path& file, const net::SignedCharter& proposal) {
  const ByteView magic = as_byte_view(kProposal);
  Bytes bytes(magic.begin(), magic.end());
  const Bytes body = net::encode(proposal);
  bytes.insert(bytes.end(), body.begin(), body.end());
  write_whole(file, bytes);
}

void check_pin(const fs::path& file, const net::CharterChain& chain) {
  const auto pin = load_pin(file);
  if (!pin || chain.contains(pin->number, pin->id)) return;
  const bool older = chain.newest().charter.number < pin->number;
  throw Failure(EX_DATAERR,
                file.string() + (older ? " ends before version " : " has another version ") +
                    std::to_string(pin->number) + (older ? ", which" : " than the one that") +
                    " was followed here before: get the newest charter file from a steward; if "
                    "it is this one that shall be followed, say so with kith charter pin");
}

void follow_charter(const fs::path& file, const net::CharterChain& chain) {
  write_whole(file, chain.encode());
  pin_charter(file, chain);
}

void pin_charter(const fs::path& file, const net::CharterChain& chain) {
  const auto& newest = chain.newest();
  const std::string text = std::string(kPin) + " " + std::to_string(newest.charter.number) + " " +
                           crypto::to_hex(newest.id) + "\n";
  write_whole(pin_file(file), as_byte_view(text));
}

fs::path rival_file(const fs::path& file) { return beside(file, ".rival"); }

void keep_rival(const fs::path& file, const net::CharterChain& rival) {
  write_whole(rival_file(file), rival.encode());
}

void decide_for(const fs::path& file, const net::CharterChain& chain, net::Verdict verdict) {
  net::Verdicts verdicts = load_verdicts(file);
  for (const fs::path& other : {file, rival_file(file)}) {
    if (!fs::exists(other)) continue;
    try {
      if (const auto fork = find_fork(chain, load_charter(other))) {
        auto& known = verdicts.emplace(fork->other, verdict).first->second;
        if (verdict == net::Verdict::refused) known = verdict;  // no quorum undoes that
      }
    } catch (const Failure&) {  // a damaged one decides nothing
    }
  }
  std::erase_if(verdicts, [&](const auto& each) {  // he may have changed his mind
    return std::ranges::find(chain.versions(), each.first, &net::CharterChain::Version::id) !=
           chain.versions().end();
  });
  std::string text = std::string(kSettled) + "\n";
  for (const auto& [id, how] : verdicts) {
    text += std::string(name(how)) + " " + crypto::to_hex(id) + "\n";
  }
  if (!verdicts.empty() || fs::exists(settled_file(file))) {
    write_whole(settled_file(file), as_byte_view(text));
  }
  follow_charter(file, chain);
  std::error_code failed;
  fs::remove(rival_file(file), failed);
  if (failed) {
    throw Failure(EX_IOERR, "cannot remove " + rival_file(file).string() + ": " + failed.message());
  }
}

std::optional<net::CharterChain> settle_fork(const fs::path& file, const net::CharterChain& chain) {
  if (!fs::exists(rival_file(file))) return std::nullopt;
  const net::CharterChain rival = load_charter(rival_file(file));
  const net::CharterChain* const right = net::settle(chain, rival);
  if (right == nullptr) return std::nullopt;
  decide_for(file, *right, net::Verdict::outvoted);
  return *right;
}

KnownCharters known_charters(const fs::path& file) {
  KnownCharters known{load_charter(file), std::nullopt, load_verdicts(file)};
  if (fs::exists(rival_file(file))) known.rival = load_charter(rival_file(file));
  return known;
}

std::optional<net::CharterFork> known_fork(const fs::path& file, const net::CharterChain& chain) {
  if (!fs::exists(rival_file(file))) return std::nullopt;
  return find_fork(chain, load_charter(rival_file(file)));
}

// --- Signing -----------------------------------------------------------------------------------

namespace {

/// Of a ledger: what a key signed before, and from which file.
struct SignedBefore {
  std::uint64_t number = 0;
  std::string id, file;
};

/// The newest that parts from `chain`, if nothing that `chain` has was signed after it.
std::optional<SignedBefore> left_behind(const std::vector<SignedBefore>& ledger,
                                        const net::CharterChain& chain) {
  const auto& versions = chain.versions();
  std::optional<SignedBefore> newest;
  for (const SignedBefore& each : ledger) {
    if (each.number == 0 || each.number > versions.size()) continue;
    if (!newest || each.number >= newest->number) newest = each;
  }
  if (!newest || crypto::to_hex(versions[newest->number - 1].id) == newest->id) return std::nullopt;
  return newest;
}

}  // namespace

void sign_once(net::SignedCharter& proposal, const net::CharterChain& chain,
               const crypto::Identity& steward, const fs::path& keys, const fs::path& source,
               bool given_up) {
  const net::Charter charter = std::get<net::Charter>(net::parse(proposal));
  const fs::path ledger = beside(keys, ".signed");
  const json place{{"steward", to_string(steward.id())},
                   {"consortium", charter.consortium},
                   {"number", charter.number},
                   {"previous", crypto::to_hex(charter.previous)}};
  const std::string id = crypto::to_hex(proposal.id());
  Bytes bytes = read_whole(ledger, kLedgerSize).value_or(Bytes());
  bool known = false;
  std::vector<SignedBefore> before;
  std::istringstream lines{std::string(as_text(bytes))};
  for (std::string line; std::getline(lines, line);) {
    const json entry = json::parse(line, nullptr, false);
    if (!entry.is_object() || !entry.contains("place") || !entry.contains("id")) {
      throw Failure(EX_DATAERR, ledger.string() +
                                    " is damaged; nothing is signed with this key "
                                    "before it is restored from a backup");
    }
    if (entry.at("place") != place) {
      const json& other = entry.at("place");
      if (other.value("steward", "") != place.at("steward")) continue;
      if (other.value("consortium", "") != charter.consortium) continue;
      before.push_back({other.value("number", std::uint64_t{0}), entry.value("id", ""),
                        entry.value("file", "a file")});
      continue;
    }
    known = entry.at("id") == id;
    if (known) break;
    throw Failure(EX_NOPERM, "this key has signed another version " +
                                 std::to_string(charter.number) + " already, from " +
                                 entry.value("file", "a file") +
                                 "; a second signature would convict its steward of working "
                                 "against the consortium: collect signatures for that one");
  }
  const auto other = left_behind(before, chain);
  if (other && !known && !given_up) {
    throw Failure(EX_NOPERM,
                  "this key has signed another version " + std::to_string(other->number) +
                      " than this charter has, from " + other->file +
                      ": if others follow that one, there are two rivals, and who signs on both "
                      "sides helps neither; look at kith charter log, and ask the other stewards. "
                      "If that one came to nothing, or all of you leave it for this one: "
                      "--given-up");
  }
  if (!known) {
    const json entry{{"place", place}, {"id", id}, {"file", fs::absolute(source).string()}};
    const std::string line = entry.dump(-1, ' ', true, json::error_handler_t::replace) + "\n";
    const ByteView added = as_byte_view(line);
    bytes.insert(bytes.end(), added.begin(), added.end());
    write_whole(ledger, bytes);
  }
  net::sign(proposal, steward);
}

void found_consortium(const fs::path& file, const std::string& id, const net::Member& member,
                      const crypto::Identity& steward, const fs::path& keys,
                      std::chrono::system_clock::time_point now) {
  net::Charter charter;
  charter.consortium = id;
  charter.expires = seconds_of(now + kFirstExpiry);
  charter.stewards = {{steward.id(), member.name}};
  charter.members = {member};
  if (const auto fault = net::problem(charter)) {
    throw Failure(EX_USAGE, "no charter can be made of this: " + std::string(explain(*fault)));
  }
  net::SignedCharter first = net::unsigned_charter(charter);
  net::CharterChain chain;
  sign_once(first, chain, steward, keys, file);
  if (const auto fault = chain.append(std::move(first))) {
    throw Failure(EX_SOFTWARE, std::string(explain(*fault)));
  }
  follow_charter(file, chain);
}

// --- Following ---------------------------------------------------------------------------------

void use_charter(Config& config, std::chrono::system_clock::time_point now) {
  const fs::path& file = config.consortium.charter;
  if (file.empty()) return;
  net::CharterChain chain = load_charter(file);
  check_consortium(config, file, chain);
  check_pin(file, chain);
  if (auto right = settle_fork(file, chain)) {
    const bool ours = right->contains(chain.newest().charter.number, chain.newest().id);
    log::warn("charter_fork_settled",
              {{"number", right->newest().charter.number},
               {"fingerprint", fingerprint(right->newest().id)},
               {"was_followed_before", ours},
               {"help",
                "enough stewards who did not sign both rivals stand behind this one; the other is "
                "no longer heard of, unless it is followed with kith charter pin FILE"}});
    chain = std::move(*right);
  }
  const net::Charter& charter = chain.newest().charter;
  check_age(file, charter, now);
  std::vector<net::Member> members = charter.members;
  if (const auto fork = known_fork(file, chain)) {
    members = fork->members;
    log::error("charter_forked",
               {{"number", fork->number},
                {"signed_twice", names_of(fork->signed_twice, charter)},
                {"evidence", rival_file(file).string()},
                {"members", members.size()},
                {"help",
                 "there are two rival charters, and only the members of both count; agree with the "
                 "others which one is right, and follow it with kith charter pin FILE"}});
  }
  const auto counts = [&](const std::string& key, const std::string& name) {
    if (std::ranges::find(members, name, &net::Member::name) != members.end()) return true;
    if (!was_member(chain, name)) {
      throw Failure(EX_CONFIG, key + " names \"" + name + "\", who is not a member by version " +
                                   std::to_string(charter.number) + " of the charter");
    }
    log::warn("member_gone", {{"name", name},
                              {"help", key + " names it, and it does not count any more; this node "
                                             "goes on without it"}});
    return false;
  };
  Config::Learning& learning = config.learning;
  if (!learning.convenor.empty() && !counts("learning.convenor", learning.convenor)) {
    learning.convenor.clear();
  }
  std::erase_if(learning.oracle_group,
                [&](const auto& name) { return !counts("learning.oracle_group", name); });
  pin_charter(file, chain);
  log::info("charter", {{"number", charter.number},
                        {"members", members.size()},
                        {"expires", date(charter.expires)},
                        {"fingerprint", fingerprint(chain.newest().id)}});
  config.consortium.members = std::move(members);
}

Config CharterWatch::follow(std::chrono::system_clock::time_point now) {
  seen_ = stamp();  // before it is read: what changes from now on is noticed
  looked_ = now;
  Config config = configured_;
  use_charter(config, now);
  members_ = config.consortium.members;
  keys_ = seen_.keys;
  return config;
}

CharterWatch::Change CharterWatch::look(std::chrono::system_clock::time_point now) {
  const Stamp current = stamp();
  if (current == seen_ && now >= looked_ && now - looked_ < kLook) return Change::none;
  seen_ = current;
  looked_ = now;
  Config config = configured_;
  try {
    use_charter(config, now);
  } catch (const Failure& failure) {
    if (failure.code() == EX_CONFIG) throw;
    log::warn("charter_refused", {{"what", failure.what()}});
    looked_ = now - kLook + kLookAgain;  // it may have been half written
    return Change::none;
  }
  const fs::path former = former_keys(configured_.node.keys);
  const bool overlap_is_over = fs::exists(former) && now > overlap_end(former);
  const bool other_members = config.consortium.members != members_;
  return other_members || current.keys != keys_ || overlap_is_over ? Change::node : Change::files;
}

CharterWatch::Stamp CharterWatch::stamp() const {
  const fs::path& file = configured_.consortium.charter;
  std::error_code ignored;  // no file has the least time
  const auto time_of = [&](const fs::path& path) { return fs::last_write_time(path, ignored); };
  const fs::path& keys = configured_.node.keys;
  return {{time_of(file), time_of(rival_file(file)), time_of(renewals_file(file))},
          {time_of(keys), time_of(former_keys(keys))}};
}

}  // namespace kith::daemon
