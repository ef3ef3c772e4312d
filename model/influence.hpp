#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

/// Lazy influence (Rokvic, Danassis, Faltings: pFedLIA, arXiv 2505.02540): how much a peer's
/// partial model lowers the loss on this node's own validation data.
///
/// All losses here are scores (model/score.hpp) per example, of one and the same list of validation
/// examples in one and the same order, so that two models are compared example by example (paired):
/// what makes an example hard for both cancels out.
namespace kith::model {

/// A mean over examples and what it is worth.
struct Estimate {
  double mean = 0;
  double standard_error = 0;  ///< of the mean; infinite with fewer than two examples
  std::size_t examples = 0;
};

/// I(i,j): the mean over the examples of reference - peer.  Above zero, the peer's partial is
/// better than the reference.  Throws std::invalid_argument if the spans differ in size.
[[nodiscard]] Estimate lazy_influence(std::span<const float> reference_losses,
                                      std::span<const float> peer_losses);

/// What a peer's influence was divided by.
enum class Yardstick {
  own,         ///< I(i,i), the influence of the node's own training
  best_peers,  ///< the mean of the three most influential peers, as I(i,i) was not above zero
  nothing,     ///< neither was above zero by more than its error: rho says nothing
};

/// rho(i,j) = I(i,j) / I(i,i): 1 is as useful as the node's own training, 0 no use, below 0
/// harmful.
struct RelativeInfluence {
  double rho = 0;
  double low = 0, high = 0;  ///< confidence interval; (-inf, inf) and rho 0 if against is nothing
  Estimate influence{};      ///< I(i,j)
  Estimate own{};            ///< I(i,i)
  Estimate yardstick{};      ///< what `influence` was divided by
  Yardstick against = Yardstick::nothing;
  std::string
      objection{};  ///< why the peer is out whatever its rho; empty: nothing is held against it
};

inline constexpr double kConfidence95 = 1.96;  ///< standard errors either side of a 95 % interval
inline constexpr std::size_t kBestPeers = 3;   ///< how many make Yardstick::best_peers

/// rho of one peer, with Fieller's interval: all ratios r for which mean(peer gain - r own gain) is
/// within z standard errors of zero.  It uses the pairing, and is bounded exactly when the own
/// influence is above zero by z standard errors, which is the question that decides about the
/// yardstick.  The delta method errs on one side only: at an own influence of four standard errors
/// it calls a useless peer useful, and a fully useful one less, in 5 % of cases where it should in
/// 2.5 %.  Fieller's misses are even on both sides.
///
/// `own_losses` and `peer_losses` are those of the partials; throws like lazy_influence().
[[nodiscard]] RelativeInfluence relative_influence(std::span<const float> reference_losses,
                                                   std::span<const float> own_losses,
                                                   std::span<const float> peer_losses,
                                                   double z = kConfidence95);

/// rho of every peer, in the order given.  Where the own influence is not above zero by z standard
/// errors (late, when partials overfit), divides by the mean of the three most influential peers.
[[nodiscard]] std::vector<RelativeInfluence> relative_influences(
    std::span<const float> reference_losses, std::span<const float> own_losses,
    std::span<const std::span<const float>> peers_losses, double z = kConfidence95);

}  // namespace kith::model
