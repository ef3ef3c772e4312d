#pragma once

#include "daemon/learning/strategy.hpp"

#include <sys/types.h>

namespace kith::daemon {

/// Ditto: Li, Hu, Beirami, Smith, "Ditto: fair and robust federated learning through
/// personalization", ICML 2021, arXiv 2012.04221.
///
/// Algorithm 1.  Everybody averages with everybody, and beside that common model w each node trains
/// one of its own, v, which is pulled towards the w that the round began with:
/// v <- v - rate * (gradient of v + lambda * (v - w)).  It serves v.
///
/// Liberties: there is no server, every node averages for itself, and members count by freshness,
/// as with every strategy here; in step, they count alike.  v trains for as many epochs as w, and
/// of both the best of them by validation counts.  Lambda is the same at all nodes; the paper also
/// lets each choose it on its validation examples.
class Ditto final : public Strategy {
 public:
  struct Own {
    double lambda = 0.3;
  };
  Ditto(const Config& config, Own own) : half_life_(config.learning.half_life), own_(own) {}

  std::vector<std::string> pulls(std::uint64_t round, const std::vector<std::string>& peers,
                                 std::mt19937_64& random) override;
  net::awaitable<Choice> choose(Situation situation) override;

 private:
  double half_life_;
  Own own_;
  pid_t worker_ = -1;  ///< that has v
};

}  // namespace kith::daemon
