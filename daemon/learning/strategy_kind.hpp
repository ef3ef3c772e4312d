#pragma once

#include "daemon/config/settings.hpp"
#include "daemon/learning/strategy.hpp"

#include <any>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace kith::daemon {

/// A strategy as its own file describes it: how it is called, what can be set, how it is made.  The
/// list of all is in strategy_kind.cpp, a line for each.
struct StrategyKind {
  /// Where it can be chosen: in a node's configuration, or only in `kith simulate`, since it has to
  /// be told what nobody knows, or to see what a running node does not send or hand out.
  enum class Where { network, simulation };

  std::string name;  ///< "lia"
  Where where = Where::simulation;
  std::string summary;                          ///< a sentence: whom it averages with
  bool is_told_of_drift = false;                ///< who is of its group now, when that changes
  std::vector<settings::Key<std::any>> keys{};  ///< of a scenario's section [strategy.NAME]
  std::function<std::unique_ptr<Strategy>(const Config& config, Roles roles)> make;
};

/// Every strategy there is, in the order in which people read of them.
[[nodiscard]] const std::vector<StrategyKind>& strategy_kinds();
/// Throws Failure(EX_USAGE), which names all, if there is none of this name.
[[nodiscard]] const StrategyKind& strategy_kind(std::string_view name);

// ---- For strategies ----

/// The keys of a strategy that keeps them in `Own`, for StrategyKind::keys.
template <class Own>
std::vector<settings::Key<std::any>> own_keys(std::vector<settings::Key<Own>> keys) {
  const auto part = [](std::any& own) -> Own& {
    if (!own.has_value()) own = Own{};
    return std::any_cast<Own&>(own);
  };
  return settings::section<std::any, Own>("", part, "", std::move(keys)).keys;
}

/// What was set of them; the defaults if nothing was.
template <class Own>
Own own_settings(const Config& config) {
  const Own* const set = std::any_cast<Own>(&config.learning.own);
  return set != nullptr ? *set : Own{};
}

/// Throws Failure(EX_CONFIG) if a strategy that is told the true groups was told none.
void require_groups(const Config& config);

}  // namespace kith::daemon
