#pragma once

#include "crypto/bytes.hpp"

namespace kith::model {

/// The Euclidean norm of little-endian float32 values (Snapshot::values).  Infinite or NaN if a
/// value is.  Requires values.size() to be a multiple of 4.
[[nodiscard]] double parameter_norm(ByteView values);

/// How many times the norm of what the node knows a peer's may be.  Training moves the norm of a
/// model by small factors; ten is far beyond any that we measured.
inline constexpr double kAbsurdNormFactor = 10;

/// True if a peer's model is not worth scoring: its norm is not finite, or above `factor` times the
/// larger of the norms of M0 and of the node's own model (a norm of these that is not finite is
/// left out; if none is above zero there is nothing to compare with).
[[nodiscard]] bool absurd_norm(double norm, double initial_norm, double own_norm,
                               double factor = kAbsurdNormFactor);

/// How many times that norm a peer's counts with.
inline constexpr double kNormBound = 2;

/// What the parameters of a peer are multiplied by before they are scored and averaged: 1, unless
/// their norm is above kNormBound times the larger of those of M0 and of the node's own model;
/// then it becomes that.  In an average a large model drowns the others, though on validation
/// examples, whose losses are cut, it may look as good as they do (norm thresholding: Sun et al.
/// 2019, arXiv 1911.07963, section 4).  Requires that the norm is not absurd.
[[nodiscard]] double norm_factor(double norm, double initial_norm, double own_norm);

}  // namespace kith::model
