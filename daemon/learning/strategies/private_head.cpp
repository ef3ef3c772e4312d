#include "daemon/learning/strategies/private_head.hpp"

#include "daemon/learning/strategy_kind.hpp"

#include <algorithm>

namespace kith::daemon {
namespace {

// What the worker calls our models.
const std::string kHeaded = "with a trained last layer", kEverybody = "everybody", kNext = "next";

}  // namespace

std::vector<std::string> PrivateHead::pulls(std::uint64_t, const std::vector<std::string>& peers,
                                            std::mt19937_64&) {
  return peers;
}

net::awaitable<void> PrivateHead::prepare(Situation situation) {
  if (training_ == Training::together) co_return;
  pipe::Refine head;
  head.name = kHeaded;
  head.start = "averaged";
  head.round = situation.round;
  head.epochs = std::max<std::uint64_t>(situation.epochs - 1, 1);
  head.layers = pipe::Layers::last;
  co_await situation.worker->call(head);
  const pipe::Average start{{{kHeaded}, {1}}};
  co_await situation.worker->call(start);
}

void PrivateHead::adjust(pipe::Train& training) const {
  if (training_ == Training::together) return;
  training.epochs = 1;
  training.layers = pipe::Layers::others;
}

net::awaitable<Choice> PrivateHead::choose(Situation situation) {
  Choice choice;
  choice.made_of = mixture(situation, candidates_of(situation), half_life_);
  const pipe::Keep everybody{*choice.made_of, kEverybody};
  co_await situation.worker->call(everybody);
  const pipe::Graft next{kNext, "self", kEverybody, pipe::Layers::last};
  co_await situation.worker->call(next);
  choice.mixture = {{kNext}, {1}};
  choice.served = pipe::Mixture{{"self"}, {1}};
  co_return choice;
}

StrategyKind fedper_kind() {
  return {.name = "fedper",
          .where = StrategyKind::Where::network,
          .summary = "Everybody, all layers but the last, which stays its own.",
          .make = [](const Config& config, Roles) -> std::unique_ptr<Strategy> {
            return std::make_unique<PrivateHead>(config, PrivateHead::Training::together);
          }};
}

StrategyKind fedrep_kind() {
  return {.name = "fedrep",
          .where = StrategyKind::Where::network,
          .summary = "The same; the last layer is trained first, then the others.",
          .make = [](const Config& config, Roles) -> std::unique_ptr<Strategy> {
            return std::make_unique<PrivateHead>(config, PrivateHead::Training::last_layer_first);
          }};
}

}  // namespace kith::daemon
