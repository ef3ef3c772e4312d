#pragma once

#include "crypto/bytes.hpp"
#include "crypto/channel_key.hpp"
#include "crypto/identity.hpp"

#include <filesystem>
#include <stdexcept>
#include <variant>

namespace kith::crypto {

/// All that makes a node itself.
struct NodeKeys {
  Identity identity;
  ChannelKey channel;
};

/// One sentence for the operator: what is wrong with which file, and what to do.
class KeyFileError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// What is in the file is not, or no longer, a key file.
class KeyFileDamaged : public KeyFileError {
 public:
  using KeyFileError::KeyFileError;
};

/// Makes new keys and stores them at `path`: mode 0600 from the first instant, on disk when this
/// returns.  Throws KeyFileError if `path` exists or cannot be written; then nothing is left
/// behind.
[[nodiscard]] NodeKeys create_key_file(const std::filesystem::path& path);

/// Throws KeyFileError unless `path` is a sound key file, a regular file that belongs to the
/// effective user or to root, and that nobody but its owner can open.
[[nodiscard]] NodeKeys load_key_file(const std::filesystem::path& path);

enum class KeyFileFault { damaged, newer_format };

/// The keys in a key file's text.
[[nodiscard]] std::variant<NodeKeys, KeyFileFault> parse_key_file(ByteView text);

}  // namespace kith::crypto
