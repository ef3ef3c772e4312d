#pragma once

#include "daemon/strategy.hpp"
#include "model/admission.hpp"
#include "model/selection.hpp"

namespace kith::daemon {

/// The strategy of Kith: scores every peer by lazy influence, admits on an interval of the relative
/// influence, and averages with those of the admitted with whom averaging does not hurt.  All the
/// arithmetic is in model/; this asks the worker for the numbers.
class Lia final : public Strategy {
 public:
  explicit Lia(const Config& config);

  std::vector<std::string> pulls(std::uint64_t round, const std::vector<std::string>& peers,
                                 std::mt19937_64& random) override;
  net::awaitable<Choice> choose(Situation situation) override;
  [[nodiscard]] nlohmann::json opinion(const std::string& peer) const override;
  void restore(const std::map<std::string, nlohmann::json>& opinions) override;

 private:
  /// Keeps the lower of the losses so far and of now.
  void learnt_alone(std::span<const float> losses, pid_t worker);
  /// Of the scored validation examples, one loss each.
  struct OwnLosses {
    std::vector<float> reference, partial;
  };
  /// Measures our own models, and with them what peers are compared with.
  net::awaitable<OwnLosses> measure_own(Situation situation);
  /// Scores every candidate, on as many examples as each needs; returns what it took, for reports.
  net::awaitable<nlohmann::json> score(Situation situation, OwnLosses own);
  net::awaitable<std::vector<float>> losses_of(Situation situation, model::Members members);

  Config::Learning settings_;
  /// Whether peers must not be clearly worse than the baseline.  Not with privacy: it learns from
  /// the training examples as they are, which would show in whom we average with.
  bool ask_baseline_;
  double clip_;  ///< of per-example losses
  model::Admission admission_;
  /// Losses of the best this node learnt alone, and the worker that they were measured in: another
  /// one may have other data.
  std::vector<float> alone_;
  pid_t alone_in_ = -1;
};

}  // namespace kith::daemon
