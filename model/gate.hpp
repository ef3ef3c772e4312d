#pragma once

#include <optional>
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

/// Mean validation losses, all of the same examples; not finite if there is no such model (yet).
struct ServingLosses {
  double baseline;
  double averaged;
  double partial;
};

struct GateDecision {
  Served served;
  double loss;         ///< of the model served
  std::string reason;  ///< one sentence with the numbers
};

/// How much lower, relatively, another model's loss must be than that of the model served now
/// before it is replaced: with few validation examples, smaller differences are chance, and a model
/// that changes every round for no reason is a nuisance.
inline constexpr double kServingMargin = 0.01;

/// Picks the model of the lowest validation loss, and *never one worse than the baseline*: a model
/// with a higher loss than the baseline is not eligible, whatever is served now.  Among equals the
/// averaged wins, then the partial.  A loss that is not finite never wins; if none is finite the
/// baseline is served.  `serving` is what is served now, if anything.
[[nodiscard]] GateDecision choose_served(const ServingLosses& losses,
                                         std::optional<Served> serving = std::nullopt,
                                         double margin = kServingMargin);

}  // namespace kith::model
