#pragma once

#include "daemon/learning/strategy.hpp"

namespace kith::daemon {

/// Averages with everybody all layers but the last, which stays a node's own.
///
/// FedPer: Arivazhagan, Aggarwal, Singh, Choudhary, "Federated learning with personalization
/// layers", 2019, arXiv 1912.00818.  All layers are trained together.
///
/// FedRep: Collins, Hassani, Mokhtari, Shakkottai, "Exploiting shared representations for
/// personalized federated learning", ICML 2021, arXiv 2102.07078, Algorithm 1.  First the last
/// layer is trained with the others fixed, then the others for one epoch with the last fixed.
///
/// Both serve what the own training made.  Liberties: the private part is one layer.  Members count
/// by freshness, as with every strategy here; in step, they count alike.  FedRep's last layer
/// trains for one epoch less than a round has, so that the budget is that of the others.
class PrivateHead final : public Strategy {
 public:
  enum class Training { together, last_layer_first };
  PrivateHead(const Config& config, Training training)
      : half_life_(config.learning.half_life), training_(training) {}

  std::vector<std::string> pulls(std::uint64_t round, const std::vector<std::string>& peers,
                                 std::mt19937_64& random) override;
  net::awaitable<void> prepare(Situation situation) override;
  void adjust(pipe::Train& training) const override;
  net::awaitable<Choice> choose(Situation situation) override;

 private:
  double half_life_;
  Training training_;
};

}  // namespace kith::daemon
