#include "daemon/cli/key_verbs.hpp"

#include "crypto/hash.hpp"
#include "daemon/cli/answer.hpp"
#include "daemon/membership/charter_file.hpp"
#include "daemon/config/config.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/membership/keys.hpp"
#include "daemon/cli/place.hpp"

#include <memory>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;

struct KeyOptions {
  Place place;
  fs::path keys_file;
  bool as_json = false;

  /// The one that is named, or the node's, or that of a folder without a configuration.
  [[nodiscard]] fs::path file() const {
    if (!keys_file.empty()) return keys_file;
    if (fs::exists(place.config())) return load_config(place.config()).node.keys;
    return place.directory / Config().node.keys;
  }
};

Answer describe(const fs::path& file, const crypto::NodeKeys& keys, const std::string& what) {
  const std::string id = to_string(keys.identity.id());
  return {
      {{"file", file.string()}, {"id", id}, {"channel", crypto::to_hex(keys.channel.public_key())}},
      {what + id}};
}

Answer show(const KeyOptions& options) {
  const auto keys = load_keys(options.file());
  Answer answer = describe(options.file(), keys, "These are the keys of ");
  if (keys.former) {
    const std::string until = date(seconds_of(overlap_end(former_keys(options.file()))));
    answer.value["former_until"] = until;
    answer.lines.push_back("It answers to its former channel key as well, until " + until + ".");
  }
  return answer;
}

Answer seal(const KeyOptions& options) {
  const fs::path file = options.file();
  const auto keys = load_keys(file);
  const auto passphrase = new_passphrase();
  seal_keys(file, keys, &passphrase);
  Answer answer = describe(file, keys, "From now on a passphrase is needed for the keys of ");
  answer.lines.emplace_back(
      "Whoever had the file before, or a backup of it, needs none: keep no copy.");
  return answer;
}

Answer open(const KeyOptions& options) {
  const fs::path file = options.file();
  const auto keys = load_keys(file);
  seal_keys(file, keys, nullptr);
  return describe(file, keys, "No passphrase is needed any more for the keys of ");
}

Answer renew(const KeyOptions& options) {
  const fs::path file = options.file();
  if (options.keys_file.empty() && fs::exists(options.place.config())) {
    if (load_config(options.place.config()).consortium.charter.empty()) {
      throw Failure(EX_USAGE,
                    "this node has no charter, but a list of members in its configuration: "
                    "the others would not know it by another key");
    }
  }
  const bool again = fs::exists(former_keys(file));
  const auto keys = renew_keys(file);
  Answer answer = describe(file, keys, "There is a new channel key for ");
  const std::string until = date(seconds_of(overlap_end(former_keys(file))));
  answer.value["former_until"] = until;
  answer.lines.emplace_back(
      "The node, if it runs, takes it up within a second, else when it starts; then it tells the "
      "others.");
  answer.lines.push_back("Until " + until + " it answers to the former key as well" +
                         (again ? ", and no longer to the one before that." : "."));
  answer.lines.emplace_back("If that was stolen: kith key retire ends it at once.");
  return answer;
}

Answer retire(const KeyOptions& options) {
  const fs::path file = options.file(), former = former_keys(file);
  if (!fs::exists(former)) throw Failure(EX_USAGE, "there is no former key; nothing is changed");
  on_disk("remove", [&] { fs::remove(former); });
  return {{{"file", former.string()}},
          {"The former channel key is gone. Who knows this node only by that one cannot dial it; "
           "this node dials him, if he has an address."}};
}

}  // namespace

void add_key_verbs(CLI::App& app, std::function<int()>& chosen) {
  CLI::App* const key = app.add_subcommand("key", "the secret keys, and a passphrase for them");
  key->require_subcommand(1);
  const auto options = std::make_shared<KeyOptions>();
  const auto add = [&](const std::string& name, const std::string& help,
                       Answer (*run)(const KeyOptions&)) {
    CLI::App* const verb = key->add_subcommand(name, help);
    verb->add_option("--keys", options->keys_file,
                     "the key file, if not the one that the configuration names, or DIR/node.keys");
    options->place.add_to(*verb);
    verb->add_flag("--json", options->as_json, "print JSON");
    on_parsed(*verb, chosen, options, run);
  };
  add("show", "whose keys they are", show);
  add("seal", "seal them with a passphrase, or with another one", seal);
  add("open", "take the passphrase away", open);
  add("renew", "make a new channel key: no steward is asked, and the others learn of it", renew);
  add("retire", "answer to the former channel key no longer", retire);
}

}  // namespace kith::daemon
