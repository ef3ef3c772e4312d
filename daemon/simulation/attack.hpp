#pragma once

#include "model/pipe/fd.hpp"
#include "model/snapshot.hpp"

#include <cstdint>
#include <optional>
#include <random>
#include <string_view>

namespace kith::daemon {

/// What a malicious member of a simulation does to what it publishes.
enum class AttackKind {
  none,
  sign_flip,   ///< the opposite of what it learnt: 2 M0 - partial
  scale,       ///< what it learnt, a hundredfold: M0 + 100 (partial - M0)
  label_flip,  ///< learns from wrong labels: nothing is done to the model itself
  noise,       ///< random weights of the size of the partial's
  nan,         ///< not a number
  infinity,    ///< infinite weights
  replay,      ///< the partial of its first round, again and again
  free_ride,   ///< what another published in the round before
};

[[nodiscard]] std::string_view name(AttackKind kind);  ///< "sign-flip"

/// The snapshot files that an attacker has at hand.
struct AttackMaterial {
  const pipe::Fd* initial = nullptr;  ///< M0
  const pipe::Fd* first = nullptr;    ///< its own first partial
  const pipe::Fd* other = nullptr;    ///< another's newest; nullptr: there is none yet
};

/// What the attacker publishes in place of `partial`.
[[nodiscard]] pipe::Fd attacked(AttackKind kind, const pipe::Fd& partial,
                                const AttackMaterial& material, std::mt19937_64& random);

}  // namespace kith::daemon
