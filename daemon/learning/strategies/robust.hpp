#pragma once

#include "daemon/learning/strategy.hpp"
#include "model/snapshot.hpp"

namespace kith::daemon {

/// Within a circle that it is told, takes in each coordinate the median of all models, the own
/// partial among them, or the mean without the highest and the lowest quarter: Yin, Chen,
/// Ramchandran, Bartlett, "Byzantine-robust distributed learning: towards optimal statistical
/// rates", ICML 2018, arXiv 1803.01498.
///
/// Definitions 1 and 2, on models in place of gradients: every node trains for k epochs before it
/// combines.  Liberties: there is no server, and every node combines what reached it.  The trimmed
/// mean is to leave out as large a share as there are attackers, at either end; a quarter is ours,
/// and at least one model where there are three.  Reads the weights of its peers' models, which the
/// network of a running node does not hand out.
class Robust final : public Strategy {
 public:
  enum class Rule { trimmed_mean, median };
  /// `circle`: node ids in text.
  Robust(std::vector<std::string> circle, Rule rule) : circle_(std::move(circle)), rule_(rule) {}

  std::vector<std::string> pulls(std::uint64_t round, const std::vector<std::string>& peers,
                                 std::mt19937_64& random) override;
  net::awaitable<Choice> choose(Situation situation) override;
  [[nodiscard]] bool reads_models() const override { return true; }

 private:
  std::vector<std::string> circle_;
  Rule rule_;
};

}  // namespace kith::daemon
