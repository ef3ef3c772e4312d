#pragma once

namespace kith::crypto {

/// Readies libsodium.  Call once in main(), before anything else in crypto/.
/// Throws std::runtime_error if the system cannot provide randomness.
void init();

}  // namespace kith::crypto
