#pragma once

#include "daemon/learning/strategy.hpp"
#include "model/comparators.hpp"

namespace kith::daemon {

/// DAC: Listo Zec, Ekblom, Willbo, Mogren, Girdzijauskas, "Decentralized adaptive clustering of
/// deep nets is beneficial for client collaboration", 2022, arXiv 2206.08839.
///
/// A node draws `pull_budget` peers with probability softmax(`tau` * similarity) and averages
/// with all of them.  How similar a peer is: 1 / the loss of its model on the own training data, as
/// of the last time; of one never drawn, what the most similar of those drawn says of him (the
/// two-hop estimate); of a stranger, 0.  So the first draw is uniform.
///
/// Liberties: a round is k epochs, and ends with the average; the paper's ends with the training
/// after it.  Like the authors' program, a node passes on its estimates too.  Members count by
/// freshness, as with every strategy here; in step, they count alike.  Temperature is the same in
/// all rounds (the paper's DAC-var is not here).
class Dac final : public Strategy {
 public:
  struct Own {
    double tau = 30;
  };
  Dac(const Config& config, Own own) : settings_(config.learning), own_(own) {}

  std::vector<std::string> pulls(std::uint64_t round, const std::vector<std::string>& peers,
                                 std::mt19937_64& random) override;
  net::awaitable<Choice> choose(Situation situation) override;
  [[nodiscard]] bool uses_training_examples() const override { return true; }
  [[nodiscard]] Note note() const override;
  [[nodiscard]] nlohmann::json opinion(const std::string& peer) const override;
  void restore(const std::map<std::string, nlohmann::json>& opinions) override;

 private:
  struct Known {
    double similarity = 0;
    bool met = false;  ///< its model was seen, or else it is hearsay
  };
  [[nodiscard]] double similarity(const std::string& peer) const;

  Config::Learning settings_;
  Own own_;
  std::vector<std::string> peers_;    ///< in the consortium
  std::vector<std::string> sampled_;  ///< this round
  std::map<std::string, Known> known_;
};

}  // namespace kith::daemon
