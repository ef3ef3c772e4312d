#include "daemon/system/own_memory.hpp"

#include <sys/prctl.h>

namespace kith::daemon {

void close_own_memory() { prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }

}  // namespace kith::daemon
