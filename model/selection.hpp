#pragma once

#include <cstddef>
#include <optional>
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
  double loss = 0;           ///< mean validation loss of that average
  std::vector<Trial> trace;  ///< in the order tried; the first is the own partial alone
};

/// Decides what to average by what averaging does.  Sans-IO: the caller averages and measures.
///
///     while (const auto members = selection.next()) selection.record(loss_of_average(*members));
class Selection {
 public:
  virtual ~Selection() = default;

  /// The members whose average with the own partial is to be measured; nullopt when decided.
  [[nodiscard]] virtual std::optional<Members> next() const = 0;
  /// The mean validation loss of that average; one that is not finite is never kept.
  /// Requires next() to have a value.
  virtual void record(double loss) = 0;
  /// The decision so far; final when next() is nullopt.
  [[nodiscard]] virtual Selected result() const = 0;
};

/// Adds the candidates one at a time, most influential first, and keeps each with which the average
/// does not raise the validation loss.  Costs at most one measurement a candidate, and a handful
/// where few of them help.
class ForwardSelection final : public Selection {
 public:
  struct Settings {
    /// How far above the lowest loss so far still counts as not raised, relative to it.  It is
    /// measured from the lowest, so that many small rises do not add up.  With i.i.d. data 0.01
    /// averages more peers and gains a little; 0 is the safer choice.
    double tolerance = 0;
    unsigned patience = 3;  ///< candidates refused in a row before the rest is not tried
  };

  /// `own_loss` is that of the own partial alone; `candidates` come most influential first.
  ForwardSelection(double own_loss, Members candidates)
      : ForwardSelection(own_loss, std::move(candidates), Settings()) {}
  ForwardSelection(double own_loss, Members candidates, Settings settings);

  [[nodiscard]] std::optional<Members> next() const override;
  void record(double loss) override;
  [[nodiscard]] Selected result() const override { return selected_; }

 private:
  Settings settings_;
  Members candidates_;
  std::size_t position_ = 0;  ///< of the candidate to try
  unsigned refusals_ = 0;     ///< in a row
  double lowest_loss_;
  Selected selected_;
};

/// Averages with the most influential 1, 2, 3, 4, 6, 8, 12, 16, 24 ... and all candidates, and
/// keeps the best of these prefixes: O(log n) measurements.
class BestPrefix final : public Selection {
 public:
  /// As for ForwardSelection.  Of all prefixes within `tolerance` of the lowest loss the longest is
  /// kept.
  BestPrefix(double own_loss, Members candidates, double tolerance = 0);

  [[nodiscard]] std::optional<Members> next() const override;
  void record(double loss) override;
  [[nodiscard]] Selected result() const override;

 private:
  double tolerance_;
  Members candidates_;
  std::vector<Trial> trials_;  ///< shortest prefix first
};

}  // namespace kith::model
