#include "daemon/learning/strategy.hpp"

#include "daemon/learning/encoded_snapshot.hpp"
#include "model/pipe/memfd.hpp"
#include "model/weights.hpp"

#include <algorithm>
#include <cassert>
#include <iterator>

namespace kith::daemon {

std::vector<std::string> candidates_of(const Situation& situation) {
  std::vector<std::string> peers;
  for (const Candidate& candidate : situation.candidates) peers.push_back(candidate.peer);
  return peers;
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
