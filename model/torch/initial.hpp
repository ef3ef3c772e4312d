#pragma once

#include "model/snapshot.hpp"
#include "model/torch/network.hpp"

#include <cstdint>

namespace kith::worker {

/// The initial model M0: weights uniform within sqrt(6 / fan-in) (He), biases zero, the scales of
/// normalisations (weights of one dimension) one.
///
/// Every member must have the very same M0, whatever its LibTorch, its device and its standard
/// library, so the numbers come from std::mt19937_64 and plain arithmetic and from nowhere else.
[[nodiscard]] Params initial_model(const model::Schema& schema, std::uint64_t seed);

}  // namespace kith::worker
