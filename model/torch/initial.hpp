#pragma once

#include "model/snapshot.hpp"
#include "model/task.hpp"
#include "model/torch/network.hpp"

#include <cstdint>

namespace kith::worker {

/// How long the rows of the last layer are in M0, beside those of the others: a tenth, so that it
/// guesses.  But the whole in "resnet", whose features are means over a picture, small as they are.
[[nodiscard]] double last_layer(const model::Task& task);

/// The initial model M0: the rows of every weight are orthogonal (Saxe, McClelland, Ganguli 2014),
/// in groups of at most 64, and of length sqrt(2) (He et al. 2015), in the last layer `last_layer`
/// times that; biases are zero, and the scales of normalisations (weights of one dimension) one.
///
/// So no two of a few channels see nearly the same: with weights drawn each by itself it was a
/// matter of luck how good a start M0 is (docs/algorithm.md, "Where it starts").
///
/// Every member must have the very same M0, whatever its LibTorch, its device, its processor and
/// its standard library, so the numbers come from std::mt19937_64 and plain arithmetic and from
/// nowhere else.
[[nodiscard]] Params initial_model(const model::Schema& schema, double last_layer,
                                   std::uint64_t seed);

}  // namespace kith::worker
