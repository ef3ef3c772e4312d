#pragma once

#include <span>
#include <vector>

namespace kith::model {

/// How much a snapshot of this age counts against a new one: 2^(-age / half_life), in [0, 1].
/// Ages and half-lives are in rounds of this node.  An age below zero counts as new, one that is
/// not a number as infinitely old.  With a half-life that is not above zero only new snapshots
/// count.
[[nodiscard]] double freshness(double age, double half_life);

/// The weights of an average of the own partial, first, and one member per age: in proportion to
/// freshness, the own age being zero.  Each in [0, 1], their sum 1.
[[nodiscard]] std::vector<double> aggregation_weights(std::span<const double> member_ages,
                                                      double half_life);

}  // namespace kith::model
