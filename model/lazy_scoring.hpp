#pragma once

#include "model/influence.hpp"
#include "model/paired.hpp"

#include <cstddef>
#include <span>

/// Scoring on no more examples than it takes: a peer is looked at on 32 examples, then on 64, 128
/// ..., until what is decided about it is beyond doubt or there are no more.  The examples are in
/// random order, so the first n are a sample like any other.
namespace kith::model {

inline constexpr std::size_t kFirstLook = 32;  ///< examples

/// How many of `all` examples to look at after `looked` were not enough, 0 at first: twice as many,
/// or all of them where less than half as many again would be left over.
[[nodiscard]] std::size_t next_look(std::size_t looked, std::size_t all);

/// When a peer needs no further look.
struct Stopping {
  double admit_above = 0.5, drop_below = 0.4;  ///< as of Admission::Settings
  double slack = kSlack;                       ///< what "clearly worse than alone" means
  /// Standard errors by which rho must clear a threshold.  More than the 1.96 of a single look,
  /// since there are several.
  double confidence = 3;
};

/// True if rho lies beyond doubt below `drop_below`; or above `admit_above` with the peer's model
/// no worse than the best learnt alone; or if the model is beyond doubt worse than that.
/// `score` has an interval of `confidence` standard errors; the losses are those of the examples
/// looked at, `alone_losses` empty if there is nothing to compare with.
[[nodiscard]] bool settled(const RelativeInfluence& score, std::span<const float> peer_losses,
                           std::span<const float> alone_losses, const Stopping& stopping);

}  // namespace kith::model
