#pragma once

#include "daemon/learning/strategy.hpp"

namespace kith::daemon {

/// PENS: Onoszko, Karlsson, Mogren, Listo Zec, "Decentralized federated learning of deep neural
/// networks on non-iid data", 2021, arXiv 2107.08517.
///
/// In the first phase (`rounds`), a node samples `pull_budget` peers, averages with the
/// `top` of them whose models have the lowest loss on its own training data, and counts whom
/// it chose.  In the second it gossips with a sample of its neighbours: those it chose more often
/// than it would have by chance.
///
/// Liberties: a round is k epochs, and ends with the average; the paper's ends with the training
/// after it.  Chance is top / peers a round; the authors' program divides by the number of nodes,
/// this one included.  A round in which fewer than `top` of the sampled could be had counts
/// by those it had.  Members count by freshness, as with every strategy here; in step, they count
/// alike.
class Pens final : public Strategy {
 public:
  struct Own {
    unsigned rounds = 10;
    unsigned top = 0;  ///< peers; 0: as many as there are of the true group
  };
  /// Throws Failure(EX_CONFIG) if neither says how many.
  Pens(const Config& config, Own own);

  std::vector<std::string> pulls(std::uint64_t round, const std::vector<std::string>& peers,
                                 std::mt19937_64& random) override;
  net::awaitable<Choice> choose(Situation situation) override;
  [[nodiscard]] bool uses_training_examples() const override { return true; }
  [[nodiscard]] nlohmann::json opinion(const std::string& peer) const override;
  void restore(const std::map<std::string, nlohmann::json>& opinions) override;

 private:
  [[nodiscard]] bool first_phase(std::uint64_t round) const { return round <= own_.rounds; }
  [[nodiscard]] bool is_neighbour(const std::string& peer) const;

  Config::Learning settings_;
  Own own_;
  std::size_t peers_ = 0;                        ///< in the consortium
  std::vector<std::string> sampled_;             ///< this round
  std::map<std::string, std::uint64_t> chosen_;  ///< how often, in the first phase
  double expected_ = 0;                          ///< how often by chance
};

}  // namespace kith::daemon
