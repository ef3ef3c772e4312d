#include "daemon/learning/strategies/ifca.hpp"

#include "daemon/learning/strategy_kind.hpp"

#include <algorithm>

namespace kith::daemon {
namespace {

using nlohmann::json;

/// What the worker calls the model of a cluster.
std::string model_name(std::uint64_t cluster) { return "cluster " + std::to_string(cluster); }

/// The cluster of Ifca::note(), if it reads.
std::optional<std::uint64_t> cluster_in(const json& note) {
  const json cluster = note.is_object() ? note.value("cluster", json()) : json();
  if (!cluster.is_number_integer() || cluster < 0) return std::nullopt;
  return cluster.get<std::uint64_t>();
}

std::vector<std::string> members_of(const Situation& situation, std::uint64_t cluster) {
  std::vector<std::string> members;
  for (const Candidate& candidate : situation.candidates) {
    if (cluster_in(candidate.note) == cluster) members.push_back(candidate.peer);
  }
  return members;
}

}  // namespace

std::vector<std::string> Ifca::pulls(std::uint64_t, const std::vector<std::string>& peers,
                                     std::mt19937_64&) {
  return peers;
}

net::awaitable<void> Ifca::prepare(Situation situation) {
  if (situation.worker->pid() != worker_) {  // the first one, or one that was started again
    for (std::uint64_t cluster = 0; cluster < clusters_; ++cluster) {
      const pipe::Initial initial{model_name(cluster), seed_ + cluster};
      co_await situation.worker->call(initial);
    }
    co_await update(situation, std::nullopt);
    worker_ = situation.worker->pid();
  }
  std::vector<std::string> models;
  for (std::uint64_t cluster = 0; cluster < clusters_; ++cluster) {
    models.push_back(model_name(cluster));
  }
  const auto losses = co_await losses_of(situation, models, pipe::Split::train);
  const auto loss = [&](const std::string& model) { return losses.at(model); };
  const auto best = std::ranges::min_element(models, {}, loss);
  cluster_ = static_cast<std::uint64_t>(best - models.begin());
  pipe::Average start;
  start.members = {*best};
  start.weights = {1};
  co_await situation.worker->call(start);
}

net::awaitable<Choice> Ifca::choose(Situation situation) {
  for (const Candidate& candidate : situation.candidates) {
    if (const auto cluster = cluster_in(candidate.note)) taken_[candidate.peer] = *cluster;
  }
  co_await update(situation, cluster_);
  Choice choice;
  choice.mixture = mixture(situation, members_of(situation, cluster_), half_life_);
  choice.why["cluster"] = cluster_;
  co_return choice;
}

net::awaitable<void> Ifca::update(Situation situation, std::optional<std::uint64_t> own) {
  for (std::uint64_t cluster = 0; cluster < clusters_; ++cluster) {
    const std::vector<std::string> members = members_of(situation, cluster);
    pipe::Keep keep{mixture(situation, members, half_life_), model_name(cluster)};
    if (own != cluster) {  // without the own partial, which comes first
      keep.members.erase(keep.members.begin());
      keep.weights.erase(keep.weights.begin());
    }
    if (!keep.members.empty()) co_await situation.worker->call(keep);
  }
}

json Ifca::opinion(const std::string& peer) const {
  const auto found = taken_.find(peer);
  if (found == taken_.end()) return nullptr;
  return {{"cluster", found->second}};
}

StrategyKind ifca_kind() {
  return {.name = "ifca",
          .summary = "Whoever took the same of some models; it needs what its peers say they took.",
          .keys = own_keys<Ifca::Own>(
              {settings::key("clusters", &Ifca::Own::clusters, settings::within(0U, 512U),
                             "How many models. 0: as many as there are true groups.")}),
          .make = [](const Config& config, Roles) -> std::unique_ptr<Strategy> {
            return std::make_unique<Ifca>(config, own_settings<Ifca::Own>(config));
          }};
}

}  // namespace kith::daemon
