#pragma once

#include <chrono>

namespace kith::net {

// Protocol code never asks what time it is; it is told.  See net/README.md, "No clock inside".
using Clock = std::chrono::steady_clock;
using Instant = Clock::time_point;
using Duration = Clock::duration;

}  // namespace kith::net
