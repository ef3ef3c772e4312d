#include "daemon/key_verbs.hpp"

#include "crypto/hash.hpp"
#include "daemon/answer.hpp"
#include "daemon/config.hpp"
#include "daemon/failure.hpp"
#include "daemon/keys.hpp"
#include "daemon/place.hpp"

#include <memory>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;

struct Options {
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

Answer show(const Options& options) {
  return describe(options.file(), load_keys(options.file()), "These are the keys of ");
}

Answer seal(const Options& options) {
  const fs::path file = options.file();
  const auto keys = load_keys(file);
  const auto passphrase = new_passphrase();
  crypto::replace_key_file(file, keys, &passphrase);
  Answer answer = describe(file, keys, "From now on a passphrase is needed for the keys of ");
  answer.lines.emplace_back(
      "Whoever had the file before, or a backup of it, needs none: keep no copy.");
  return answer;
}

Answer open(const Options& options) {
  const fs::path file = options.file();
  const auto keys = load_keys(file);
  crypto::replace_key_file(file, keys, nullptr);
  return describe(file, keys, "No passphrase is needed any more for the keys of ");
}

}  // namespace

void add_key_verbs(CLI::App& app, std::function<int()>& chosen) {
  CLI::App* const key = app.add_subcommand("key", "the secret keys, and a passphrase for them");
  key->require_subcommand(1);
  const auto options = std::make_shared<Options>();
  const auto add = [&](const std::string& name, const std::string& help,
                       Answer (*run)(const Options&)) {
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
}

}  // namespace kith::daemon
