#pragma once

#include "daemon/learning/strategy.hpp"

#include <deque>

namespace kith::daemon {

/// A look-ahead by brute force, to measure against: what is there to be had if a node may read
/// every model and train every candidate?
///
/// Each round the peers are ranked by relative influence, smoothed over the rounds, and the best
/// prefix of the ranking is found by validation loss.  The candidates are the own partial, the
/// average with that prefix, the average of all, and the mean of the partial and that; each is
/// trained for one epoch, and the partial also with a pull towards the average of all, of strength
/// 0.3 and 1.  The one whose loss after that epoch, smoothed, is the lowest is the next theta (with
/// a pull, as it came out of the epoch).  What is served is the mean of the trained ones of the
/// last three rounds.
class LookAhead final : public Strategy {
 public:
  explicit LookAhead(const Config& config) : seed_(config.task.seed) {}

  std::vector<std::string> pulls(std::uint64_t round, const std::vector<std::string>& peers,
                                 std::mt19937_64& random) override;
  net::awaitable<Choice> choose(Situation situation) override;
  [[nodiscard]] nlohmann::json opinion(const std::string& peer) const override;

 private:
  /// Updates the ranking; returns it, the most influential first.
  net::awaitable<std::vector<std::string>> rank(Situation situation);
  /// Keeps the best prefix's average, and returns its members.
  net::awaitable<std::vector<std::string>> best_prefix(Situation situation,
                                                       std::vector<std::string> ranking);

  std::uint64_t seed_;                    ///< of M0
  std::map<std::string, double> rho_;     ///< of each peer, smoothed
  std::map<std::string, double> losses_;  ///< of each kind of candidate after its epoch, smoothed
  std::deque<std::string> served_;        ///< what the worker calls the last three
};

}  // namespace kith::daemon
