#include "daemon/learning/strategies/pens.hpp"

#include "daemon/learning/strategy_kind.hpp"

#include <algorithm>
#include <iterator>

namespace kith::daemon {

using nlohmann::json;

Pens::Pens(const Config& config, Own own) : settings_(config.learning), own_(own) {
  if (own_.top > 0) return;
  require_groups(config);
  const std::size_t others = config.learning.oracle_group.size() - 1;
  own_.top = static_cast<unsigned>(std::max<std::size_t>(others, 1));
}

std::vector<std::string> Pens::pulls(std::uint64_t round, const std::vector<std::string>& peers,
                                     std::mt19937_64& random) {
  peers_ = peers.size();
  std::vector<std::string> from;
  std::ranges::copy_if(peers, std::back_inserter(from), [&](const std::string& peer) {
    return first_phase(round) || is_neighbour(peer);
  });
  sampled_.clear();
  std::ranges::sample(from, std::back_inserter(sampled_), settings_.pull_budget, random);
  return sampled_;
}

net::awaitable<Choice> Pens::choose(Situation situation) {
  std::vector<std::string> members = candidates_among(situation, sampled_);
  Choice choice;
  if (first_phase(situation.round)) {
    const auto losses = co_await losses_of(situation, members, pipe::Split::train);
    choice.why["losses"] = losses;
    const auto loss = [&](const std::string& peer) { return losses.at(peer); };
    std::ranges::sort(members, {}, loss);
    members.resize(std::min<std::size_t>(members.size(), own_.top));
    for (const std::string& member : members) ++chosen_[member];
    if (peers_ > 0) expected_ += static_cast<double>(members.size()) / static_cast<double>(peers_);
  }
  choice.mixture = mixture(situation, members, settings_.half_life);
  co_return choice;
}

bool Pens::is_neighbour(const std::string& peer) const {
  const auto found = chosen_.find(peer);
  return found != chosen_.end() && static_cast<double>(found->second) > expected_;
}

json Pens::opinion(const std::string& peer) const {
  const auto found = chosen_.find(peer);
  if (found == chosen_.end()) return nullptr;
  return {{"chosen", found->second}, {"expected", expected_}, {"neighbour", is_neighbour(peer)}};
}

void Pens::restore(const std::map<std::string, json>& opinions) {
  for (const auto& [peer, opinion] : opinions) {
    if (!opinion.is_object()) continue;
    const json chosen = opinion.value("chosen", json());
    const json expected = opinion.value("expected", json());
    if (!chosen.is_number_unsigned() || !expected.is_number()) continue;
    chosen_[peer] = chosen.get<std::uint64_t>();
    expected_ = expected.get<double>();
  }
}

StrategyKind pens_kind() {
  return {.name = "pens",
          .summary = "First the best of a sample; then those who were that most often.",
          .keys = own_keys<Pens::Own>(
              {settings::key("rounds", &Pens::Own::rounds, settings::within(1U, 1'000'000U),
                             "Rounds in which it looks for its neighbours."),
               settings::key("top", &Pens::Own::top, settings::within(0U, 512U),
                             "Peers that it averages with in each of them. 0: as many as there are "
                             "of its true group.")}),
          .make = [](const Config& config, Roles) -> std::unique_ptr<Strategy> {
            return std::make_unique<Pens>(config, own_settings<Pens::Own>(config));
          }};
}

}  // namespace kith::daemon
