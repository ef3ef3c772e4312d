#pragma once

#include "daemon/learning/convenor.hpp"
#include "daemon/learning/strategy.hpp"
#include "model/admission.hpp"
#include "model/copies.hpp"
#include "model/selection.hpp"

#include <optional>
#include <set>

namespace kith::daemon {

/// The strategy of Kith: scores every peer by lazy influence, admits on an interval of the relative
/// influence, averages with those of the admitted with whom averaging does not hurt, or with other
/// companies where those clearly lower the loss.  All the arithmetic is in model/; this asks the
/// worker for the numbers.
class Lia final : public Strategy {
 public:
  Lia(const Config& config, Roles roles);

  std::vector<std::string> pulls(std::uint64_t round, const std::vector<std::string>& peers,
                                 std::mt19937_64& random) override;
  net::awaitable<Choice> choose(Situation situation) override;
  [[nodiscard]] bool looks_at_published() const override { return true; }
  /// Not with privacy: the next partial would grow out of the examples as they are.
  [[nodiscard]] bool begins_again() const override { return ask_baseline_ && !common_; }
  [[nodiscard]] bool looks_back() const override { return true; }
  [[nodiscard]] Note note() const override;
  [[nodiscard]] nlohmann::json opinion(const std::string& peer) const override;
  void restore(const std::map<std::string, nlohmann::json>& opinions) override;

 private:
  /// Keeps the lower of the losses so far and of now.
  void learnt_alone(std::span<const float> losses);
  /// Forgets every score and what was learnt alone if the scored examples are not those of before,
  /// by the losses of M0 on them: the question of whom to learn with is open again.
  void start_anew_if_others(std::span<const float> reference);
  /// Of the scored validation examples, one loss each.
  struct OwnLosses {
    std::vector<float> reference, partial;
  };
  /// Measures our own models, and with them what peers are compared with.
  net::awaitable<OwnLosses> measure_own(Situation situation);
  /// Scores every snapshot that was not scored yet, on as many examples as each needs; returns what
  /// it took, for reports.
  net::awaitable<nlohmann::json> score(Situation situation, OwnLosses own);
  /// Of `peers`, whose losses come in the same order, those whose models are copies, and of what:
  /// "it published before", or "NAME published".  `own` is our partial as others see it.
  std::map<std::string, std::string> find_copies(std::uint64_t round, std::span<const float> own,
                                                 const std::vector<std::string>& peers,
                                                 const std::vector<std::span<const float>>& losses);
  /// Who is of any use, and no copy: smoothed rho above zero; the most influential first.
  [[nodiscard]] model::Members useful(const Situation& situation) const;
  /// In the first rounds the average of the own partial with whoever is of any use, unless that is
  /// of no use itself.  What was tried is added to `trials`.
  net::awaitable<std::optional<pipe::Mixture>> start_together(Situation situation, OwnLosses own,
                                                              nlohmann::json& trials);
  /// An average that does not come of trying peer after peer.
  struct Rival {
    std::string name;  ///< in reports
    pipe::Mixture mixture;
  };
  /// The averages with everybody who sends no copy, with the same as no more than half of it, and
  /// with nobody and the one, two, four, eight ... most influential; and `circle` with theta as it
  /// was before the training in place of the own partial.
  [[nodiscard]] std::vector<Rival> rivals(const Situation& situation,
                                          const pipe::Mixture& circle) const;
  /// `circle`, or the best of its rivals; see model::Rivals.
  net::awaitable<pipe::Mixture> best_rival(Situation situation, pipe::Mixture circle,
                                           nlohmann::json& why);
  /// Removes from `members` those who do not say that they admit us, and returns them.
  std::vector<std::string> keep_mutual(const Situation& situation, model::Members& members) const;
  /// The best of the rest, for as long as there are fewer than `learning.min_peers` to average
  /// with.
  [[nodiscard]] model::Members reserves(const Situation& situation,
                                        const model::Members& able) const;
  /// Weighted by freshness, and those of `reserve` at less.
  [[nodiscard]] pipe::Mixture mix(const Situation& situation, const model::Members& members,
                                  const model::Members& reserve) const;
  /// An average of those of `admitted` whose models go together, without the own partial, if that
  /// is clearly better than the own partial: it is added to `trials`.  Whoever has learnt something
  /// else until now, or is far behind, has a model that averages badly with theirs, and would stay
  /// alone although it knows better.
  net::awaitable<std::optional<pipe::Mixture>> go_over(Situation situation, model::Members admitted,
                                                       OwnLosses own, nlohmann::json& trials);
  /// The same average with better weights, if there are any.
  template <class Search>
  net::awaitable<pipe::Mixture> search_weights(Situation situation, pipe::Mixture mixed);
  net::awaitable<std::vector<float>> losses_of(Situation situation, pipe::Mixture mixed);

  Config::Learning settings_;
  std::string self_;  ///< node id, in text
  /// Whether the baseline decides what is learnt, and not only what is served.  Not with privacy:
  /// it learns from the training examples as they are, which would show in what we publish.
  bool ask_baseline_;
  double worst_score_;
  model::Admission admission_;
  model::Copies copies_;
  std::set<std::string> copiers_;  ///< whose newest model is a copy
  model::Turns turns_;
  model::Doubt doubt_;            ///< what the rounds showed of each peer in an average
  model::Rivals rivals_;
  bool common_ = false;           ///< this was one of the first rounds
  Convenor convenor_;             ///< off unless `learning.convenor` names one
  std::vector<float> reference_;  ///< losses of M0, which tell the scored examples
  std::vector<float> alone_;      ///< losses of the best that this node learnt alone
};

}  // namespace kith::daemon
