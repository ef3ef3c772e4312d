#pragma once

#include "daemon/config/config.hpp"
#include "model/data/check.hpp"
#include "net/card.hpp"
#include "net/membership_record.hpp"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

/// What is wrong with a node, or soon will be, and the step that mends it: checks that each stand
/// alone, on a folder that may be half made or broken, whether a node runs there or not.
namespace kith::daemon::doctor {

enum class Verdict { pass, warn, fail };
[[nodiscard]] std::string_view name(Verdict verdict);  ///< "PASS"

/// What a check has found.
struct Finding {
  Verdict verdict = Verdict::pass;
  std::string what{};  ///< a sentence
  std::string help{};  ///< what to do, a sentence; empty with PASS
};

/// A node as the checks see it.  What could not be read is empty, and the reason is beside it.
struct Examined {
  std::filesystem::path file;  ///< kith.toml, whether it is there or not
  Config config;               ///< what it says; else the defaults, with the files beside it
  std::string config_fault{};  ///< why these are defaults; empty if they are not
  std::optional<net::MembershipRecord> charter{};
  std::string charter_fault{};
  std::optional<net::Card> card{};
  std::string card_fault{};
  nlohmann::json status{}, peers{};  ///< what the running node answers; null if none does
  std::string silence{};             ///< why none answers
  bool answers_badly = false;        ///< somebody is there, but is no node that answers us
  std::chrono::system_clock::time_point now = std::chrono::system_clock::now();
  std::function<const char*(const char*)> environment = [](const char* key) {
    return std::getenv(key);
  };
  /// Reads the node's own data and looks at them; may throw.
  std::function<data::CheckReport(const Config&)> look_at_data{};

  [[nodiscard]] bool runs() const { return !status.is_null(); }
  [[nodiscard]] std::filesystem::path folder() const;
};

/// Reads all of that, and asks the node, if one runs, for 5 s at most.  Does not throw.
[[nodiscard]] Examined examine(const std::filesystem::path& config_file);

struct Check {
  const char* name;
  Finding (*look)(const Examined&);
};
/// All of them.  The number of a check is its place, from 1 on, and stays: a new one comes last.
[[nodiscard]] const std::vector<Check>& checks();

/// What all checks have found.
struct Diagnosis {
  struct Item {
    unsigned number = 0;
    std::string name, result, what, help;
    void fields(auto& field) const {
      field("number", number), field("name", name), field("result", result), field("what", what);
      field("help", help);
    }
  };
  std::vector<Item> checks{};
  unsigned passed = 0, warned = 0, failed = 0;
  void fields(auto& field) const {
    field("checks", checks), field("passed", passed), field("warned", warned);
    field("failed", failed);
  }
};

/// Does these checks, one after another.  One that throws has failed, and the rest go on.
[[nodiscard]] Diagnosis diagnose(const Examined& node, const std::vector<Check>& with = checks());

}  // namespace kith::daemon::doctor
