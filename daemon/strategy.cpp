#include "daemon/strategy.hpp"

#include "daemon/strategies/fixed.hpp"
#include "daemon/strategies/lia.hpp"
#include "model/weights.hpp"

#include <algorithm>

namespace kith::daemon {
std::unique_ptr<Strategy> make_strategy(const Config& config,
                                        std::vector<std::string> oracle_group) {
  switch (config.learning.strategy) {
    case StrategyName::lia:
      return std::make_unique<Lia>(config);
    case StrategyName::local:
      return std::make_unique<Fixed>(config, std::vector<std::string>());
    case StrategyName::fedavg:
      return std::make_unique<Fixed>(config, std::nullopt);
    case StrategyName::oracle:
      return std::make_unique<Fixed>(config, std::move(oracle_group));
  }
  return nullptr;
}

pipe::Mixture mixture(const Situation& situation, const std::vector<std::string>& members,
                      double half_life) {
  std::vector<double> ages;
  for (const std::string& member : members) {
    const auto found = std::ranges::find(situation.candidates, member, &Candidate::peer);
    assert(found != situation.candidates.end());
    ages.push_back(static_cast<double>(situation.round - found->arrived));
  }
  pipe::Mixture mixture;
  mixture.members = {"self"};
  mixture.members.insert(mixture.members.end(), members.begin(), members.end());
  mixture.weights = model::aggregation_weights(ages, half_life);
  return mixture;
}

}  // namespace kith::daemon
