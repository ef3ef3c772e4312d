#include "daemon/learning/strategies/look_ahead.hpp"

#include "daemon/learning/strategy_kind.hpp"

#include <algorithm>
#include <array>

namespace kith::daemon {
namespace {

constexpr double kSmoothing = 0.5;   // weight of what is new
constexpr double kLeastGain = 1e-3;  // of the own training, to divide by
constexpr double kWorstLoss = 9;     // a candidate that fell apart once is not out for ever
constexpr std::size_t kServed = 3;   // rounds whose models are served as one
constexpr std::array<std::size_t, 11> kPrefixes{1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48};

// What the worker calls our models.
const std::string kInitial = "the initial model", kCircle = "the circle", kAll = "all",
                  kHalf = "half of all";

struct Kind {
  const char* name;
  std::string start;
  double pull;  // towards kAll
};
const std::array kKinds{Kind{"own", "self", 0},    Kind{"circle", kCircle, 0},
                        Kind{"all", kAll, 0},      Kind{"mix", kHalf, 0},
                        Kind{"pull", "self", 0.3}, Kind{"pull1", "self", 1}};

std::string trained(const Kind& kind) { return std::string(kind.name) + ", an epoch later"; }

void smooth(std::map<std::string, double>& values, const std::string& name, double value) {
  const auto [known, is_new] = values.emplace(name, value);
  if (!is_new) known->second += kSmoothing * (value - known->second);
}

pipe::Mixture average_with(const std::vector<std::string>& members) {
  pipe::Mixture mixture{members, {}};
  mixture.members.insert(mixture.members.begin(), "self");
  mixture.weights.assign(mixture.members.size(), 1);
  return mixture;
}

}  // namespace

std::vector<std::string> LookAhead::pulls(std::uint64_t, const std::vector<std::string>& peers,
                                          std::mt19937_64&) {
  return peers;
}

net::awaitable<Choice> LookAhead::choose(Situation situation) {
  const std::vector<std::string> ranking = co_await rank(situation);
  const std::vector<std::string> circle = co_await best_prefix(situation, ranking);
  const pipe::Keep all{average_with(ranking), kAll};
  co_await situation.worker->call(all);
  const pipe::Keep half{{{"self", kAll}, {1, 1}}, kHalf};
  co_await situation.worker->call(half);

  Choice choice;
  const Kind* best = nullptr;
  for (const Kind& kind : kKinds) {
    pipe::Refine ahead;
    ahead.name = trained(kind);
    ahead.start = kind.start;
    ahead.round = situation.round + 1;  // its first epoch
    if (kind.pull > 0) ahead.pull = pipe::Pull{kAll, kind.pull};
    const auto answer = co_await situation.worker->call(ahead);
    smooth(losses_, kind.name, std::min(answer.result.validation.loss, kWorstLoss));
    if (best == nullptr || losses_.at(kind.name) < losses_.at(best->name)) best = &kind;
  }
  choice.mixture = {{best->pull > 0 ? trained(*best) : best->start}, {1}};
  choice.made_of = average_with(best->start == kCircle  ? circle
                                : best->start == "self" ? std::vector<std::string>()
                                                        : ranking);
  choice.why = {{"losses", losses_}, {"picked", best->name}};

  const std::string newest = "served in round " + std::to_string(situation.round);
  const pipe::Keep keep{{{trained(*best)}, {1}}, newest};
  co_await situation.worker->call(keep);
  served_.push_back(newest);
  if (served_.size() > kServed) {
    const pipe::Forget forget{served_.front()};
    co_await situation.worker->call(forget);
    served_.pop_front();
  }
  choice.served = pipe::Mixture{{served_.begin(), served_.end()}, {}};
  choice.served->weights.assign(served_.size(), 1);
  co_return choice;
}

net::awaitable<std::vector<std::string>> LookAhead::rank(Situation situation) {
  std::vector<std::string> ranking = candidates_of(situation);
  const pipe::Initial initial{kInitial, seed_};
  co_await situation.worker->call(initial);
  std::vector<std::string> measured = ranking;
  measured.insert(measured.end(), {kInitial, "self"});
  const auto losses = co_await losses_of(situation, measured, pipe::Split::validation);
  const double gain = std::max(losses.at(kInitial) - losses.at("self"), kLeastGain);
  for (const std::string& peer : ranking) {
    smooth(rho_, peer, (losses.at(kInitial) - losses.at(peer)) / gain);
  }
  std::ranges::stable_sort(ranking, std::greater<>(),
                           [this](const std::string& peer) { return rho_.at(peer); });
  co_return ranking;
}

net::awaitable<std::vector<std::string>> LookAhead::best_prefix(Situation situation,
                                                                std::vector<std::string> ranking) {
  std::vector<std::vector<std::string>> prefixes;
  std::vector<std::string> names;
  for (std::size_t size = 1; size <= ranking.size(); ++size) {
    const bool looked_at = std::ranges::find(kPrefixes, size) != kPrefixes.end();
    if (!looked_at && size != ranking.size()) continue;
    prefixes.emplace_back(ranking.begin(), ranking.begin() + static_cast<std::ptrdiff_t>(size));
    names.push_back("prefix " + std::to_string(size));
    const pipe::Keep keep{average_with(prefixes.back()), names.back()};
    co_await situation.worker->call(keep);
  }
  const auto losses = co_await losses_of(situation, names, pipe::Split::validation);
  const auto loss = [&](const std::string& name) { return losses.at(name); };
  const auto best = std::ranges::min_element(names, {}, loss);
  const pipe::Keep circle{{{best == names.end() ? "self" : *best}, {1}}, kCircle};
  co_await situation.worker->call(circle);
  for (const std::string& name : names) {
    const pipe::Forget forget{name};
    co_await situation.worker->call(forget);
  }
  if (best == names.end()) co_return std::vector<std::string>();
  co_return prefixes[static_cast<std::size_t>(best - names.begin())];
}

nlohmann::json LookAhead::opinion(const std::string& peer) const {
  const auto found = rho_.find(peer);
  if (found == rho_.end()) return nullptr;
  return {{"rho", found->second}};
}

StrategyKind look_ahead_kind() {
  return {.name = "look-ahead",
          .summary = "Whatever is best on validation after one more epoch, tried by brute force.",
          .make = [](const Config& config, Roles) -> std::unique_ptr<Strategy> {
            return std::make_unique<LookAhead>(config);
          }};
}

}  // namespace kith::daemon
