#pragma once

#include "model/doubt.hpp"
#include "model/paired.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace kith::model {

/// Node ids of peers, in text; the node itself is always averaged too and never listed.
using Members = std::vector<std::string>;

/// One averaged model that was tried.
struct Trial {
  Members members;
  double loss = 0;  ///< mean validation loss of the average of own partial and `members`
  bool kept = false;
};

/// Whom to average with.
struct Selected {
  Members members;           ///< empty if nobody helps
  Members refused;           ///< each by itself
  double loss = 0;           ///< mean validation loss of that average
  std::vector<Trial> trace;  ///< in the order tried; the first is the own partial alone
};

/// Decides what to average by what averaging does.  Sans-IO: the caller averages and measures.
///
///     while (const auto members = selection.next()) selection.record(losses_of_average(*members));
///
/// Adds the candidates one at a time, most influential first, and keeps each with which the average
/// is not clearly worse.  Whether one is kept says nothing about those after it: who fails in an
/// average, by chance or by design, ends the search for nobody else.  Losses are per example,
/// always of the same validation examples in the same order: what counts as a rise is decided on
/// the paired differences (clearly_worse()), since with few examples the means alone are chance.
///
/// It costs a measurement a candidate.  Where there are many, the later ones are added several at
/// once, and those that are refused together are looked at in halves.
class ForwardSelection {
 public:
  struct Settings {
    /// Measured from the lowest loss so far, so that many small rises do not add up.
    double slack = kSlack;
    std::size_t many = 16;  ///< candidates beyond which several are added at once
    /// What earlier rounds showed of each candidate that is added by itself; borrowed, and told
    /// what this `round` shows.  Without it this round alone decides, by `slack`.
    Doubt* doubt = nullptr;
    std::uint64_t round = 0;
  };

  /// `own_losses` are those of the own partial alone; `candidates` come most influential first.
  ForwardSelection(std::span<const float> own_losses, Members candidates)
      : ForwardSelection(own_losses, std::move(candidates), Settings()) {}
  ForwardSelection(std::span<const float> own_losses, Members candidates, Settings settings);

  /// The members whose average with the own partial is to be measured; nullopt when decided.
  [[nodiscard]] std::optional<Members> next() const;
  /// The validation losses of that average; if their mean is not finite it is never kept.
  /// Requires next() to have a value, and as many losses as the own partial has.
  void record(std::span<const float> losses);
  /// The decision so far; final when next() is nullopt.
  [[nodiscard]] const Selected& result() const { return selected_; }

 private:
  [[nodiscard]] bool is_worse(const Members& block, std::span<const float> losses);

  Settings settings_;
  std::deque<Members> blocks_;  ///< of candidates that are added at once
  std::vector<float> lowest_;   ///< the losses whose mean is the lowest so far
  Selected selected_;
};

/// Holds other averages against the one that was selected, round after round, and takes that with
/// the lowest loss of those without which the loss is clearly higher.  In doubt it is averaged with
/// more: for a rival with more models half the slack is enough.
class Rivals {
 public:
  struct Verdict {
    double loss;       ///< mean validation loss of the rival
    double better_by;  ///< standard errors, by all rounds
    bool taken;        ///< the best up to now
  };

  /// `slack` as in Doubt.
  explicit Rivals(double slack) : doubt_(slack), doubt_of_more_(slack / 2) {}

  /// Begins a round with the losses of the average that was selected, and how many models are in
  /// it.
  void begin(std::uint64_t round, std::span<const float> losses, std::size_t models);
  /// Takes in the losses of the rival of this name, an average of so many models.
  Verdict compare(const std::string& name, std::span<const float> losses, std::size_t models);

 private:
  Doubt doubt_, doubt_of_more_;
  std::uint64_t round_ = 0;
  std::vector<float> selected_;  ///< its losses
  std::size_t models_ = 0;       ///< in it
  double lowest_ = 0;            ///< mean loss up to now
};

/// Whose turn it is to be tried.  Who was refused by itself several times in a row sits out as many
/// rounds, and then has one more try: so who is good alone and ruins averages costs little, and who
/// failed by chance is soon back.
class Turns {
 public:
  /// `patience`: refusals in a row, and rounds.
  explicit Turns(unsigned patience) : patience_(patience) {}

  /// Those of `candidates` whose turn it is in `round`, in the same order.
  [[nodiscard]] Members of(std::uint64_t round, const Members& candidates) const;
  /// What came of a search in `round`.  Where nobody at all was kept it is more likely the own
  /// model that goes together with none, and nobody is blamed.
  void record(std::uint64_t round, const Selected& selected);

 private:
  struct Refusals {
    unsigned in_a_row = 0;
    std::uint64_t last = 0;  ///< round
  };
  unsigned patience_;
  std::map<std::string, Refusals> refusals_;
};

}  // namespace kith::model
