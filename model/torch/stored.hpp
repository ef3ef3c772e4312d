#pragma once

#include "crypto/bytes.hpp"

#include <filesystem>
#include <optional>

namespace kith::worker {

/// The whole of a file that kith keeps for its worker; nullopt if there is none.  Throws WorkerError
/// of the kind `permission` or `disk` if it cannot be read.
[[nodiscard]] std::optional<Bytes> read_stored(const std::filesystem::path& path);

}  // namespace kith::worker
