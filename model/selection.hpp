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
/// Losses are per example, always of the same validation examples in the same order: what counts as
/// a rise is decided on the paired differences (clearly_worse()), since with few examples the means
/// alone are chance.
class Selection {
 public:
  virtual ~Selection() = default;

  /// The members whose average with the own partial is to be measured; nullopt when decided.
  [[nodiscard]] virtual std::optional<Members> next() const = 0;
  /// The validation losses of that average; if their mean is not finite it is never kept.
  /// Requires next() to have a value, and as many losses as the own partial has.
  virtual void record(std::span<const float> losses) = 0;
  /// The decision so far; final when next() is nullopt.
  [[nodiscard]] virtual Selected result() const = 0;
};

/// Adds the candidates one at a time, most influential first, and keeps each with which the average
/// is not clearly worse.  Whether one is kept says nothing about those after it: who
/// fails in an average, by chance or by design, ends the search for nobody else.
///
/// It costs a measurement a candidate.  Where there are many, the later ones are added several at
/// once, and those that are refused together are looked at in halves.
class ForwardSelection final : public Selection {
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

  [[nodiscard]] std::optional<Members> next() const override;
  void record(std::span<const float> losses) override;
  [[nodiscard]] Selected result() const override { return selected_; }

 private:
  [[nodiscard]] bool is_worse(const Members& block, std::span<const float> losses);

  Settings settings_;
  std::deque<Members> blocks_;  ///< of candidates that are added at once
  std::vector<float> lowest_;   ///< the losses whose mean is the lowest so far
  Selected selected_;
};

/// Adds the first one, two, four, eight ... of the candidates, or all, to those who are averaged
/// with already, and takes those with whom the loss is lowest, if without them it is clearly higher
/// by all that the rounds showed.  For those of whom nothing is known but that they are of some
/// use: each may do too little to be told from chance, and many together a lot.
class Widening final : public Selection {
 public:
  /// `losses` are those of the average with `members`; `candidates` come most influential first.
  /// Borrows `doubt`, and tells it what this `round` shows.
  Widening(std::span<const float> losses, Members members, Members candidates, Doubt& doubt,
           std::uint64_t round);

  [[nodiscard]] std::optional<Members> next() const override;
  void record(std::span<const float> losses) override;
  /// Without refused: nobody was tried by itself.
  [[nodiscard]] Selected result() const override { return selected_; }

 private:
  std::vector<float> narrow_;  ///< the losses without candidates
  Members members_, candidates_;
  Doubt& doubt_;
  std::uint64_t round_;
  std::size_t tried_;  ///< how many candidates are to be added next
  Selected selected_;
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
