#include "model/metrics.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>

namespace kith::model {

Metrics class_metrics(std::span<const std::int64_t> truth, std::span<const std::int64_t> said,
                      std::size_t classes) {
  assert(truth.size() == said.size());
  if (truth.empty()) return {};
  struct Counts {
    double occurs = 0, said = 0, hits = 0;
  };
  std::vector<Counts> counts(classes);
  double right = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    Counts& own = counts[static_cast<std::size_t>(truth[i])];
    ++own.occurs;
    ++counts[static_cast<std::size_t>(said[i])].said;
    if (truth[i] != said[i]) continue;
    ++own.hits;
    ++right;
  }
  double recalls = 0, f1s = 0, occurring = 0, named = 0;
  for (const auto& [occurs, was_said, hits] : counts) {
    if (occurs > 0) {
      ++occurring;
      recalls += hits / occurs;
    }
    if (occurs + was_said > 0) {
      ++named;
      f1s += 2 * hits / (occurs + was_said);
    }
  }
  return {{"accuracy", right / static_cast<double>(truth.size())},
          {"balanced_accuracy", recalls / occurring},
          {"macro_f1", f1s / named}};
}

std::vector<std::uint64_t> confusion(std::span<const std::int64_t> truth,
                                     std::span<const std::int64_t> said, std::size_t classes) {
  assert(truth.size() == said.size());
  std::vector<std::uint64_t> counts(classes * classes);
  for (std::size_t i = 0; i < truth.size(); ++i) {
    ++counts[static_cast<std::size_t>(truth[i]) * classes + static_cast<std::size_t>(said[i])];
  }
  return counts;
}

Metrics ranking_metrics(std::span<const std::int64_t> truth, std::span<const float> scores) {
  assert(truth.size() == scores.size());
  const auto positives = static_cast<double>(std::ranges::count(truth, 1));
  const double negatives = static_cast<double>(truth.size()) - positives;
  if (positives == 0 || negatives == 0) return {};
  std::vector<std::size_t> order(truth.size());  // highest score first
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, std::greater<>(), [&](std::size_t i) { return scores[i]; });
  double hits = 0, seen = 0, above = 0, precision = 0;
  for (std::size_t from = 0; from < order.size();) {
    std::size_t until = from;
    double new_hits = 0;
    for (; until < order.size() && scores[order[until]] == scores[order[from]]; ++until) {
      new_hits += static_cast<double>(truth[order[until]]);
    }
    const auto tied = static_cast<double>(until - from);
    above += (tied - new_hits) * (hits + new_hits / 2);
    hits += new_hits;
    seen += tied;
    precision += new_hits / positives * (hits / seen);
    from = until;
  }
  return {{"auroc", above / (positives * negatives)}, {"average_precision", precision}};
}

Metrics multi_label_metrics(std::span<const std::int64_t> truth, std::span<const float> scores,
                            std::size_t targets) {
  assert(truth.size() == scores.size() && truth.size() % targets == 0);
  Metrics sums;
  std::map<std::string, double, std::less<>> defined;
  const auto count = [&](const std::string& metric, double value) {
    sums[metric] += value;
    ++defined[metric];
  };
  double right = 0, known = 0;
  for (std::size_t target = 0; target < targets; ++target) {
    std::vector<std::int64_t> own;
    std::vector<float> own_scores;
    double hits = 0, marked = 0;  // marked: times that it is yes, and times that it is said
    for (std::size_t i = target; i < truth.size(); i += targets) {
      if (truth[i] != 0 && truth[i] != 1) continue;
      own.push_back(truth[i]), own_scores.push_back(scores[i]);
      const bool is = truth[i] == 1, said = scores[i] > 0;
      right += is == said;
      hits += is && said;
      marked += is + said;
    }
    known += static_cast<double>(own.size());
    if (marked > 0) count("macro_f1", 2 * hits / marked);
    for (const auto& [metric, value] : ranking_metrics(own, own_scores)) count(metric, value);
  }
  for (auto& [metric, sum] : sums) sum /= defined[metric];
  if (known > 0) sums["accuracy"] = right / known;
  return sums;
}

Metrics number_metrics(std::span<const double> truth, std::span<const double> said) {
  assert(truth.size() == said.size());
  if (truth.empty()) return {};
  const auto count = static_cast<double>(truth.size());
  const double mean = std::reduce(truth.begin(), truth.end()) / count;
  double absolute = 0, squares = 0, spread = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    absolute += std::abs(said[i] - truth[i]);
    squares += std::pow(said[i] - truth[i], 2);
    spread += std::pow(truth[i] - mean, 2);
  }
  Metrics metrics{{"mae", absolute / count}, {"rmse", std::sqrt(squares / count)}};
  if (spread > 0) metrics["r2"] = 1 - squares / spread;
  return metrics;
}

bool is_better_when_higher(std::string_view metric) {
  return metric != "mae" && metric != "rmse" && metric != "perplexity" && metric != "loss";
}

}  // namespace kith::model
