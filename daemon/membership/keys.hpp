#pragma once

#include "crypto/key_file.hpp"

#include <chrono>
#include <filesystem>

namespace kith::daemon {

/// The keys in this file, and, for limits::kKeyOverlap after they were renewed, the former channel
/// key: that lies beside it, with its name and .former, and is removed afterwards.  If it is
/// sealed, its passphrase is the first line of the file that KITH_PASSPHRASE_FILE names, or is
/// asked for on the terminal.  Throws Failure: EX_NOINPUT if there is no such file, EX_DATAERR if
/// it is damaged, EX_NOPERM for all else.
[[nodiscard]] crypto::NodeKeys load_keys(const std::filesystem::path& file);

/// The file that holds the former channel key of the keys in this one, if there is one.
[[nodiscard]] std::filesystem::path former_keys(const std::filesystem::path& file);
/// When the former key is not answered to any more.
[[nodiscard]] std::chrono::system_clock::time_point overlap_end(
    const std::filesystem::path& former);

/// Makes a new channel key, and keeps the one that is there now as the former one; both as sealed
/// as the file is now.  The node stays who it is.  Throws Failure; then the keys are as they were.
[[nodiscard]] crypto::NodeKeys renew_keys(const std::filesystem::path& file);
/// Seals the keys, and the former one, with a passphrase; nullptr: takes it away.
void seal_keys(const std::filesystem::path& file, const crypto::NodeKeys& keys,
               const crypto::Passphrase* passphrase);

/// A new passphrase: from that file, or asked for twice.  Throws Failure.
[[nodiscard]] crypto::Passphrase new_passphrase();

}  // namespace kith::daemon
