#pragma once

#include "crypto/bytes.hpp"

namespace kith::model {

/// The Euclidean norm of little-endian float32 values (Snapshot::values).  Infinite or NaN if a
/// value is.  Requires values.size() to be a multiple of 4.
[[nodiscard]] double parameter_norm(ByteView values);

/// How many times the norm of what the node knows a peer's may be.  Training moves the norm of a
/// model by small factors; a hundred is far beyond any of them.
inline constexpr double kAbsurdNormFactor = 100;

/// True if a peer's model is not worth scoring: its norm is not finite, or above `factor` times the
/// larger of the norms of M0 and of the node's own model (a norm of these that is not finite is
/// left out; if none is above zero there is nothing to compare with).  Only a guard against
/// overflow and crude scaling: influence judges whatever passes.
[[nodiscard]] bool absurd_norm(double norm, double initial_norm, double own_norm,
                               double factor = kAbsurdNormFactor);

}  // namespace kith::model
