#pragma once

namespace kith::crypto {

/// Readies libsodium.  Call once in main(), before anything else in crypto/.
/// Throws std::runtime_error if the system cannot provide randomness.
void init();

/// Calls `tell`, once, if the system does not let a secret be kept out of swap: its limit of locked
/// memory is reached.  From the thread that makes the secret, which works all the same.
void on_unlocked_memory(void (*tell)());

}  // namespace kith::crypto
