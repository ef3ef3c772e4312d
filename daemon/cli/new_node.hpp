#pragma once

#include "daemon/cli/place.hpp"
#include "daemon/membership/keys.hpp"

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace kith::daemon {

/// A new node's folder, and what `init` and `join` are told of it.
struct NewNode {
  Place place;
  std::string name = "node", listen = "0.0.0.0:7700", address;
  std::vector<std::string> train, validation, test;

  void add_to(CLI::App& verb);

  [[nodiscard]] std::filesystem::path file() const { return place.config(); }
  [[nodiscard]] std::filesystem::path folder() const { return file().parent_path(); }
  /// For commands that people copy.
  [[nodiscard]] std::string dir() const { return folder().empty() ? "." : folder().string(); }
  /// Where its keys are, or will be.
  [[nodiscard]] KeyFiles key_files() const;
  [[nodiscard]] std::filesystem::path charter() const;

  /// With what is not said as it is by default.
  [[nodiscard]] Config config() const;
  /// Makes its folder, and its keys if there are none.
  [[nodiscard]] crypto::Identity make() const;
  /// Throws Failure(EX_USAGE) if what was told makes no node.
  void check() const;
  [[nodiscard]] CardDraft draft() const { return {name, addresses()}; }

  /// What is not said now is as it was said before.
  [[nodiscard]] nlohmann::json to_json() const;
  void fill(const nlohmann::json& before);

  /// What is left to be done by hand; empty if nothing is.
  [[nodiscard]] std::string data_hint() const;
  [[nodiscard]] std::string unreachable_hint() const;

 private:
  [[nodiscard]] std::vector<std::string> addresses() const;
};

}  // namespace kith::daemon
