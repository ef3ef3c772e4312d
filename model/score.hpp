#pragma once

#include <cstdint>

/// What a prediction is worth where models are compared: the log loss of the prediction, mixed with
/// a little of the uniform one, less that of a certain and right one.
///
///     ln(1 + k) - ln(1 + k p)      p: the chance that the model gave to what was true
///                                  k = classes (1 - kHedge) / kHedge
///
/// It is all but *proper*: no model gains by saying more or less than it knows.  And it is bounded,
/// so that no single example decides.  (A log loss that is cut is bounded, but not proper: beyond
/// the cut being wrong costs nothing, and of two classes a model that always says the more frequent
/// one with certainty beats an honest one.)
namespace kith::model {

inline constexpr double kHedge = 0.01;  ///< share of the uniform prediction

/// The score of an example whose log loss is `loss`, from 0 to worst_score(); lower is better.  A
/// loss that is not a number, or below zero, counts as infinite.
[[nodiscard]] double score(double loss, std::uint64_t classes);

/// That of what a model holds impossible: ln(1 + k), 6.9 with ten classes, 5.3 with two.
[[nodiscard]] double worst_score(std::uint64_t classes);

}  // namespace kith::model
