#include "daemon/lia.hpp"

#include "model/influence.hpp"
#include "model/pull.hpp"
#include "model/selection.hpp"

#include <cmath>
#include <cstring>
#include <optional>

namespace kith::daemon {
namespace {

using nlohmann::json;

// JSON has no infinity; null stands for "unbounded".
json number(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }
double bound(const json& value, double otherwise) {
  return value.is_number() ? value.get<double>() : otherwise;
}

json to_json(const model::Estimate& estimate) {
  return {{"mean", number(estimate.mean)},
          {"standard_error", number(estimate.standard_error)},
          {"examples", estimate.examples}};
}

json to_json(const model::Admission::Decision& decision) {
  return {{"admitted", decision.admitted},       {"since", decision.since},
          {"scored", decision.scored},           {"scores", decision.scores},
          {"rho", number(decision.rho)},         {"low", number(decision.low)},
          {"high", number(decision.high)},       {"influence", to_json(decision.latest.influence)},
          {"own", to_json(decision.latest.own)}, {"reason", decision.reason}};
}

std::optional<model::Admission::Decision> from_json(const std::string& peer, const json& value) {
  try {
    model::Admission::Decision decision;
    decision.peer = peer;
    decision.admitted = value.at("admitted").get<bool>();
    decision.since = value.at("since").get<std::uint64_t>();
    decision.scored = value.at("scored").get<std::uint64_t>();
    decision.scores = value.at("scores").get<std::uint64_t>();
    decision.rho = bound(value.at("rho"), 0);
    decision.low = bound(value.at("low"), 0);
    decision.high = bound(value.at("high"), 0);
    decision.reason = value.at("reason").get<std::string>();
    return decision;
  } catch (const json::exception&) {
    return std::nullopt;
  }
}

/// Row `index` of a file of float32 rows, `length` each.
std::span<const float> row(ByteView file, std::size_t index, std::size_t length) {
  const auto* values = reinterpret_cast<const float*>(file.data());
  return {values + index * length, length};
}

}  // namespace

Lia::Lia(const Config& config)
    : settings_(config.learning),
      clip_(model::clip_level(config.task.classes, config.task.clip_factor)),
      admission_({.admit_above = settings_.admit,
                  .drop_below = settings_.drop,
                  .smoothing = settings_.smoothing}) {}

std::vector<std::string> Lia::pulls(const std::vector<std::string>& peers,
                                    std::mt19937_64& random) {
  std::vector<model::PullCandidate> candidates;
  for (const std::string& peer : peers) {
    model::PullCandidate candidate;
    candidate.peer = peer;
    if (const auto* known = admission_.find(peer); known && known->scores > 0) {
      candidate.admitted = known->admitted;
      candidate.rho = known->rho;
      candidate.scored = known->scored;
    }
    candidates.push_back(std::move(candidate));
  }
  return model::choose_pulls(std::move(candidates), settings_.pull_budget, settings_.explore,
                             random);
}

net::awaitable<Choice> Lia::choose(Situation situation) {
  co_await score(situation);
  admission_.expire(situation.round);

  std::vector<std::string> admitted;
  for (const std::string& peer : admission_.admitted()) {
    if (std::ranges::find(situation.candidates, peer, &Candidate::peer) !=
        situation.candidates.end()) {
      admitted.push_back(peer);
    }
  }
  const model::ForwardSelection::Settings limits{settings_.tolerance, settings_.patience};
  model::ForwardSelection selection(situation.own_loss, admitted, limits);
  while (const auto members = selection.next()) {
    const pipe::Try attempt{mixture(situation, *members, settings_.half_life)};
    const auto tried = co_await situation.worker->call(attempt);
    selection.record(tried.result.loss);
  }
  const model::Selected selected = selection.result();
  Choice choice;
  choice.members = selected.members;
  choice.why["trials"] = json::array();
  for (const model::Trial& trial : selected.trace) {
    choice.why["trials"].push_back(
        {{"members", trial.members}, {"loss", number(trial.loss)}, {"kept", trial.kept}});
  }
  co_return choice;
}

net::awaitable<void> Lia::score(Situation situation) {
  if (situation.candidates.empty()) co_return;
  pipe::Score question;
  for (const Candidate& candidate : situation.candidates) question.peers.push_back(candidate.peer);
  const auto answer = co_await situation.worker->call(question);

  const std::size_t length = answer.result.examples;
  const std::size_t size = (2 + question.peers.size()) * length * sizeof(float);
  const auto map = pipe::SealedMap::open(answer.file, size);
  const auto* file = std::get_if<pipe::SealedMap>(&map);
  if (length == 0 || !file || file->bytes().size() != size) {
    throw WorkerLost("the worker answered with scores of the wrong size");
  }
  std::vector<std::span<const float>> peers;
  for (std::size_t i = 0; i < question.peers.size(); ++i) {
    peers.push_back(row(file->bytes(), 2 + i, length));
  }
  const auto scores = model::relative_influences(row(file->bytes(), 0, length),
                                                 row(file->bytes(), 1, length), peers, clip_);
  for (std::size_t i = 0; i < scores.size(); ++i) {
    admission_.score(question.peers[i], situation.round, scores[i]);
  }
}

json Lia::opinion(const std::string& peer) const {
  const auto* decision = admission_.find(peer);
  return decision ? to_json(*decision) : json(nullptr);
}

void Lia::restore(const std::map<std::string, json>& opinions) {
  std::vector<model::Admission::Decision> state;
  for (const auto& [peer, opinion] : opinions) {
    if (auto decision = from_json(peer, opinion)) state.push_back(std::move(*decision));
  }
  try {
    admission_.restore(std::move(state));
  } catch (const std::invalid_argument&) {
    // Written by another version: scores are had again within a few rounds.
  }
}

}  // namespace kith::daemon
