#include "model/selection.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <limits>
#include <utility>

namespace kith::model {
namespace {

/// True if `loss` is no worse than `lowest`.  Anything finite is better than what is not.
bool not_raised(double loss, double lowest, double tolerance) {
  if (!std::isfinite(loss)) return false;
  return !std::isfinite(lowest) || loss <= lowest + tolerance * std::abs(lowest);
}

/// 1, 2, 3, 4, 6, 8, 12 ...: the powers of two, and the middle of each two.
std::size_t longer_prefix(std::size_t length) {
  if (length < 2) return length + 1;
  return std::has_single_bit(length) ? length / 2 * 3 : length / 3 * 4;
}

}  // namespace

ForwardSelection::ForwardSelection(double own_loss, Members candidates, Settings settings)
    : settings_(settings),
      candidates_(std::move(candidates)),
      lowest_loss_(own_loss),
      selected_{{}, own_loss, {{{}, own_loss, true}}} {}

std::optional<Members> ForwardSelection::next() const {
  if (position_ == candidates_.size() || refusals_ >= settings_.patience) return std::nullopt;
  auto members = selected_.members;
  members.push_back(candidates_[position_]);
  return members;
}

void ForwardSelection::record(double loss) {
  auto members = next();
  assert(members);
  const bool kept = not_raised(loss, lowest_loss_, settings_.tolerance);
  selected_.trace.push_back({*members, loss, kept});
  ++position_;
  ++refusals_;
  if (!kept) return;
  refusals_ = 0;
  selected_.members = *std::move(members);
  selected_.loss = loss;
  if (!(loss >= lowest_loss_)) lowest_loss_ = loss;
}

BestPrefix::BestPrefix(double own_loss, Members candidates, double tolerance)
    : tolerance_(tolerance), candidates_(std::move(candidates)), trials_{{{}, own_loss, false}} {}

std::optional<Members> BestPrefix::next() const {
  const auto length = trials_.back().members.size();
  if (length == candidates_.size()) return std::nullopt;
  const auto longer = std::min(longer_prefix(length), candidates_.size());
  return Members(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(longer));
}

void BestPrefix::record(double loss) {
  auto members = next();
  assert(members);
  trials_.push_back({*std::move(members), loss, false});
}

Selected BestPrefix::result() const {
  double lowest = std::numeric_limits<double>::infinity();
  for (const auto& trial : trials_) {
    if (std::isfinite(trial.loss)) lowest = std::min(lowest, trial.loss);
  }
  std::size_t best = 0;  // the own partial alone, should no loss be finite
  for (std::size_t index = 0; index < trials_.size(); ++index) {
    if (not_raised(trials_[index].loss, lowest, tolerance_)) best = index;
  }
  Selected selected{trials_[best].members, trials_[best].loss, trials_};
  selected.trace[best].kept = true;
  return selected;
}

}  // namespace kith::model
