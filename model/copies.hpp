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
/// of them.
///
/// A copy that was altered a little is not told; nor is one whose original was never seen here.
class Copies {
 public:
  static constexpr std::uint64_t kRounds = 10;  ///< that a model is remembered for
  static constexpr std::uint64_t kAgain = 3;    ///< a round repeated after a crash is no replay
  static constexpr std::size_t kFewest = 8;     ///< examples; fewer say nothing

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
  std::deque<Seen> seen_;  // oldest first
};

}  // namespace kith::model
