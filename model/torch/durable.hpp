#pragma once

#include "crypto/bytes.hpp"

#include <filesystem>

namespace kith::worker {

/// Replaces the file, or makes it; at every instant, also across a power cut, the old or the new
/// one is there whole.  Throws WorkerError.
void replace_file(const std::filesystem::path& path, ByteView content);

}  // namespace kith::worker
