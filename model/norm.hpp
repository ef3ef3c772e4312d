#pragma once

#include "crypto/bytes.hpp"

#include <optional>

namespace kith::model {

/// The Euclidean norm of little-endian float32 values (Snapshot::values).  Infinite or NaN if a
/// value is.  Requires values.size() to be a multiple of 4.
[[nodiscard]] double parameter_norm(ByteView values);

/// A peer's model is refused above this many times the norm of what the node knows.  Training moves
/// the norm of a model by small factors; ten is far beyond any that we measured.
inline constexpr double kRefusedNorm = 10;

/// Above this many times it is shortened to it.
inline constexpr double kNormBound = 2;

/// What the parameters of a peer, of this norm, are multiplied by before they are scored and
/// averaged; nothing if the model is not worth scoring.  The yardstick is the larger of the norms
/// of M0 and of the node's own model; one that is not finite is left out, and where none is above
/// zero every finite norm passes.  In an average a large model drowns the others, though on
/// validation examples, whose losses are cut, it may look as good as they do (norm thresholding:
/// Sun et al. 2019, arXiv 1911.07963, section 4).
[[nodiscard]] std::optional<double> norm_factor(double norm, double initial_norm, double own_norm);

}  // namespace kith::model
