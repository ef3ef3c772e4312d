#include "daemon/learning/strategies/robust.hpp"

#include "daemon/learning/encoded_snapshot.hpp"
#include "model/comparators.hpp"
#include "model/pipe/memfd.hpp"

#include <algorithm>
#include <iterator>

namespace kith::daemon {
namespace {

const std::string kCombined = "combined";  // what the worker calls it

/// The weights of a snapshot file; takes over its schema.
std::vector<float> weights_in(const pipe::Fd& file, model::Schema& schema) {
  const auto map = pipe::SealedMap::open(file, kLargestSnapshot);
  if (const auto* problem = std::get_if<std::string>(&map)) throw WorkerLost(*problem);
  auto snapshot = model::read_snapshot(std::get<pipe::SealedMap>(map).bytes());
  if (const auto* error = std::get_if<model::SnapshotError>(&snapshot)) {
    throw WorkerLost(error->what);
  }
  auto& found = std::get<model::Snapshot>(snapshot);
  schema = std::move(found.schema);
  return found.copy_values();
}

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
  const std::vector<float> combined =
      model::trimmed_mean(models, left_out(rule_, models.size()));
  const pipe::Fd file =
      pipe::sealed_memfd("combined", model::write_snapshot(schema, combined));
  const pipe::Load load{kCombined};
  co_await situation.worker->call(load, &file);
  choice.made_of = pipe::Mixture{members, {}};
  choice.made_of->weights.assign(members.size(), 1 / static_cast<double>(models.size()));
  choice.mixture = {{kCombined}, {1}};
  co_return choice;
}

}  // namespace kith::daemon
