#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace kith::model {

/// Tells who sends back what was published before, by others or by itself: a free rider, whose
/// model is as useful as the one it copied, and would be averaged with for nothing.  Models are
/// told apart by their losses on the same examples: two that were trained apart never agree on all
/// of them.  An example on which the loss is next to the worst, or to nothing, tells no models
/// apart: many are wholly wrong about it, or sure of it.
///
/// A copy that was altered a little is not told; nor is one whose original was never seen here.
class Copies {
 public:
  static constexpr std::uint64_t kRounds = 10;  ///< that a model is remembered for
  static constexpr std::uint64_t kAgain = 3;    ///< a round repeated after a crash is no replay
  static constexpr std::size_t kFewest = 8;     ///< examples that tell; fewer say nothing

  /// `worst`: the highest that a loss can be.
  explicit Copies(double worst) : worst_(worst) {}

  /// Takes in the losses of the model that `node` published, of the first scored examples; returns
  /// whose model it is if it is another's of before, or the node's own of kAgain rounds ago.
  std::optional<std::string> add(const std::string& node, std::uint64_t round,
                                 std::span<const float> losses);

 private:
  struct Seen {
    std::string node;
    std::uint64_t first, last;  ///< rounds
    std::vector<float> losses;
  };
  [[nodiscard]] bool same(std::span<const float> a, std::span<const float> b) const;

  double worst_;
  std::deque<Seen> seen_;  // oldest first
};

}  // namespace kith::model
