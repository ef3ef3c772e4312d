#include "model/selection.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace kith::model {
namespace {

/// What is added at once when there are many: 1, 1, 1, 1, 2, 2, 4, 4, 8, 8 ...
std::size_t block_size(std::size_t number) {
  return number < 4 ? 1 : std::size_t{1} << (number / 2 - 1);
}

}  // namespace

ForwardSelection::ForwardSelection(std::span<const float> own_losses, Members candidates,
                                   Settings settings)
    : settings_(settings),
      lowest_(own_losses.begin(), own_losses.end()),
      selected_{{}, {}, mean(own_losses), {{{}, mean(own_losses), true}}} {
  const bool many = candidates.size() > settings.many;
  const std::span<std::string> all(candidates);
  for (std::size_t at = 0; at < all.size();) {
    const auto size = std::min(many ? block_size(blocks_.size()) : 1, all.size() - at);
    const auto block = all.subspan(at, size);
    blocks_.emplace_back(block.begin(), block.end());
    at += size;
  }
}

std::optional<Members> ForwardSelection::next() const {
  if (blocks_.empty()) return std::nullopt;
  auto members = selected_.members;
  members.insert(members.end(), blocks_.front().begin(), blocks_.front().end());
  return members;
}

void ForwardSelection::record(std::span<const float> losses) {
  auto members = next();
  assert(members);
  const Members block = std::move(blocks_.front());
  blocks_.pop_front();
  const double loss = mean(losses);
  const bool kept = !is_worse(block, losses);
  selected_.trace.push_back({*members, loss, kept});
  if (kept) {
    selected_.members = *std::move(members);
    selected_.loss = loss;
    if (!(loss >= mean(lowest_))) lowest_.assign(losses.begin(), losses.end());
  } else if (block.size() == 1) {
    selected_.refused.push_back(block.front());
  } else if (selected_.trace.size() <= 2 * settings_.many) {  // beyond that it would cost too much
    const auto middle = block.begin() + static_cast<std::ptrdiff_t>(block.size() / 2);
    blocks_.emplace_front(middle, block.end());
    blocks_.emplace_front(block.begin(), middle);
  }
}

bool ForwardSelection::is_worse(const Members& block, std::span<const float> losses) {
  if (block.size() > 1 || settings_.doubt == nullptr) {
    return clearly_worse(losses, lowest_, settings_.slack);
  }
  return settings_.doubt->clearly_worse(block.front(), settings_.round, losses, lowest_);
}

void Rivals::begin(std::uint64_t round, std::span<const float> losses, std::size_t models) {
  round_ = round;
  selected_.assign(losses.begin(), losses.end());
  models_ = models;
  lowest_ = mean(losses);
}

Rivals::Verdict Rivals::compare(const std::string& name, std::span<const float> losses,
                                std::size_t models) {
  Doubt& doubt = models > models_ ? doubt_of_more_ : doubt_;
  const bool clear = doubt.clearly_worse(name, round_, selected_, losses);
  const double loss = mean(losses);
  const bool taken = clear && !(loss >= lowest_);
  if (taken) lowest_ = loss;
  return {loss, doubt.standing(name), taken};
}

Members Turns::of(std::uint64_t round, const Members& candidates) const {
  Members able;
  for (const std::string& candidate : candidates) {
    const auto found = refusals_.find(candidate);
    const bool waits = found != refusals_.end() && found->second.in_a_row >= patience_ &&
                       round <= found->second.last + patience_;
    if (!waits) able.push_back(candidate);
  }
  return able;
}

void Turns::record(std::uint64_t round, const Selected& selected) {
  if (selected.members.empty()) return;
  for (const std::string& member : selected.members) refusals_.erase(member);
  for (const std::string& candidate : selected.refused) {
    Refusals& refusals = refusals_[candidate];
    ++refusals.in_a_row;
    refusals.last = round;
  }
}

}  // namespace kith::model
