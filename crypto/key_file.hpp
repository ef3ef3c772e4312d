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

/// Which of a node's two secret keys a file holds.
enum class KeyKind {
  node,     ///< who it is: signs cards and charters; may be kept away from the machine that runs
  channel,  ///< what it works with: connections, snapshots
};

/// What is in a key file: one secret key, and whose it is.
struct StoredKey {
  KeyKind kind{};
  NodeId node;
  Secret<32> seed;

  [[nodiscard]] static StoredKey of(const Identity& identity);
  [[nodiscard]] static StoredKey of(const NodeId& node, const ChannelKey& channel);
  /// Requires that kind.
  [[nodiscard]] Identity identity() const;
  [[nodiscard]] ChannelKey channel() const;
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

/// Writes `key` to a new file: mode 0600 from the first instant, on disk when this returns.  Throws
/// KeyFileError if `path` exists or cannot be written; then nothing is left behind.
void create_key_file(const std::filesystem::path& path, const StoredKey& key);

/// Throws KeyFileError unless `path` is a sound key file of that kind, a regular file that belongs
/// to the effective user or to root, and that nobody else can open; and, if it is sealed, `ask`
/// gives its passphrase.  A sealed one may be readable by its group, as mounted secrets are; it
/// takes about a second and 256 MiB.
[[nodiscard]] StoredKey load_key_file(const std::filesystem::path& path, KeyKind kind,
                                      const AskPassphrase& ask = {});
/// Takes either kind.
[[nodiscard]] StoredKey load_key_file(const std::filesystem::path& path, const AskPassphrase& ask);

/// Puts `key` in the place of the file at `path`, at once or not at all: sealed, or open if
/// `passphrase` is nullptr.  Throws KeyFileError if it cannot be written.
void replace_key_file(const std::filesystem::path& path, const StoredKey& key,
                      const Passphrase* passphrase);

enum class KeyFileFault {
  damaged,
  newer_format,
  older_format,  ///< of Kith 0.1, which had both keys in one file
};

/// The key in a key file's text.
[[nodiscard]] std::variant<StoredKey, KeyFileFault> parse_key_file(ByteView text);

/// A key under a passphrase: the text of a key file in a secretbox, whose key is Argon2id of the
/// passphrase with libsodium's "moderate" costs.
struct SealedKey {
  std::array<std::byte, 16> salt{};
  std::array<std::byte, 24> nonce{};
  Bytes box{};
};
[[nodiscard]] bool is_sealed_key_file(ByteView text);
/// What is in a sealed key file's text.
[[nodiscard]] std::variant<SealedKey, KeyFileFault> parse_sealed_key_file(ByteView text);
[[nodiscard]] SealedKey seal_key(const StoredKey& key, const Passphrase& passphrase);
/// nullopt if the passphrase is wrong.
[[nodiscard]] std::optional<StoredKey> open_key(const SealedKey& sealed,
                                                const Passphrase& passphrase);

}  // namespace kith::crypto
