#include "daemon/learning/strategies/robust.hpp"

#include "daemon/learning/encoded_snapshot.hpp"
#include "daemon/learning/strategy_kind.hpp"
#include "model/comparators.hpp"
#include "model/pipe/memfd.hpp"

#include <algorithm>
#include <iterator>

namespace kith::daemon {
namespace {

const std::string kCombined = "combined";  // what the worker calls it

/// How many are left out at either end.
std::size_t left_out(Robust::Rule rule, std::size_t models) {
  if (rule == Robust::Rule::median) return (models - 1) / 2;
  return models < 3 ? 0 : std::max<std::size_t>(models / 4, 1);
}

}  // namespace

std::vector<std::string> Robust::pulls(std::uint64_t, const std::vector<std::string>& peers,
                                       std::mt19937_64&) {
  std::vector<std::string> wanted;
  std::ranges::copy_if(peers, std::back_inserter(wanted), [this](const std::string& peer) {
    return std::ranges::find(circle_, peer) != circle_.end();
  });
  return wanted;
}

net::awaitable<Choice> Robust::choose(Situation situation) {
  Choice choice;
  choice.mixture = {{"self"}, {1}};
  const std::vector<std::string> members = candidates_among(situation, circle_);
  if (members.empty() || situation.own == nullptr) co_return choice;
  model::Schema schema;
  std::vector<std::vector<float>> models{weights_in(*situation.own, schema)};
  for (const Candidate& candidate : situation.candidates) {
    const bool inside = std::ranges::find(members, candidate.peer) != members.end();
    if (inside && candidate.file) models.push_back(weights_in(*candidate.file, schema));
  }
  const std::vector<float> combined = model::trimmed_mean(models, left_out(rule_, models.size()));
  const pipe::Fd file = pipe::sealed_memfd("combined", model::write_snapshot(schema, combined));
  const pipe::Load load{kCombined};
  co_await situation.worker->call(load, &file);
  choice.made_of = pipe::Mixture{members, {}};
  choice.made_of->weights.assign(members.size(), 1 / static_cast<double>(models.size()));
  choice.mixture = {{kCombined}, {1}};
  co_return choice;
}

StrategyKind trimmed_mean_kind() {
  return {.name = "trimmed-mean",
          .summary = "The true group, in each coordinate without the highest and lowest quarter.",
          .is_told_of_drift = true,
          .make = [](const Config& config, Roles roles) -> std::unique_ptr<Strategy> {
            require_groups(config);
            return std::make_unique<Robust>(std::move(roles.oracle_group),
                                            Robust::Rule::trimmed_mean);
          }};
}

StrategyKind median_kind() {
  return {.name = "median",
          .summary = "The true group, by the median of each coordinate.",
          .is_told_of_drift = true,
          .make = [](const Config& config, Roles roles) -> std::unique_ptr<Strategy> {
            require_groups(config);
            return std::make_unique<Robust>(std::move(roles.oracle_group), Robust::Rule::median);
          }};
}

}  // namespace kith::daemon
