#include "daemon/learning/strategy.hpp"

#include "daemon/system/failure.hpp"
#include "daemon/learning/strategies/dac.hpp"
#include "daemon/learning/strategies/fedfomo.hpp"
#include "daemon/learning/strategies/fixed.hpp"
#include "daemon/learning/strategies/ifca.hpp"
#include "daemon/learning/strategies/lia.hpp"
#include "daemon/learning/strategies/lia_sign.hpp"
#include "daemon/learning/strategies/pens.hpp"
#include "daemon/learning/strategies/robust.hpp"
#include "model/weights.hpp"

#include <algorithm>
#include <cassert>
#include <iterator>

namespace kith::daemon {
std::unique_ptr<Strategy> make_strategy(const Config& config, Roles roles) {
  switch (config.learning.strategy) {
    case StrategyName::lia:
      return std::make_unique<Lia>(config, std::move(roles));
    case StrategyName::lia_sign:
      return std::make_unique<LiaSign>(config);
    case StrategyName::local:
      return std::make_unique<Fixed>(config, std::vector<std::string>());
    case StrategyName::fedavg:
      return std::make_unique<Fixed>(config, std::nullopt);
    case StrategyName::oracle:
      return std::make_unique<Fixed>(config, std::move(roles.oracle_group));
    case StrategyName::pens:
      return std::make_unique<Pens>(config);
    case StrategyName::dac:
      return std::make_unique<Dac>(config);
    case StrategyName::fedfomo:
      return std::make_unique<FedFomo>(config);
    case StrategyName::ifca:
      return std::make_unique<Ifca>(config);
    case StrategyName::trimmed_mean:
      return std::make_unique<Robust>(std::move(roles.oracle_group), Robust::Rule::trimmed_mean);
    case StrategyName::median:
      return std::make_unique<Robust>(std::move(roles.oracle_group), Robust::Rule::median);
  }
  return nullptr;
}

void check_works_on_network(const Config& config) {
  const std::string strategy(name(config.learning.strategy));
  if (make_strategy(config, {})->needs_notes()) {
    throw Failure(EX_CONFIG, "strategy \"" + strategy +
                                 "\" needs its peers' notes, which are not sent over a network; "
                                 "run it with kith simulate, or choose another learning.strategy");
  }
  if (make_strategy(config, {})->reads_models()) {
    throw Failure(EX_CONFIG, "strategy \"" + strategy +
                                 "\" reads its peers' weights, which a running node does not hand "
                                 "out; run it with kith simulate, or choose another "
                                 "learning.strategy");
  }
  if (config.learning.strategy == StrategyName::pens && config.learning.pens_top == 0) {
    throw Failure(EX_CONFIG,
                  "strategy \"pens\" needs learning.pens_top; set it to the number of peers that "
                  "are like this node, or choose another learning.strategy");
  }
}

std::vector<std::string> candidates_among(const Situation& situation,
                                          const std::vector<std::string>& peers) {
  std::vector<std::string> found;
  std::ranges::copy_if(peers, std::back_inserter(found), [&](const std::string& peer) {
    return std::ranges::find(situation.candidates, peer, &Candidate::peer) !=
           situation.candidates.end();
  });
  return found;
}

net::awaitable<std::map<std::string, double>> losses_of(Situation situation,
                                                        std::vector<std::string> members,
                                                        pipe::Split split) {
  std::map<std::string, double> losses;
  if (members.empty()) co_return losses;
  const pipe::Measure question{members, split};
  const auto answer = co_await situation.worker->call(question);
  if (answer.result.values.size() != members.size()) {
    throw WorkerLost("the worker answered with another number of losses");
  }
  for (std::size_t i = 0; i < members.size(); ++i) losses[members[i]] = answer.result.values[i];
  co_return losses;
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
