#include "daemon/node/trusted_clock.hpp"

#include <chrono>

namespace kith::daemon {
namespace {

using std::chrono::duration_cast;
using std::chrono::system_clock;

bool apart(TrustedClock::Wall one, TrustedClock::Wall other) {
  return std::chrono::abs(one - other) > TrustedClock::kJump;
}

}  // namespace

TrustedClock::Look TrustedClock::look(Wall wall, Steady steady) {
  const auto passed = steady - steady_;
  const Wall expected = shown_ + duration_cast<system_clock::duration>(passed);
  const bool jumped = apart(wall, expected);
  believed_ += duration_cast<system_clock::duration>(passed);
  doubted_ = jumped ? std::chrono::steady_clock::duration{} : doubted_ + passed;
  if (!apart(wall, believed_) || doubted_ >= kDoubt) believed_ = wall;
  if (believed_ == wall) doubted_ = {};
  shown_ = wall;
  steady_ = steady;
  return {believed_, jumped};
}

}  // namespace kith::daemon
