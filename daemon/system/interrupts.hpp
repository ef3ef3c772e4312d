#pragma once

#include <atomic>

namespace kith::daemon {

/// Set by SIGINT and SIGTERM after catch_interrupts(): long work looks at it and throws Interrupted.
extern std::atomic<bool> interrupted;
/// From now on these signals set `interrupted`; a second one ends the process with status 130.
void catch_interrupts();

}  // namespace kith::daemon
