#include "daemon/learning/strategies/fixed.hpp"

#include "daemon/learning/strategy_kind.hpp"

#include <algorithm>

namespace kith::daemon {

std::vector<std::string> Fixed::pulls(std::uint64_t, const std::vector<std::string>& peers,
                                      std::mt19937_64&) {
  std::vector<std::string> wanted;
  std::ranges::copy_if(peers, std::back_inserter(wanted), [this](auto& peer) { return has(peer); });
  return wanted;
}

net::awaitable<Choice> Fixed::choose(Situation situation) {
  std::vector<std::string> members;
  for (const Candidate& candidate : situation.candidates) {
    if (has(candidate.peer)) members.push_back(candidate.peer);
  }
  Choice choice;
  choice.mixture = mixture(situation, members, half_life_);
  if (serves_ == Serves::average) choice.served = pipe::Mixture{{"averaged"}, {1}};
  if (serves_ == Serves::partial) choice.served = pipe::Mixture{{"self"}, {1}};
  co_return choice;
}

bool Fixed::has(const std::string& peer) const {
  return !only_ || std::ranges::find(*only_, peer) != only_->end();
}

StrategyKind local_kind() {
  return {.name = "local",
          .where = StrategyKind::Where::network,
          .summary = "Nobody: trains alone, and publishes nothing.",
          .make = [](const Config& config, Roles) -> std::unique_ptr<Strategy> {
            return std::make_unique<Fixed>(config, std::vector<std::string>());
          }};
}

StrategyKind fedavg_kind() {
  return {.name = "fedavg",
          .where = StrategyKind::Where::network,
          .summary = "Everybody: one global model, which is what it serves.",
          .make = [](const Config& config, Roles) -> std::unique_ptr<Strategy> {
            return std::make_unique<Fixed>(config, std::nullopt, Fixed::Serves::average);
          }};
}

StrategyKind fedavg_ft_kind() {
  return {.name = "fedavg-ft",
          .where = StrategyKind::Where::network,
          .summary = "Everybody; it serves what its own training made of the average.",
          .make = [](const Config& config, Roles) -> std::unique_ptr<Strategy> {
            return std::make_unique<Fixed>(config, std::nullopt, Fixed::Serves::partial);
          }};
}

StrategyKind oracle_kind() {
  return {.name = "oracle",
          .summary = "The true group, which it is told.",
          .is_told_of_drift = true,
          .make = [](const Config& config, Roles roles) -> std::unique_ptr<Strategy> {
            require_groups(config);
            return std::make_unique<Fixed>(config, std::move(roles.oracle_group));
          }};
}

}  // namespace kith::daemon
