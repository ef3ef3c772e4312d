#pragma once

#include "model/privacy.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace kith::worker {

/// How much of its examples' privacy a node has spent: the private steps that its model has gone
/// through, beside the checkpoint, in a file of its own.
///
/// Steps are written down before they are done, by kith, durably and atomically, so that a crash at
/// any moment counts too many of them, never too few.
class Ledger {
 public:
  /// The ledger in `directory`; an empty one if there is none.  Throws WorkerError if it cannot be
  /// read or is damaged.
  explicit Ledger(const std::filesystem::path& directory);
  /// Any steps are in it.
  [[nodiscard]] bool counts() const { return !entries_.empty(); }

  struct Spent {
    double epsilon = 0;   ///< by all that may have been published, this round included if it may
    bool publish = true;  ///< false: the round's partial would go beyond the budget
  };
  /// Counts a round of `steps` that is about to begin.  Nothing is spent by what is not published;
  /// but a model grows out of those before it, so what was held back counts as soon as a later one
  /// is published.  A budget of 0 has no end.
  Spent spend(const model::PrivateSteps& steps, double delta, double budget);
  /// What the file must hold before they are done.
  [[nodiscard]] std::string text() const;

 private:
  /// Steps of one kind.
  struct Entry {
    model::PrivateStep step;
    std::uint64_t done = 0;
    std::uint64_t published = 0;  ///< of these
  };

  std::vector<Entry> entries_;
};

}  // namespace kith::worker
