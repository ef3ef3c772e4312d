#pragma once

#include "daemon/learning/strategy.hpp"

#include <algorithm>
#include <optional>
#include <sys/types.h>

namespace kith::daemon {

/// IFCA: Ghosh, Chung, Yin, Ramchandran, "An efficient framework for clustered federated learning",
/// NeurIPS 2020, arXiv 2006.04088; Algorithm 1, with model averaging (option II).
///
/// There are `clusters` models (at least one), drawn differently at the start.  Each round a
/// node takes the one with the lowest loss on its training data, trains it, and says which one it
/// was; the new model of a cluster is the average of what was made of it, or the old one if nobody
/// took it.
///
/// Liberties: there is no server, so every node fetches all partials and averages for itself; if
/// all are in step and everything arrives, all have the same cluster models, and they are the
/// server's.  Partials count by freshness, as with every strategy here; in step, they count alike.
/// A round is k epochs.  Cluster c is drawn as M0 is, from the task's seed + c.
class Ifca final : public Strategy {
 public:
  struct Own {
    unsigned clusters = 0;  ///< 0: as many as there are true groups
  };
  Ifca(const Config& config, Own own)
      : half_life_(config.learning.half_life),
        clusters_(own.clusters > 0 ? own.clusters : std::max(config.learning.oracle_groups, 1U)),
        seed_(config.task.seed) {}

  std::vector<std::string> pulls(std::uint64_t round, const std::vector<std::string>& peers,
                                 std::mt19937_64& random) override;
  net::awaitable<void> prepare(Situation situation) override;
  net::awaitable<Choice> choose(Situation situation) override;
  [[nodiscard]] bool uses_training_examples() const override { return true; }
  [[nodiscard]] Note note() const override { return {{{"cluster", cluster_}}, ""}; }
  [[nodiscard]] nlohmann::json opinion(const std::string& peer) const override;

 private:
  /// Makes the models of all clusters that somebody took; the own partial counts for `own`.
  net::awaitable<void> update(Situation situation, std::optional<std::uint64_t> own);

  double half_life_;
  std::uint64_t clusters_, seed_;
  std::uint64_t cluster_ = 0;                   ///< that we took
  std::map<std::string, std::uint64_t> taken_;  ///< by our peers, last we heard
  pid_t worker_ = -1;                           ///< that has the models of the clusters
};

}  // namespace kith::daemon
