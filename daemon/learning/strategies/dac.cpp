#include "daemon/learning/strategies/dac.hpp"

#include "daemon/learning/strategy_kind.hpp"

#include <algorithm>
#include <cmath>

namespace kith::daemon {
namespace {

using nlohmann::json;

constexpr double kLeastLoss = 1e-6;  // a model without any loss is not infinitely similar

double similarity_at(double loss) { return 1 / std::max(loss, kLeastLoss); }

/// What Dac::note() said; nothing of what does not read.
model::Similarities similarities_in(const json& note) {
  model::Similarities similarities;
  const json said = note.is_object() ? note.value("similarities", json()) : json();
  if (!said.is_object()) return similarities;
  for (const auto& [peer, value] : said.items()) {
    const double similarity = value.is_number() ? value.get<double>() : 0;
    if (similarity > 0 && std::isfinite(similarity)) similarities.emplace(peer, similarity);
  }
  return similarities;
}

}  // namespace

std::vector<std::string> Dac::pulls(std::uint64_t, const std::vector<std::string>& peers,
                                    std::mt19937_64& random) {
  peers_ = peers;
  std::vector<double> scores;
  for (const std::string& peer : peers) scores.push_back(similarity(peer));
  sampled_.clear();
  for (const std::size_t index :
       model::softmax_sample(scores, own_.tau, settings_.pull_budget, random)) {
    sampled_.push_back(peers[index]);
  }
  return sampled_;
}

net::awaitable<Choice> Dac::choose(Situation situation) {
  const std::vector<std::string> members = candidates_among(situation, sampled_);
  const auto losses = co_await losses_of(situation, members, pipe::Split::train);
  for (const auto& [peer, loss] : losses) known_[peer] = {similarity_at(loss), true};

  std::vector<model::Hearsay> heard;
  for (const Candidate& candidate : situation.candidates) {
    if (!losses.contains(candidate.peer)) continue;
    heard.push_back({similarity(candidate.peer), similarities_in(candidate.note)});
  }
  const model::Similarities estimates = model::two_hop(heard);
  for (const std::string& peer : peers_) {
    const auto estimate = estimates.find(peer);
    if (estimate != estimates.end() && !known_[peer].met)
      known_[peer].similarity = estimate->second;
  }
  Choice choice;
  choice.mixture = mixture(situation, members, settings_.half_life);
  choice.why["losses"] = losses;
  co_return choice;
}

double Dac::similarity(const std::string& peer) const {
  const auto found = known_.find(peer);
  return found == known_.end() ? 0 : found->second.similarity;
}

Note Dac::note() const {
  json similarities = json::object();
  for (const auto& [peer, known] : known_) similarities[peer] = known.similarity;
  return {{{"similarities", similarities}}, ""};
}

json Dac::opinion(const std::string& peer) const {
  const auto found = known_.find(peer);
  if (found == known_.end()) return nullptr;
  return {{"similarity", found->second.similarity}, {"met", found->second.met}};
}

void Dac::restore(const std::map<std::string, json>& opinions) {
  for (const auto& [peer, opinion] : opinions) {
    if (!opinion.is_object()) continue;
    const json similarity = opinion.value("similarity", json());
    const json met = opinion.value("met", json());
    if (!similarity.is_number() || !met.is_boolean()) continue;
    known_[peer] = {similarity.get<double>(), met.get<bool>()};
  }
}

StrategyKind dac_kind() {
  return {.name = "dac",
          .summary = "A sample, rather of the similar; it needs what its peers say of others.",
          .keys = own_keys<Dac::Own>({settings::key("tau", &Dac::Own::tau, settings::above_zero(),
                                                    "How strongly it prefers the similar.")}),
          .make = [](const Config& config, Roles) -> std::unique_ptr<Strategy> {
            return std::make_unique<Dac>(config, own_settings<Dac::Own>(config));
          }};
}

}  // namespace kith::daemon
