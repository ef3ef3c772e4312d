#include "daemon/system/own_memory.hpp"

#include <sys/prctl.h>
#include <sys/resource.h>

namespace kith::daemon {

void close_own_memory() {
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  const rlimit none{0, 0};  // a core file goes to a program, too, that does not ask who may look
  setrlimit(RLIMIT_CORE, &none);
}

}  // namespace kith::daemon
