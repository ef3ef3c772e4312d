#include "model/copies.hpp"

#include <algorithm>
#include <cmath>

namespace kith::model {
namespace {

constexpr float kRounding = 1e-5F;  // the same model, in another batch
constexpr float kSure = 1e-3F;

}  // namespace

bool Copies::same(std::span<const float> a, std::span<const float> b) const {
  const std::size_t both = std::min(a.size(), b.size());
  const auto close = [](float x, float y) { return std::abs(x - y) <= kRounding; };
  const auto tells = [this](float loss) { return loss > kSure && loss < worst_ - kSure; };
  return std::ranges::equal(a.first(both), b.first(both), close) &&
         std::ranges::count_if(a.first(both), tells) >= static_cast<std::ptrdiff_t>(kFewest);
}

std::optional<std::string> Copies::add(const std::string& node, std::uint64_t round,
                                       std::span<const float> losses) {
  std::erase_if(seen_, [&](const Seen& seen) { return seen.last + kRounds < round; });
  std::optional<std::string> whose;
  bool known = false;
  for (Seen& seen : seen_) {
    if (!same(seen.losses, losses)) continue;
    if (seen.node == node) {
      known = true;
      seen.last = round;
      if (seen.first + kAgain <= round) whose = node;
    } else if (!whose) {
      whose = seen.node;
    }
  }
  if (!known) seen_.push_back({node, round, round, {losses.begin(), losses.end()}});
  return whose;
}

}  // namespace kith::model
