#pragma once

#include "daemon/config/config.hpp"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <optional>

namespace kith::daemon {

/// Where a node lives: --dir, or --config.
struct Place {
  std::filesystem::path directory = ".";
  std::filesystem::path file;
  void add_to(CLI::App& verb) {
    verb.add_option("--dir,-d", directory, "the node's folder, which holds kith.toml")
        ->capture_default_str();
    verb.add_option("--config,-c", file, "another configuration file than DIR/kith.toml");
  }
  [[nodiscard]] std::filesystem::path config() const {
    return file.empty() ? directory / "kith.toml" : file;
  }
  /// The configuration there; nullopt if there is none: a steward's machine needs none.
  [[nodiscard]] std::optional<Config> load() const {
    if (file.empty() && !std::filesystem::exists(config())) return std::nullopt;
    return load_config(config());
  }
};

/// Where a node lives, and where its membership's files are: where an option says, or else the
/// configuration, or else in the folder.
struct MembershipPlace : Place {
  std::filesystem::path charter_file, key_file;

  [[nodiscard]] std::filesystem::path charter() const {
    if (!charter_file.empty()) return charter_file;
    const auto node = load();
    return node ? node->consortium.charter : directory / Config().consortium.charter;
  }
  /// The node key's file.
  [[nodiscard]] std::filesystem::path key() const {
    if (!key_file.empty()) return key_file;
    const auto node = load();
    return node ? node->node.key : directory / Config().node.key;
  }
  [[nodiscard]] std::filesystem::path channel_key() const {
    const auto node = load();
    return node ? node->node.channel_key : directory / Config().node.channel_key;
  }
  [[nodiscard]] std::filesystem::path card() const {
    const auto node = load();
    return node ? node->node.card : directory / Config().node.card;
  }
  void add_charter_to(CLI::App& verb) {
    verb.add_option("--charter", charter_file,
                    "the charter file, if not the one that the configuration names, or "
                    "DIR/charter.kith");
  }
  void add_key_to(CLI::App& verb) {
    verb.add_option("--key", key_file,
                    "the node key's file, if not the one that the configuration names, or "
                    "DIR/node.key");
  }
  /// The configuration of the node whose charter this is; nullopt if --charter names another's.
  [[nodiscard]] std::optional<Config> node_of_charter() const {
    return charter_file.empty() ? load() : std::nullopt;
  }
};

}  // namespace kith::daemon
