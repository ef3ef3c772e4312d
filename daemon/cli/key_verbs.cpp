#include "crypto/hash.hpp"
#include "daemon/api/ask.hpp"
#include "daemon/api/control.hpp"
#include "daemon/cli/place.hpp"
#include "daemon/cli/verbs.hpp"
#include "daemon/membership/keys.hpp"
#include "daemon/membership/membership.hpp"
#include "daemon/system/dates.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"

#include <memory>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using std::chrono::system_clock;

struct KeyOptions : MembershipPlace {
  std::vector<std::string> addresses;
  std::string name;
  fs::path file;
  bool as_json = false;

  [[nodiscard]] KeyFiles files() const { return {key(), channel_key(), card()}; }
};

/// A running node works with what is on the disk now; whether one runs.
bool reload(const KeyOptions& options) {
  const auto config = options.load();
  if (!config) return false;
  try {
    (void)ask_node(*config, "POST", "/v1/keys/reload");
    return true;
  } catch (const NoNodeRuns&) {
    return false;
  } catch (const Failure& failure) {
    throw Failure(EX_TEMPFAIL, std::string("the keys are made, but the running node does not take "
                                           "them up: ") +
                                   failure.what() + "; restart it");
  }
}

/// The card after the one in the file: it outbids what others have, if the node knows of that.
std::uint64_t to_outbid(const KeyOptions& options, const std::optional<net::Card>& card) {
  std::uint64_t latest = card ? card->issued : 0;
  const auto config = options.load();
  if (!config) return latest;
  try {
    const json status = ask_node(*config, "GET", "/v1/status");
    const json& elsewhere = status.at("renewed_elsewhere");
    if (elsewhere.is_number_unsigned()) latest = std::max(latest, elsewhere.get<std::uint64_t>());
  } catch (const NoNodeRuns&) {
  }
  return latest;
}

net::Card sign_card(const KeyOptions& options, const crypto::Identity& identity) {
  const auto before = load_card(options.card());
  const auto config = options.load();
  CardDraft draft{options.name, options.addresses};
  if (draft.name.empty()) draft.name = before ? before->name : config ? config->node.name : "";
  if (draft.addresses.empty() && before) draft.addresses = before->addresses;
  const net::Hash founded = load_record(options.charter()).chain.founded();
  return write_card(options.files(), identity, draft, founded, system_clock::now(),
                    to_outbid(options, before));
}

Answer describe(const net::Card& card, bool runs) {
  Answer answer{{{"id", to_string(card.node)},
                 {"channel", crypto::to_hex(card.channel.key)},
                 {"addresses", card.addresses},
                 {"issued", card.issued},
                 {"card", net::to_text(card)}},
                {}};
  answer.lines.emplace_back(runs ? "The node has taken it up, and tells the others."
                                 : "The node takes it up when it starts, and tells the others.");
  return answer;
}

// --- The verbs -----------------------------------------------------------------------------------

Answer show(const KeyOptions& options) {
  const auto keys = load_channel_keys(options.channel_key());
  const auto card = load_card(options.card());
  Answer answer{{{"file", options.channel_key().string()},
                 {"id", to_string(keys.id)},
                 {"channel", crypto::to_hex(keys.channel.public_key().key)},
                 {"node_key_here", fs::exists(options.key())}},
                {"This is the channel key of " + to_string(keys.id)}};
  answer.lines.push_back(fs::exists(options.key())
                             ? "Its node key is here as well: " + options.key().string()
                             : "Its node key is kept elsewhere.");
  if (keys.former) {
    const std::string until = date(seconds_of(overlap_end(former_key(options.channel_key()))));
    answer.value["former_until"] = until;
    answer.lines.push_back("It answers to its former channel key as well, until " + until + ".");
  }
  if (card && card->channel != keys.channel.public_key()) {
    answer.lines.emplace_back("ITS CARD NAMES ANOTHER CHANNEL KEY: kith key card makes a right one.");
  }
  return answer;
}

Answer renew(const KeyOptions& options) {
  const auto identity = load_node_key(options.key());
  const fs::path former = former_key(options.channel_key());
  const bool again = fs::exists(former);
  if (fs::exists(options.channel_key())) {
    renew_channel_key(options.channel_key());
  } else {
    (void)make_keys(options.files());  // it was lost
  }
  const net::Card card = sign_card(options, identity);
  const bool runs = reload(options);
  Answer answer = describe(card, runs);
  answer.lines.insert(answer.lines.begin(),
                      "There is a new channel key for " + to_string(card.node));
  if (!fs::exists(former)) return answer;
  const std::string until = date(seconds_of(overlap_end(former)));
  answer.value["former_until"] = until;
  answer.lines.push_back("Until " + until + " it answers to the former key as well" +
                         (again ? ", and no longer to the one before that." : "."));
  answer.lines.emplace_back("If that was stolen: kith key retire ends it at once.");
  return answer;
}

Answer make_card(const KeyOptions& options) {
  const net::Card card = sign_card(options, load_node_key(options.key()));
  const bool runs = reload(options);
  Answer answer = describe(card, runs);
  answer.lines.insert(answer.lines.begin(), "There is a new card of " + to_string(card.node));
  return answer;
}

Answer retire(const KeyOptions& options) {
  const fs::path former = former_key(options.channel_key());
  if (!fs::exists(former)) throw Failure(EX_USAGE, "there is no former key; nothing is changed");
  on_disk("remove", [&] { fs::remove(former); });
  const bool runs = reload(options);
  return {{{"file", former.string()}, {"taken_up", runs}},
          {"The former channel key is gone. Who knows this node only by that one cannot dial it; "
           "this node dials it, if it has an address."}};
}

/// The key file that is named, or else the channel key's.
fs::path named(const KeyOptions& options) {
  return options.file.empty() ? options.channel_key() : options.file;
}

Answer seal(const KeyOptions& options) {
  const fs::path file = named(options);
  const auto passphrase = new_passphrase();
  seal_key_file(file, &passphrase);
  return {{{"file", file.string()}, {"sealed", true}},
          {"From now on a passphrase is needed for " + file.string() + ".",
           "Whoever had the file before, or a backup of it, needs none: keep no copy."}};
}

Answer open(const KeyOptions& options) {
  const fs::path file = named(options);
  seal_key_file(file, nullptr);
  return {{{"file", file.string()}, {"sealed", false}},
          {"No passphrase is needed any more for " + file.string() + "."}};
}

}  // namespace

void add_key_verbs(CLI::App& app, Chosen& chosen) {
  CLI::App* const key =
      app.add_subcommand("key", "show and change the secret keys, their passphrases, and the card");
  key->require_subcommand(1);
  const auto options = std::make_shared<KeyOptions>();
  const auto add = [&](const std::string& name, const std::string& help,
                       Answer (*run)(const KeyOptions&)) {
    CLI::App* const verb = key->add_subcommand(name, help);
    options->add_to(*verb);
    on_parsed(*verb, chosen, options, run);
    return verb;
  };
  const auto add_card = [&](CLI::App* verb) {
    options->add_key_to(*verb);
    verb->add_option("--address", options->addresses, "host:port at which the others reach it");
  };
  const auto add_file = [&](CLI::App* verb) {
    verb->add_option("FILE", options->file, "the node key's file, or the channel key's (the default)");
  };
  add("show", "show whose keys they are", show);
  add_card(add("renew", "make a new channel key; needs the node key, and no steward", renew));
  add_card(add("card", "sign a new card: with other addresses, say", make_card));
  add("retire", "answer to the former channel key no longer", retire);
  add_file(add("seal", "seal a key with a passphrase, or with another one", seal));
  add_file(add("open", "take the passphrase away", open));
}

}  // namespace kith::daemon
