#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>

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
};

}  // namespace kith::daemon
