#include "daemon/membership/proposal.hpp"

#include "daemon/system/dates.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"

#include <boost/algorithm/string/join.hpp>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;
using net::Charter;
using net::Member;
using net::Steward;
using nlohmann::json;

constexpr std::string_view kProposal = "kith charter proposal 2\n";
constexpr std::string_view kOldProposal = "kith charter proposal 1\n";
constexpr std::size_t kCards = net::limits::kMembers;  // all may be new
constexpr std::size_t kProposalSize = net::limits::kCharter + (1 << 20);
constexpr std::size_t kLedgerSize = 16 << 20;
constexpr std::chrono::hours kFirstExpiry{24 * 365};

std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

template <class Item>
void remove_named(std::vector<Item>& items, const std::string& what, const std::string& name) {
  std::vector<std::string> names;
  for (const Item& item : items) names.push_back(item.name);
  if (std::erase_if(items, [&](const Item& item) { return item.name == name; }) > 0) return;
  throw Failure(EX_USAGE, "there is no " + what + " \"" + name + "\"; there are: " +
                              boost::algorithm::join(names, ", "));
}

/// Those of `added` take the places of who had their ids before.
template <class Item>
void add_all(std::vector<Item>& items, const std::vector<Item>& added) {
  for (const Item& one : added) {
    std::erase_if(items, [&](const Item& item) { return item.id == one.id; });
    items.push_back(one);
  }
  std::ranges::sort(items, {}, &Item::id);
}

/// The body of a proposal's file.
struct ProposalBody {
  net::SignedCharter version;
  std::vector<net::Card> cards;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(version, net::at_most<kCards>(cards));
  }
};

}  // namespace

Charter next_version(const net::CharterChain& chain, const CharterChanges& changes,
                     std::chrono::system_clock::time_point now) {
  const Charter& before = chain.newest().charter;
  Charter charter = before;
  for (const std::string& name : changes.remove) remove_named(charter.members, "member", name);
  add_all(charter.members, changes.add);
  for (const std::string& name : changes.steward_remove) {
    remove_named(charter.stewards, "steward", name);
  }
  add_all(charter.stewards, changes.steward_add);
  if (charter.stewards != before.stewards) {
    charter.threshold = static_cast<std::uint32_t>(charter.stewards.size() / 2 + 1);
  }
  if (changes.threshold > 0) charter.threshold = changes.threshold;
  if (changes.renew > std::chrono::hours(0)) charter.expires = seconds_of(now + changes.renew);
  if (charter == before) {
    throw Failure(EX_USAGE,
                  "this changes nothing; say what: --add FILE, --remove NAME, --steward-add, "
                  "--steward-remove, --threshold or --renew");
  }
  ++charter.number;
  charter.previous = chain.newest().id;
  if (const auto fault = net::problem(charter)) {
    throw Failure(EX_USAGE, "such a charter would be refused: " + std::string(explain(*fault)));
  }
  return charter;
}

Charter founding_version(const std::string& consortium, const Member& member,
                         std::chrono::system_clock::time_point now) {
  Charter charter;
  charter.consortium = consortium;
  charter.expires = seconds_of(now + kFirstExpiry);
  charter.stewards = {{member.id, member.name}};
  charter.members = {member};
  if (const auto fault = net::problem(charter)) {
    throw Failure(EX_USAGE, "no charter can be made of this: " + std::string(explain(*fault)));
  }
  return charter;
}

// --- Files -------------------------------------------------------------------------------------

bool is_proposal(ByteView file) {
  const std::string_view text = as_text(file);
  return text.starts_with(kProposal) || text.starts_with(kOldProposal);
}

Proposal parse_proposal(ByteView file, const std::string& name) {
  if (as_text(file).starts_with(kOldProposal)) {
    throw Failure(EX_DATAERR, name + " was made by Kith 0.1: make it anew with this one");
  }
  if (as_text(file).starts_with(kProposal) && file.size() <= kProposalSize) {
    auto body = net::decode<ProposalBody>(file.subspan(kProposal.size()));
    if (body && std::ranges::all_of(body->cards, net::is_sound)) {
      return {std::move(body->version), std::move(body->cards)};
    }
  }
  throw Failure(EX_DATAERR, name +
                                " is no proposal, or damaged; get it again from whoever "
                                "made it with kith charter propose");
}

Bytes encode_proposal(const Proposal& proposal) {
  const ByteView magic = as_byte_view(kProposal);
  Bytes bytes(magic.begin(), magic.end());
  const Bytes body = net::encode(ProposalBody{proposal.version, proposal.cards});
  bytes.insert(bytes.end(), body.begin(), body.end());
  return bytes;
}

Proposal load_proposal(const fs::path& file) {
  const auto bytes = read_whole(file, kProposalSize);
  if (!bytes) {
    throw Failure(EX_NOINPUT,
                  "there is no " + file.string() + "; make a proposal with kith charter propose");
  }
  return parse_proposal(*bytes, file.string());
}

void save_proposal(const fs::path& file, const Proposal& proposal) {
  write_whole(file, encode_proposal(proposal));
}

net::Tally tally_of(const net::CharterChain& chain, const net::SignedCharter& proposal,
                    const std::string& name) {
  if (chain.contains(chain.newest().charter.number, proposal.id())) {
    throw Failure(EX_USAGE, name + " is the newest version of the charter already");
  }
  const auto tally = chain.tally(proposal);
  if (const auto* fault = std::get_if<net::CharterFault>(&tally)) {
    std::string accused;
    for (const auto& version : chain.versions()) {
      for (const crypto::NodeId& id : signed_twice(version.signed_charter, proposal)) {
        accused += "; signed both: " + to_string(id);
      }
    }
    throw Failure(EX_DATAERR, name + " is refused: " + std::string(explain(*fault)) + accused);
  }
  return std::get<net::Tally>(tally);
}

// --- Signing -----------------------------------------------------------------------------------

namespace {

fs::path ledger_of(fs::path key) { return key += ".signed"; }

/// What this key has signed at `place` before, as the ledger says it; the newest.
json signed_before(const Bytes& ledger, const json& place, const fs::path& file) {
  json found = nullptr;
  std::istringstream lines{std::string(as_text(ledger))};
  for (std::string line; std::getline(lines, line);) {
    json entry = json::parse(line, nullptr, false);
    if (!entry.is_object() || !entry.contains("place") || !entry.contains("id")) {
      throw Failure(EX_DATAERR, file.string() +
                                    " is damaged; nothing is signed with this key "
                                    "before it is restored from a backup");
    }
    if (entry.at("place") == place) found = std::move(entry);
  }
  return found;
}

}  // namespace

void sign_once(net::SignedCharter& proposal, const net::CharterChain& chain,
               const crypto::Identity& steward, const fs::path& key, const fs::path& source,
               bool given_up) {
  const Charter charter = std::get<Charter>(net::parse(proposal));
  const net::Hash founded = chain.empty() ? proposal.id() : chain.founded();
  const fs::path ledger = ledger_of(key);
  const json place{{"steward", to_string(steward.id())},
                   {"founded", crypto::to_hex(founded)},
                   {"number", charter.number}};
  const std::string id = crypto::to_hex(proposal.id());
  Bytes bytes = read_whole(ledger, kLedgerSize).value_or(Bytes());
  const json before = signed_before(bytes, place, ledger);
  const bool known = !before.is_null() && before.at("id") == id;
  if (!before.is_null() && !known && !given_up) {
    throw Failure(EX_NOPERM,
                  "this key has signed another version " + std::to_string(charter.number) +
                      " already, from " + before.value("file", "a file") +
                      "; two signatures make two rival charters: collect signatures for that one. "
                      "If it came to nothing, and the other stewards give it up as well: "
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

}  // namespace kith::daemon
