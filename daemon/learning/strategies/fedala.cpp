#include "daemon/learning/strategies/fedala.hpp"

#include "daemon/learning/encoded_snapshot.hpp"
#include "daemon/learning/strategy_kind.hpp"
#include "model/comparators.hpp"
#include "model/pipe/memfd.hpp"

#include <algorithm>
#include <cmath>
#include <span>

namespace kith::daemon {
namespace {

constexpr double kShare = 0.8;       // of the training examples
constexpr double kRate = 1;          // of the weights
constexpr std::size_t kRecent = 10;  // passes whose losses say whether they have settled
constexpr double kSettled = 0.1;     // the standard deviation of those
constexpr std::size_t kMostPasses = 100;
const std::string kStart = "start";  // what the worker calls the model to begin from

double deviation(std::span<const double> values) {
  double sum = 0, squares = 0;
  for (const double value : values) sum += value, squares += value * value;
  const auto count = static_cast<double>(values.size());
  return std::sqrt(std::max(squares / count - sum * sum / (count * count), 0.0));
}

}  // namespace

std::vector<std::string> FedAla::pulls(std::uint64_t, const std::vector<std::string>& peers,
                                       std::mt19937_64&) {
  return peers;
}

net::awaitable<void> FedAla::prepare(Situation situation) {
  if (global_.empty()) co_return;
  std::vector<double> losses;
  do {
    const double loss = co_await pass(situation);
    losses.push_back(loss);
    if (settled_) break;
  } while (losses.size() < kMostPasses &&
           (losses.size() <= kRecent || deviation(std::span(losses).last(kRecent)) >= kSettled));
  settled_ = true;
  co_await load_start(situation);
  const pipe::Average start{{{kStart}, {1}}};
  co_await situation.worker->call(start);
}

net::awaitable<double> FedAla::pass(Situation situation) {
  const auto examples =
      static_cast<std::uint64_t>(std::ceil(kShare * static_cast<double>(situation.examples)));
  const std::span<const float> local = std::span(local_).subspan(first_, end_ - first_);
  const std::span<const float> global = std::span(global_).subspan(first_, end_ - first_);
  double sum = 0;
  std::size_t batches = 0;
  for (std::uint64_t first = 0; first < examples; first += batch_, ++batches) {
    co_await load_start(situation);
    pipe::Gradient question;
    question.member = kStart;
    question.seed = situation.round;
    question.first = first;
    question.count = std::min<std::uint64_t>(batch_, examples - first);
    const auto answer = co_await situation.worker->call(question);
    model::Schema schema;
    const std::vector<float> gradient = weights_in(answer.file, schema);
    if (gradient.size() != local_.size()) throw WorkerLost("the worker gave another gradient");
    model::move_between(weights_, std::span(gradient).subspan(first_, end_ - first_), local, global,
                        kRate);
    sum += answer.result.loss;
  }
  co_return sum / static_cast<double>(std::max<std::size_t>(batches, 1));
}

net::awaitable<void> FedAla::load_start(Situation situation) {
  std::vector<float> start = global_;
  for (std::size_t i = first_; i < end_; ++i) {
    start[i] = local_[i] + weights_[i - first_] * (global_[i] - local_[i]);
  }
  const pipe::Fd file = pipe::sealed_memfd("start", model::write_snapshot(schema_, start));
  const pipe::Load load{kStart};
  co_await situation.worker->call(load, &file);
}

net::awaitable<Choice> FedAla::choose(Situation situation) {
  Choice choice;
  choice.mixture = mixture(situation, candidates_of(situation), half_life_);
  choice.served = pipe::Mixture{{"self"}, {1}};
  if (situation.own == nullptr) co_return choice;
  local_ = weights_in(*situation.own, schema_);
  std::vector<std::vector<float>> models{local_};
  for (const Candidate& candidate : situation.candidates) {
    model::Schema schema;
    if (candidate.file) models.push_back(weights_in(*candidate.file, schema));
  }
  global_ = model::trimmed_mean(models, 0);
  if (!weights_.empty()) co_return choice;
  std::size_t at = 0;
  for (const auto& [name, shape] : schema_.tensors) {
    std::size_t values = 1;
    for (const std::uint64_t side : shape) values *= side;
    at += values;
    if (!name.starts_with("output.")) continue;
    if (end_ == 0) first_ = at - values;
    end_ = at;
  }
  weights_.assign(end_ - first_, 1);
  co_return choice;
}

StrategyKind fedala_kind() {
  return {.name = "fedala",
          .summary = "Everybody; of the last layer it takes, weight by weight, as much as helps.",
          .make = [](const Config& config, Roles) -> std::unique_ptr<Strategy> {
            return std::make_unique<FedAla>(config);
          }};
}

}  // namespace kith::daemon
