#pragma once

namespace kith::daemon {

/// From now on no other process of this user, as a worker that was taken over, can look into this
/// one's memory, where keys are; nor does it leave a core file.  Debuggers need root, too.
void close_own_memory();

}  // namespace kith::daemon
