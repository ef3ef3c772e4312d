#pragma once

#include <string>

namespace kith::worker {

/// How fast this machine multiplies matrices, in one thread, and with which library, as JSON:
/// {"library":"OpenBLAS ...","operations_per_second":3e10}.  Takes a tenth of a second.
[[nodiscard]] std::string self_check();

}  // namespace kith::worker
