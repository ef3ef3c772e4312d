#pragma once

#include "model/influence.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace kith::model {

/// Which peers may be averaged with: keeps every peer's rho over the rounds, and decides on its
/// interval rather than on a point.
///
/// A peer is *admitted* when its smoothed rho is above `admit_above` and its smoothed interval is
/// wholly above zero, and *dropped* when its smoothed rho is below `drop_below`; between the two it
/// stays what it was (hysteresis).  Its newest score alone condemns it when that score's interval
/// lies wholly below `drop_below`, or when it comes with an objection: a peer that turns harmful is
/// out in the same round, whatever its past.  An admitted peer that is not scored any more is
/// dropped after `max_age` rounds.
///
/// The bounds of the interval are smoothed like rho itself, and so do not shrink with the number of
/// rounds: all rounds are scored on the same validation examples, so their errors do not cancel.
///
/// Peers are named by their node id in text.  Rounds are this node's own.
class Admission {
 public:
  struct Settings {
    double admit_above = 0.5;  ///< smoothed rho
    double drop_below = 0.4;   ///< smoothed rho; at most admit_above
    double smoothing = 0.5;    ///< weight of a new score against one of the round before, (0, 1]
    double bound = 2;  ///< rho counts as in [-bound, bound]: one odd round is soon forgotten
    std::uint64_t max_age = 10;  ///< rounds without a score that an admitted peer is kept for
  };

  /// What was decided about one peer, and why.
  struct Decision {
    std::string peer;
    bool admitted = false;
    std::uint64_t since = 0;   ///< round in which `admitted` became what it is
    std::uint64_t scored = 0;  ///< round of the newest score
    std::uint64_t scores = 0;  ///< how many there were; if 0, the numbers below mean nothing
    double rho = 0;            ///< smoothed; a score g rounds old weighs (1 - smoothing)^g
    double low = 0, high = 0;  ///< interval, smoothed likewise
    RelativeInfluence latest;  ///< the newest score, as it came
    std::string reason;        ///< one sentence for the operator
  };

  Admission() : Admission(Settings()) {}
  /// Throws std::invalid_argument, naming the setting, if one makes no sense.
  explicit Admission(Settings settings);

  /// Takes in this round's score of a peer and decides.  A score against Yardstick::nothing says
  /// nothing: the peer stays what it was.
  const Decision& score(const std::string& peer, std::uint64_t round,
                        const RelativeInfluence& score);
  /// Drops admitted peers whose scores are older than max_age in `round`; returns those decisions.
  std::vector<Decision> expire(std::uint64_t round);
  /// Removes every trace of a peer (expelled, or denied by the operator).
  void forget(std::string_view peer);

  [[nodiscard]] std::vector<std::string> admitted() const;  ///< highest smoothed rho first
  [[nodiscard]] const Decision* find(std::string_view peer) const;

  /// Everything known, sorted by peer, to be stored; restore() takes it back.
  [[nodiscard]] std::vector<Decision> state() const;
  /// Replaces everything known.  Throws std::invalid_argument, changing nothing, if `state` is not
  /// one that state() could have returned.
  void restore(std::vector<Decision> state);

 private:
  void smooth(Decision& decision, std::uint64_t round, const RelativeInfluence& score) const;
  void decide(Decision& decision, std::uint64_t round) const;

  Settings settings_;
  std::map<std::string, Decision, std::less<>> decisions_;
};

}  // namespace kith::model
