#pragma once

#include "model/doubt.hpp"
#include "model/paired.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace kith::model {

/// Which model the node serves to its users.
enum class Served {
  baseline,  ///< trained on the own data alone, alongside
  averaged,  ///< theta: the average of own partial and cluster
  partial,   ///< theta after local training
  running,   ///< the running average of the averaged models, round after round
  best,      ///< of what was served in earlier rounds, the one with the lowest loss
};

/// "baseline", "averaged", "partial", "running_average", "best"
[[nodiscard]] std::string_view name(Served served);

/// Losses per example, all of the same validation examples; empty if there is no such model.
struct ServingLosses {
  std::span<const float> baseline;
  std::span<const float> averaged;
  std::span<const float> partial;
  std::span<const float> running{};
  std::span<const float> best{};

  [[nodiscard]] std::span<const float> of(Served served) const;
};

struct GateDecision {
  Served served;
  std::string reason;  ///< one sentence with the numbers
};

/// Picks what to serve, round after round: the running average, unless another is clearly better;
/// then the averaged model, the partial and the best of before, with the same reserve; else the
/// baseline.  With few validation examples a point estimate would turn good averages down by
/// chance; but what all rounds say is more than what one says (Doubt), and a model that is a little
/// worse in each is not served for long.  A mean loss that is not finite never wins; if none is
/// finite the baseline is served.
class Gate {
 public:
  explicit Gate(double slack = kSlack) : doubt_(slack) {}
  [[nodiscard]] GateDecision choose(std::uint64_t round, const ServingLosses& losses);
  /// False if by all rounds together the baseline is clearly worse than the averaged model.
  [[nodiscard]] bool baseline_in_question() const;

 private:
  Doubt doubt_;
};

}  // namespace kith::model
