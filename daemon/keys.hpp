#pragma once

#include "crypto/key_file.hpp"

#include <filesystem>

namespace kith::daemon {

/// The keys in this file.  If it is sealed, its passphrase is the first line of the file that
/// KITH_PASSPHRASE_FILE names, or is asked for on the terminal.  Throws Failure: EX_NOINPUT if
/// there is no such file, EX_DATAERR if it is damaged, EX_NOPERM for all else.
[[nodiscard]] crypto::NodeKeys load_keys(const std::filesystem::path& file);

/// A new passphrase: from that file, or asked for twice.  Throws Failure.
[[nodiscard]] crypto::Passphrase new_passphrase();

}  // namespace kith::daemon
