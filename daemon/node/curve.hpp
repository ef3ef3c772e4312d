#pragma once

#include "daemon/system/report.hpp"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace kith::daemon {

/// By how much what is served is better than training alone: the mean of the last kGainRounds
/// rounds that have both, and what it lies between with 95 %.
struct Gain {
  double served = 0, alone = 0;        ///< in the metric
  double mean = 0, low = 0, high = 0;  ///< more is better, whatever the metric
  std::uint64_t rounds = 0;
  /// Of an accuracy: examples that it is of, which widen the interval as if both were judged on
  /// others of as many.  That is cautious.  0: the interval says how the rounds differ, and no
  /// more.
  std::uint64_t examples = 0;
  bool certain = false;  ///< there is enough for an interval
  void fields(auto& field) const {
    field("served", served), field("alone", alone), field("mean", mean), field("low", low);
    field("high", high), field("rounds", rounds), field("examples", examples);
    field("certain", certain);
  }
};
inline constexpr std::size_t kGainRounds = 10;

/// What a node has learnt over its rounds, in columns for a chart: one entry a round, of those that
/// are shown.
struct LearningCurve {
  std::string metric;             ///< of the task, as pipe::Evaluation has it
  bool higher_is_better = true;
  std::string split;              ///< of whose examples: "test", or else "validation"
  std::uint64_t step = 0;         ///< every how many rounds one is shown
  std::vector<std::uint64_t> round{}, time{};  ///< numbers; seconds since 1970
  std::vector<std::optional<double>> served{}, alone{};  ///< in the metric
  std::vector<std::uint64_t> examples{};                 ///< that the metric is of
  std::vector<std::string> model{};       ///< which was served: "baseline", "partial", "averaged", ..
  std::vector<std::string> names{};       ///< of all who were averaged with
  std::vector<std::vector<std::uint64_t>> circle{};  ///< who was averaged with: indices of `names`
  std::vector<std::optional<double>> epsilon{};      ///< spent by then
  std::vector<std::uint64_t> bytes_in{}, bytes_out{};  ///< since the node ran, as it did then
  std::optional<Gain> gain{};                          ///< none before both were judged
  void fields(auto& field) const {
    field("metric", metric), field("higher_is_better", higher_is_better), field("split", split);
    field("step", step), field("round", round), field("time", time), field("served", served);
    field("alone", alone), field("examples", examples), field("model", model);
    field("names", names), field("circle", circle), field("epsilon", epsilon);
    field("bytes_in", bytes_in), field("bytes_out", bytes_out), field("gain", gain);
  }
};

/// `reports` is what Store::thinned_rounds() gives, in order.  A curve goes back as far as the
/// reports have the metric of the newest.
[[nodiscard]] LearningCurve curve_of(const std::vector<nlohmann::json>& reports);

/// The same, report by report: a curve that ends with `newest`, so far without a round,
[[nodiscard]] LearningCurve begun_curve(const nlohmann::json& newest);
/// its next round,
void add_round(LearningCurve& curve, const nlohmann::json& report);
/// and what came of it.
[[nodiscard]] std::optional<Gain> gain_of(const LearningCurve& curve);

}  // namespace kith::daemon
