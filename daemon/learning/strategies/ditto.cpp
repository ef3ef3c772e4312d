#include "daemon/learning/strategies/ditto.hpp"

#include "daemon/learning/strategy_kind.hpp"

namespace kith::daemon {
namespace {

const std::string kPersonal = "personal";  // what the worker calls v

}  // namespace

std::vector<std::string> Ditto::pulls(std::uint64_t, const std::vector<std::string>& peers,
                                      std::mt19937_64&) {
  return peers;
}

net::awaitable<Choice> Ditto::choose(Situation situation) {
  const bool has_it = situation.worker->pid() == worker_;
  pipe::Refine train;
  train.name = kPersonal;
  train.start = has_it ? kPersonal : situation.round == 1 ? "averaged" : "served";
  train.round = situation.round;
  train.epochs = situation.epochs;
  train.pull = pipe::Pull{"averaged", own_.lambda};  // w, until this round's average
  co_await situation.worker->call(train);
  worker_ = situation.worker->pid();
  Choice choice;
  choice.mixture = mixture(situation, candidates_of(situation), half_life_);
  choice.served = pipe::Mixture{{kPersonal}, {1}};
  co_return choice;
}

StrategyKind ditto_kind() {
  return {
      .name = "ditto",
      .where = StrategyKind::Where::network,
      .summary = "Everybody; it serves a model of its own, pulled towards the average.",
      .keys = own_keys<Ditto::Own>({settings::key(
          "lambda", &Ditto::Own::lambda, settings::within(0.0, 1000.0), "Strength of the pull.")}),
      .make = [](const Config& config, Roles) -> std::unique_ptr<Strategy> {
        return std::make_unique<Ditto>(config, own_settings<Ditto::Own>(config));
      }};
}

}  // namespace kith::daemon
