#pragma once

#include "daemon/learning/strategy.hpp"

#include <optional>

namespace kith::daemon {

/// Averages with everyone of a fixed set: all (FedAvg, McMahan et al. 2017, without a server), the
/// true group (the oracle of the paper), or nobody.
class Fixed final : public Strategy {
 public:
  /// What the node serves: what the gate chooses; the average, one model for all, as FedAvg's paper
  /// has it; or that as the node's own training made it fit, the strongest of simple baselines.
  enum class Serves { by_the_gate, average, partial };
  /// `only`: node ids in text; nullopt is everyone.
  Fixed(const Config& config, std::optional<std::vector<std::string>> only,
        Serves serves = Serves::by_the_gate)
      : half_life_(config.learning.half_life), only_(std::move(only)), serves_(serves) {}

  std::vector<std::string> pulls(std::uint64_t round, const std::vector<std::string>& peers,
                                 std::mt19937_64& random) override;
  net::awaitable<Choice> choose(Situation situation) override;
  [[nodiscard]] bool shares() const override { return !only_ || !only_->empty(); }

 private:
  [[nodiscard]] bool has(const std::string& peer) const;

  double half_life_;
  std::optional<std::vector<std::string>> only_;
  Serves serves_;
};

}  // namespace kith::daemon
