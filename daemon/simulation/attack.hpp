#pragma once

#include "model/pipe/fd.hpp"
#include "model/snapshot.hpp"

#include <cstdint>
#include <optional>
#include <random>
#include <string_view>
#include <vector>

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
  altered_copy,  ///< the same, each weight altered a little
  collude,       ///< the mean of what the honest published, its hidden units in another order
  backdoor,      ///< learns a trigger besides: nothing is done to the model itself
  interpolate,   ///< that mean, as far towards a model of wrong labels as goes unnoticed
  sybil,         ///< the same, all towards the model of the first of them
};

[[nodiscard]] std::string_view name(AttackKind kind);  ///< "sign-flip"

/// True if wrong labels are put into the attacker's own data.
[[nodiscard]] bool flips_labels(AttackKind kind);
/// True if there is something in the data, from the beginning: it cannot begin later.
[[nodiscard]] bool is_in_data(AttackKind kind);

/// The snapshot files that an attacker has at hand.
struct AttackMaterial {
  const pipe::Fd* initial = nullptr;  ///< M0
  const pipe::Fd* first = nullptr;    ///< its own first partial
  const pipe::Fd* other = nullptr;    ///< another's newest; nullptr: there is none yet
  /// Of the round before, what those honest nodes published whose data are of the same group.
  std::vector<const pipe::Fd*> honest{};
};

/// What the attacker publishes in place of `partial`.  For `interpolate` and `sybil` see
/// interpolated(): they have to measure.
[[nodiscard]] pipe::Fd attacked(AttackKind kind, const pipe::Fd& partial,
                                const AttackMaterial& material, std::mt19937_64& random);

/// The plain mean of at least one model.
[[nodiscard]] pipe::Fd mean_of(const std::vector<const pipe::Fd*>& files);
/// from + share (to - from)
[[nodiscard]] pipe::Fd between(const pipe::Fd& from, const pipe::Fd& to, float share);
/// Every weight altered at random, by a hundredth of the size that weights have.
[[nodiscard]] pipe::Fd altered(const pipe::Fd& file, std::mt19937_64& random);
/// Computes the same, and averages badly: the hidden units of every layer are moved on by half of
/// their number.  Throws Failure if the model is not a chain of layers with weights and biases.
[[nodiscard]] pipe::Fd permuted(const pipe::Fd& file);

}  // namespace kith::daemon
