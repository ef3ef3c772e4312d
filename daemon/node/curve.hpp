#pragma once

#include "daemon/system/report.hpp"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace kith::daemon {

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
  void fields(auto& field) const {
    field("metric", metric), field("higher_is_better", higher_is_better), field("split", split);
    field("step", step), field("round", round), field("time", time), field("served", served);
    field("alone", alone), field("examples", examples), field("model", model);
    field("names", names), field("circle", circle), field("epsilon", epsilon);
    field("bytes_in", bytes_in), field("bytes_out", bytes_out);
  }
};

/// `reports` is what Store::thinned_rounds() gives, in order.  A curve goes back as far as the
/// reports have the metric of the newest.
[[nodiscard]] LearningCurve curve_of(const std::vector<nlohmann::json>& reports);

}  // namespace kith::daemon
