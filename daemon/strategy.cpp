#include "daemon/strategy.hpp"

#include "daemon/lia.hpp"
#include "model/weights.hpp"

#include <algorithm>

namespace kith::daemon {
namespace {

/// Averages with everyone of a fixed set: all (FedAvg, McMahan et al. 2017, without a server), the
/// true group (the oracle of the paper), or nobody.
class Fixed final : public Strategy {
 public:
  explicit Fixed(std::optional<std::vector<std::string>> only) : only_(std::move(only)) {}

  std::vector<std::string> pulls(const std::vector<std::string>& peers, std::mt19937_64&) override {
    std::vector<std::string> wanted;
    std::ranges::copy_if(peers, std::back_inserter(wanted),
                         [this](auto& peer) { return has(peer); });
    return wanted;
  }
  net::awaitable<Choice> choose(Situation situation) override {
    Choice choice;
    for (const Candidate& candidate : situation.candidates) {
      if (has(candidate.peer)) choice.members.push_back(candidate.peer);
    }
    co_return choice;
  }

 private:
  [[nodiscard]] bool has(const std::string& peer) const {
    return !only_ || std::ranges::find(*only_, peer) != only_->end();
  }
  std::optional<std::vector<std::string>> only_;  // nullopt: everyone
};

}  // namespace

std::unique_ptr<Strategy> make_strategy(const Config& config,
                                        std::vector<std::string> oracle_group) {
  switch (config.learning.strategy) {
    case StrategyName::lia:
      return std::make_unique<Lia>(config);
    case StrategyName::local:
      return std::make_unique<Fixed>(std::vector<std::string>());
    case StrategyName::fedavg:
      return std::make_unique<Fixed>(std::nullopt);
    case StrategyName::oracle:
      return std::make_unique<Fixed>(std::move(oracle_group));
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
