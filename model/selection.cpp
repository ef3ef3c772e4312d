#include "model/selection.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <utility>

namespace kith::model {
namespace {

/// 1, 2, 3, 4, 6, 8, 12 ...: the powers of two, and the middle of each two.
std::size_t longer_prefix(std::size_t length) {
  if (length < 2) return length + 1;
  return std::has_single_bit(length) ? length / 2 * 3 : length / 3 * 4;
}

}  // namespace

ForwardSelection::ForwardSelection(std::span<const float> own_losses, Members candidates,
                                   Settings settings)
    : settings_(settings),
      candidates_(std::move(candidates)),
      lowest_(own_losses.begin(), own_losses.end()),
      selected_{{}, mean(own_losses), {{{}, mean(own_losses), true}}} {}

std::optional<Members> ForwardSelection::next() const {
  if (position_ == candidates_.size() || refusals_ >= settings_.patience) return std::nullopt;
  auto members = selected_.members;
  members.push_back(candidates_[position_]);
  return members;
}

void ForwardSelection::record(std::span<const float> losses) {
  auto members = next();
  assert(members);
  const double loss = mean(losses);
  const bool kept = !clearly_worse(losses, lowest_, settings_.slack);
  selected_.trace.push_back({*members, loss, kept});
  ++position_;
  ++refusals_;
  if (!kept) return;
  refusals_ = 0;
  selected_.members = *std::move(members);
  selected_.loss = loss;
  if (!(loss >= mean(lowest_))) lowest_.assign(losses.begin(), losses.end());
}

BestPrefix::BestPrefix(std::span<const float> own_losses, Members candidates, double slack)
    : slack_(slack),
      candidates_(std::move(candidates)),
      trials_{{{}, mean(own_losses), false}},
      losses_{{own_losses.begin(), own_losses.end()}} {}

std::optional<Members> BestPrefix::next() const {
  const auto length = trials_.back().members.size();
  if (length == candidates_.size()) return std::nullopt;
  const auto longer = std::min(longer_prefix(length), candidates_.size());
  return Members(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(longer));
}

void BestPrefix::record(std::span<const float> losses) {
  auto members = next();
  assert(members);
  trials_.push_back({*std::move(members), mean(losses), false});
  losses_.emplace_back(losses.begin(), losses.end());
}

Selected BestPrefix::result() const {
  std::size_t lowest = 0;
  for (std::size_t index = 1; index < trials_.size(); ++index) {
    const bool better = !(trials_[index].loss >= trials_[lowest].loss);
    if (std::isfinite(trials_[index].loss) && better) lowest = index;
  }
  std::size_t best = lowest;
  for (std::size_t index = 0; index < trials_.size(); ++index) {
    if (!clearly_worse(losses_[index], losses_[lowest], slack_)) best = index;
  }
  Selected selected{trials_[best].members, trials_[best].loss, trials_};
  selected.trace[best].kept = true;
  return selected;
}

}  // namespace kith::model
