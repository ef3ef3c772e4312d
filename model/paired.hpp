#pragma once

#include <span>

namespace kith::model {

/// How many standard errors of the mean difference a model's loss may lie above another's and still
/// not count as worse.  Wherever this is used the doubt goes in favour of averaging: whoever is
/// averaged with was admitted on evidence of his own; the loss of a partial or baseline, of which
/// training kept the best epoch, flatters it; and averaging lowers the variance whatever the
/// examples say.  With many examples the standard error, and with it the slack, goes to nothing.
inline constexpr double kSlack = 2;  // about 95 %

/// NaN without losses.
[[nodiscard]] double mean(std::span<const float> losses);

/// How many standard errors of the mean of the paired differences the mean of `losses` lies above
/// that of `others`; below zero if it is lower.  Infinite without losses or a finite mean, where
/// the difference is the same for all examples, and for a single example.
[[nodiscard]] double standard_errors_above(std::span<const float> losses,
                                           std::span<const float> others);

/// True if the mean of `losses` is above that of `others` by more than `slack` standard errors of
/// the mean of the paired differences.  Both are losses of the same examples in the same order, or
/// empty: a model without losses, or without a finite mean, is worse than every other.
[[nodiscard]] bool clearly_worse(std::span<const float> losses, std::span<const float> others,
                                 double slack = kSlack);

}  // namespace kith::model
