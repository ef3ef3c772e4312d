#include "daemon/learning/strategies/dpfl.hpp"

#include "daemon/learning/strategy_kind.hpp"

#include <algorithm>

namespace kith::daemon {
namespace {

const std::string kTried = "tried";  // what the worker calls an average that is measured

pipe::Mixture own_and(const std::vector<std::string>& members) {
  pipe::Mixture mixture{members, {}};
  mixture.members.insert(mixture.members.begin(), "self");
  mixture.weights.assign(mixture.members.size(), 1);
  return mixture;
}

net::awaitable<double> loss_of(Situation situation, std::vector<std::string> members) {
  const pipe::Keep keep{own_and(members), kTried};
  co_await situation.worker->call(keep);
  const std::vector<std::string> tried(1, kTried);
  const auto losses = co_await losses_of(situation, tried, pipe::Split::validation);
  co_return losses.at(kTried);
}

}  // namespace

std::vector<std::string> Dpfl::pulls(std::uint64_t, const std::vector<std::string>& peers,
                                     std::mt19937_64&) {
  if (!looked_) return peers;
  std::vector<std::string> wanted;
  std::ranges::copy_if(peers, std::back_inserter(wanted),
                       [this](const std::string& peer) { return pool_.contains(peer); });
  return wanted;
}

net::awaitable<Choice> Dpfl::choose(Situation situation) {
  const std::vector<std::string> candidates = candidates_of(situation);
  const std::vector<std::string> found = co_await search(situation, candidates);
  if (!looked_ && !candidates.empty()) {
    pool_ = {found.begin(), found.end()};
    looked_ = true;
  }
  Choice choice;
  choice.mixture = own_and(found);
  choice.served = pipe::Mixture{{"self"}, {1}};
  co_return choice;
}

net::awaitable<std::vector<std::string>> Dpfl::search(Situation situation,
                                                      std::vector<std::string> peers) {
  std::vector<std::string> in, not_out = peers;
  if (peers.empty()) co_return in;
  std::ranges::shuffle(peers, random_);
  double loss_in = co_await loss_of(situation, in);
  double loss_not_out = co_await loss_of(situation, not_out);
  for (const std::string& peer : peers) {
    std::vector<std::string> with = in, without = not_out;
    with.push_back(peer);
    std::erase(without, peer);
    const double loss_with = co_await loss_of(situation, with);
    const double loss_without = co_await loss_of(situation, without);
    const double entering = std::max(loss_in - loss_with, 0.0);
    const double leaving = std::max(loss_not_out - loss_without, 0.0);
    const double both = entering + leaving;
    const double chance = both > 0 ? entering / both : 1;
    if (std::uniform_real_distribution<double>(0, 1)(random_) < chance) {
      in = with;
      loss_in = loss_with;
    } else {
      not_out = without;
      loss_not_out = loss_without;
    }
    if (own_.budget > 0 && in.size() == own_.budget) break;
  }
  co_return in;
}

StrategyKind dpfl_kind() {
  return {.name = "dpfl",
          .where = StrategyKind::Where::network,
          .summary = "Those whom a greedy search keeps, by the validation loss of the average.",
          .keys = own_keys<Dpfl::Own>(
              {settings::key("budget", &Dpfl::Own::budget, settings::within(0U, 512U),
                             "Peers that it averages with at most. 0: any number.")}),
          .make = [](const Config& config, Roles) -> std::unique_ptr<Strategy> {
            return std::make_unique<Dpfl>(config, own_settings<Dpfl::Own>(config));
          }};
}

}  // namespace kith::daemon
