#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>

namespace kith::model {

/// Whether one model is worse than another by all that the rounds have shown.  Each round compares
/// the two of that round on the same few validation examples, and alone proves little: two standard
/// errors of a few dozen losses cover a lot.  Twelve rounds that all say the same are proof.
///
/// Rounds are added as z values: mean difference over its standard error, the sum divided by its
/// own standard deviation, as if each were drawn anew (Stouffer's method).  They are not, since the
/// examples are the same; but the models are others each time, and the older weigh less.
class Doubt {
 public:
  static constexpr double kFading = 0.8;  ///< a round counts so much less in the next one
  static constexpr double kMost = 4;      ///< standard errors that one round can speak for

  /// `slack`: standard errors by which a model must be worse to be *clearly* so.
  explicit Doubt(double slack) : slack_(slack) {}

  /// Takes in what `losses` say against `others` in `round`; both as in clearly_worse().  True if
  /// they are higher, and these alone are clearly so, or all rounds together say so.  `what` names
  /// the question.
  bool clearly_worse(const std::string& what, std::uint64_t round, std::span<const float> losses,
                     std::span<const float> others);
  /// Whether it is clearly worse by all rounds up to now.
  [[nodiscard]] bool clearly_worse(const std::string& what) const {
    return standing(what) > slack_;
  }
  /// By how many standard errors it is worse by all rounds; 0 if nothing is known.
  [[nodiscard]] double standing(const std::string& what) const;
  /// Takes back a standing of before a restart, as if `round` alone had shown it.
  void restore(const std::string& what, std::uint64_t round, double standing);

 private:
  struct Record {
    double sum = 0;      ///< of z, each weighted
    double squares = 0;  ///< of the weights
    std::uint64_t last = 0;
  };
  double slack_;
  std::map<std::string, Record> records_;
};

}  // namespace kith::model
