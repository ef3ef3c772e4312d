#pragma once

#include "daemon/learning/strategy.hpp"

namespace kith::daemon {

/// FedFomo: Zhang, Sapra, Fidler, Yeung, Alvarez, "Personalized federated learning with first order
/// model optimization", ICLR 2021, arXiv 2012.08565.
///
/// Section 3, Eq. 4 to 7.  The weight of a model is by how much its validation loss is below that
/// of theta, divided by its distance from theta; what is below zero counts as zero, and the rest is
/// divided by its sum.  The own partial is one of the models.  Theta moves by the weighted sum of
/// the differences, and stays where it is if no model is better.  Peers are chosen by their weights
/// summed up over the rounds (the matrix P), before the cut at zero, so that a harmful one falls
/// behind those never tried; with probability epsilon any peer is taken instead.
///
/// Liberties: peers take the place of the server that hands out models.  Theta is the model before
/// the training of this round, and epsilon falls by 0.05 a round, as in the runs that the authors
/// published with their program.  That divides a round's weights by their sum before it adds them
/// to P; here P is the plain sum.  The distance is Euclidean; their program also has others.  A
/// round is k epochs.
class FedFomo final : public Strategy {
 public:
  struct Own {
    double epsilon = 0.3;
  };
  FedFomo(const Config& config, Own own) : settings_(config.learning), own_(own) {}

  std::vector<std::string> pulls(std::uint64_t round, const std::vector<std::string>& peers,
                                 std::mt19937_64& random) override;
  net::awaitable<Choice> choose(Situation situation) override;
  [[nodiscard]] nlohmann::json opinion(const std::string& peer) const override;
  void restore(const std::map<std::string, nlohmann::json>& opinions) override;

 private:
  Config::Learning settings_;
  Own own_;
  std::vector<std::string> sampled_;           ///< this round
  std::map<std::string, double> preferences_;  ///< our row of P
};

}  // namespace kith::daemon
