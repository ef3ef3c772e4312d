#include "daemon/learning/strategies/fedfomo.hpp"

#include "daemon/learning/strategy_kind.hpp"
#include "model/comparators.hpp"

#include <algorithm>

namespace kith::daemon {
namespace {

using nlohmann::json;

constexpr double kEpsilonDecay = 0.05;  // a round
const std::string kTheta = "averaged";

}  // namespace

std::vector<std::string> FedFomo::pulls(std::uint64_t round, const std::vector<std::string>& peers,
                                        std::mt19937_64& random) {
  const double decayed = kEpsilonDecay * static_cast<double>(round - 1);
  const double epsilon = std::max(0.0, own_.epsilon - decayed);
  std::vector<double> scores;
  for (const std::string& peer : peers) {
    const auto found = preferences_.find(peer);
    scores.push_back(found == preferences_.end() ? 0 : found->second);
  }
  sampled_.clear();
  for (const std::size_t index :
       model::epsilon_greedy(scores, settings_.pull_budget, epsilon, random)) {
    sampled_.push_back(peers[index]);
  }
  return sampled_;
}

net::awaitable<Choice> FedFomo::choose(Situation situation) {
  std::vector<std::string> members = candidates_among(situation, sampled_);
  members.insert(members.begin(), "self");
  std::vector<std::string> measured = members;
  measured.push_back(kTheta);
  const auto loss_of = co_await losses_of(situation, measured, pipe::Split::validation);
  const pipe::Distance question{kTheta, members};
  const auto distance = co_await situation.worker->call(question);
  if (distance.result.values.size() != members.size()) {
    throw WorkerLost("the worker answered with another number of distances");
  }
  std::vector<double> losses;
  for (const std::string& member : members) losses.push_back(loss_of.at(member));
  const auto weights = model::fomo_weights(loss_of.at(kTheta), losses, distance.result.values);
  const auto shares = model::positive_share(weights);

  Choice choice;
  for (std::size_t i = 0; i < members.size(); ++i) {
    choice.why["weights"][members[i]] = weights[i];
    const bool own = i == 0;
    if (!own) preferences_[members[i]] += weights[i];
    if (!own && shares[i] == 0) continue;
    choice.mixture.members.push_back(members[i]);
    choice.mixture.weights.push_back(shares[i]);
  }
  const bool nobody = std::ranges::all_of(shares, [](double share) { return share == 0; });
  if (nobody) choice.mixture = {{kTheta}, {1}};
  co_return choice;
}

json FedFomo::opinion(const std::string& peer) const {
  const auto found = preferences_.find(peer);
  if (found == preferences_.end()) return nullptr;
  return {{"preference", found->second}};
}

void FedFomo::restore(const std::map<std::string, json>& opinions) {
  for (const auto& [peer, opinion] : opinions) {
    if (!opinion.is_object()) continue;
    const json preference = opinion.value("preference", json());
    if (preference.is_number()) preferences_[peer] = preference.get<double>();
  }
}

StrategyKind fedfomo_kind() {
  return {.name = "fedfomo",
          .where = StrategyKind::Where::network,
          .summary = "Those better than its own model, by how much for each unit of distance.",
          .keys = own_keys<FedFomo::Own>(
              {settings::key("epsilon", &FedFomo::Own::epsilon, settings::within(0.0, 1.0),
                             "Chance, in the first round, that it tries any peer instead of the "
                             "one it prefers. Falls by 0.05 a round.")}),
          .make = [](const Config& config, Roles) -> std::unique_ptr<Strategy> {
            return std::make_unique<FedFomo>(config, own_settings<FedFomo::Own>(config));
          }};
}

}  // namespace kith::daemon
