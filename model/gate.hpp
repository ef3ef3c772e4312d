#pragma once

#include "model/paired.hpp"

#include <span>
#include <string>
#include <string_view>

namespace kith::model {

/// Which model the node serves to its users.
enum class Served {
  baseline,  ///< trained on the own data alone, alongside
  averaged,  ///< theta: the average of own partial and cluster
  partial,   ///< theta after local training
};

[[nodiscard]] std::string_view name(Served served);  ///< "baseline", "averaged", "partial"

/// Losses per example, all of the same validation examples; empty if there is no such model.
struct ServingLosses {
  std::span<const float> baseline;
  std::span<const float> averaged;
  std::span<const float> partial;
};

struct GateDecision {
  Served served;
  std::string reason;  ///< one sentence with the numbers
};

/// Picks what to serve: the averaged model, unless another is clearly better; then the partial,
/// unless the baseline is clearly better.  Never a model that is *clearly worse than the baseline*,
/// on the interval of the paired difference: with few validation examples a point estimate would
/// turn good averages down by chance, and with many the interval is narrow.  A mean loss that is
/// not finite never wins; if none is finite the baseline is served.
[[nodiscard]] GateDecision choose_served(const ServingLosses& losses, double slack = kSlack);

}  // namespace kith::model
