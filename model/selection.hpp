#pragma once

#include "model/paired.hpp"

#include <cstddef>
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
/// does not raise the validation loss.  Costs at most one measurement a candidate, and a handful
/// where few of them help.
class ForwardSelection final : public Selection {
 public:
  struct Settings {
    /// Measured from the lowest loss so far, so that many small rises do not add up.
    double slack = kSlack;
    unsigned patience = 3;  ///< candidates refused in a row before the rest is not tried
  };

  /// `own_losses` are those of the own partial alone; `candidates` come most influential first.
  ForwardSelection(std::span<const float> own_losses, Members candidates)
      : ForwardSelection(own_losses, std::move(candidates), Settings()) {}
  ForwardSelection(std::span<const float> own_losses, Members candidates, Settings settings);

  [[nodiscard]] std::optional<Members> next() const override;
  void record(std::span<const float> losses) override;
  [[nodiscard]] Selected result() const override { return selected_; }

 private:
  Settings settings_;
  Members candidates_;
  std::size_t position_ = 0;   ///< of the candidate to try
  unsigned refusals_ = 0;      ///< in a row
  std::vector<float> lowest_;  ///< the losses whose mean is the lowest so far
  Selected selected_;
};

/// Averages with the most influential 1, 2, 3, 4, 6, 8, 12, 16, 24 ... and all candidates, and
/// keeps the longest of these prefixes that is not worse than the best: O(log n) measurements.
class BestPrefix final : public Selection {
 public:
  /// As for ForwardSelection.
  BestPrefix(std::span<const float> own_losses, Members candidates, double slack = kSlack);

  [[nodiscard]] std::optional<Members> next() const override;
  void record(std::span<const float> losses) override;
  [[nodiscard]] Selected result() const override;

 private:
  double slack_;
  Members candidates_;
  std::vector<Trial> trials_;               ///< shortest prefix first
  std::vector<std::vector<float>> losses_;  ///< of each trial
};

}  // namespace kith::model
