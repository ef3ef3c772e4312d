#pragma once

#include "crypto/bytes.hpp"
#include "crypto/channel_key.hpp"
#include "crypto/identity.hpp"
#include "crypto/secret.hpp"

#include <array>
#include <filesystem>
#include <functional>
#include <optional>
#include <stdexcept>
#include <variant>

namespace kith::crypto {

/// All that makes a node itself.
struct NodeKeys {
  Identity identity;
  ChannelKey channel;
  /// Before the last renewal; in a file of its own.
  std::optional<ChannelKey> former{};
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

/// What a key file may be sealed with.
struct Passphrase {
  static constexpr std::size_t kMost = 256;  ///< bytes
  Secret<kMost> text{};
  std::size_t size = 0;  ///< of `text`, from the front
};
/// Asked only if the file is sealed.  May throw.
using AskPassphrase = std::function<Passphrase()>;

/// The passphrase is not the one that the file was sealed with.
class WrongPassphrase : public KeyFileError {
 public:
  using KeyFileError::KeyFileError;
};

/// Throws KeyFileError unless `path` is a sound key file, a regular file that belongs to the
/// effective user or to root, and that nobody but its owner can open; and, if it is sealed, `ask`
/// gives its passphrase.  A sealed one takes about a second and 256 MiB.
[[nodiscard]] NodeKeys load_key_file(const std::filesystem::path& path,
                                     const AskPassphrase& ask = {});

/// Puts `keys` in the place of the file at `path`, at once or not at all: sealed, or open if
/// `passphrase` is nullptr.  Throws KeyFileError if it cannot be written.
void replace_key_file(const std::filesystem::path& path, const NodeKeys& keys,
                      const Passphrase* passphrase);

enum class KeyFileFault { damaged, newer_format };

/// The keys in a key file's text.
[[nodiscard]] std::variant<NodeKeys, KeyFileFault> parse_key_file(ByteView text);

/// Keys under a passphrase: the text of a key file in a secretbox, whose key is Argon2id of the
/// passphrase with libsodium's "moderate" costs.
struct SealedKeys {
  std::array<std::byte, 16> salt{};
  std::array<std::byte, 24> nonce{};
  Bytes box{};
};
[[nodiscard]] bool is_sealed_key_file(ByteView text);
/// What is in a sealed key file's text.
[[nodiscard]] std::variant<SealedKeys, KeyFileFault> parse_sealed_key_file(ByteView text);
[[nodiscard]] SealedKeys seal_keys(const NodeKeys& keys, const Passphrase& passphrase);
/// nullopt if the passphrase is wrong.
[[nodiscard]] std::optional<NodeKeys> open_keys(const SealedKeys& sealed,
                                                const Passphrase& passphrase);

}  // namespace kith::crypto
