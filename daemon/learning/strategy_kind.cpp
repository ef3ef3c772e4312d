#include "daemon/learning/strategy_kind.hpp"

#include "daemon/learning/strategies/lia.hpp"
#include "daemon/system/failure.hpp"

#include <algorithm>

// One line for each strategy: StrategyKind NAME_kind(), in a file of its own in strategies/.
#define KITH_STRATEGIES(strategy) \
  strategy(lia);                  \
  strategy(lia_sign);             \
  strategy(local);                \
  strategy(fedavg);               \
  strategy(fedavg_ft);            \
  strategy(oracle);               \
  strategy(ditto);                \
  strategy(fedper);               \
  strategy(fedrep);               \
  strategy(fedala);               \
  strategy(pens);                 \
  strategy(dac);                  \
  strategy(fedfomo);              \
  strategy(ifca);                 \
  strategy(dpfl);                 \
  strategy(look_ahead);           \
  strategy(trimmed_mean);         \
  strategy(median)

namespace kith::daemon {

#define KITH_DECLARED(name) StrategyKind name##_kind()
KITH_STRATEGIES(KITH_DECLARED);
#undef KITH_DECLARED

const std::vector<StrategyKind>& strategy_kinds() {
  static const std::vector<StrategyKind> all = [] {
    std::vector<StrategyKind> kinds;
#define KITH_LISTED(name) kinds.push_back(name##_kind())
    KITH_STRATEGIES(KITH_LISTED);
#undef KITH_LISTED
    return kinds;
  }();
  return all;
}

const StrategyKind& strategy_kind(std::string_view name) {
  const auto& all = strategy_kinds();
  const auto found = std::ranges::find(all, name, &StrategyKind::name);
  if (found != all.end()) return *found;
  std::vector<std::string_view> names;
  for (const StrategyKind& kind : all) names.emplace_back(kind.name);
  throw Failure(EX_USAGE, "there is no strategy \"" + std::string(name) + "\"; name one of " +
                              settings::alternatives(names));
}

std::unique_ptr<Strategy> make_strategy(const Config& config, Roles roles) {
  return strategy_kind(config.learning.strategy).make(config, std::move(roles));
}

void require_groups(const Config& config) {
  if (!config.learning.oracle_group.empty()) return;
  throw Failure(EX_CONFIG, "strategy \"" + config.learning.strategy +
                               "\" needs to know the groups, and these data have none; remove it "
                               "from simulation.strategies");
}

StrategyKind lia_kind() {
  return {.name = "lia",
          .where = StrategyKind::Where::network,
          .summary = "Kith's own: those who help, by what they do to the validation loss.",
          .make = [](const Config& config, Roles roles) -> std::unique_ptr<Strategy> {
            return std::make_unique<Lia>(config, std::move(roles));
          }};
}

}  // namespace kith::daemon
