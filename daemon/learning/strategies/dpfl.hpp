#pragma once

#include "daemon/learning/strategy.hpp"

#include <set>

namespace kith::daemon {

/// DPFL: Kharrat, Canini, Horvath, "DPFL: Decentralized personalized federated learning", AISTATS
/// 2025, arXiv 2406.06520.
///
/// After local training a node builds its row of a collaboration graph by a greedy search that may
/// also take back (GGC): it goes over the peers in random order, with a set that begins as itself
/// and one that begins as everybody; a peer stays in with a probability that is what it adds to the
/// small set, divided by that and what its leaving adds to the large one.  A set is worth the
/// validation loss of the average of its models, with the own.  It ends when the small set has
/// `budget` peers.  The search after the first round (the paper's preprocessing) says among whom
/// the later ones look.  The node averages with the small set, trains, and serves that.
///
/// Liberties: the preprocessing looks at all peers at once, where the paper takes them in batches
/// that fit into memory, which changes nothing else without a budget.  Models count alike, where
/// the paper can weigh by examples.  A round is k epochs.
class Dpfl final : public Strategy {
 public:
  struct Own {
    unsigned budget = 0;  ///< peers; 0: any number
  };
  Dpfl(const Config& config, Own own) : own_(own), random_(config.learning.seed) {}

  std::vector<std::string> pulls(std::uint64_t round, const std::vector<std::string>& peers,
                                 std::mt19937_64& random) override;
  net::awaitable<Choice> choose(Situation situation) override;

 private:
  net::awaitable<std::vector<std::string>> search(Situation situation,
                                                  std::vector<std::string> peers);

  Own own_;
  std::mt19937_64 random_;
  bool looked_ = false;
  std::set<std::string> pool_;  ///< among whom it looks, once it has looked at all
};

}  // namespace kith::daemon
