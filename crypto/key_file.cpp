#include "crypto/key_file.hpp"

#include "crypto/hash.hpp"
#include "crypto/sodium.hpp"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace kith::crypto {
namespace {

// A key file is these five lines.  Numbers are in lower-case hexadecimal; the checksum is the
// BLAKE2b hash of the lines before it.  Any change of this is a new version.
constexpr std::string_view kFamily = "kith-keys ";
constexpr std::string_view kIdentity =
    "kith-keys 1\n"
    "# The secret keys of a Kith node: whoever reads them can pose as it.\n"
    "identity ";
constexpr std::string_view kChannel = "\nchannel ";
constexpr std::string_view kChecksum = "checksum ";
constexpr std::string_view kEnd = "\n";

constexpr std::size_t kDigits = 64;
constexpr std::size_t kIdentityAt = kIdentity.size();
constexpr std::size_t kChannelAt = kIdentityAt + kDigits + kChannel.size();
constexpr std::size_t kChecksumAt = kChannelAt + kDigits + kEnd.size() + kChecksum.size();
constexpr std::size_t kFileSize = kChecksumAt + kDigits + kEnd.size();

using FileText = Secret<kFileSize>;

// A sealed one is these, likewise.
constexpr std::string_view kSealedFamily = "kith-sealed-keys ";
constexpr std::string_view kSalt =
    "kith-sealed-keys 1\n"
    "# The secret keys of a Kith node, sealed with a passphrase; kith key open takes it away.\n"
    "salt ";
constexpr std::string_view kNonce = "\nnonce ";
constexpr std::string_view kBox = "\nbox ";
constexpr std::size_t kBoxSize = kFileSize + crypto_secretbox_MACBYTES;
constexpr std::size_t kSaltAt = kSalt.size();
constexpr std::size_t kNonceAt = kSaltAt + 32 + kNonce.size();
constexpr std::size_t kBoxAt = kNonceAt + 48 + kBox.size();
constexpr std::size_t kSealedSize =
    kBoxAt + 2 * kBoxSize + kEnd.size() + kChecksum.size() + kDigits + kEnd.size();
static_assert(sizeof(SealedKeys::salt) == crypto_pwhash_SALTBYTES);
static_assert(sizeof(SealedKeys::nonce) == crypto_secretbox_NONCEBYTES);

FileText format(const Secret<32>& identity_seed, const Secret<32>& channel_secret) {
  FileText text;
  std::size_t size = 0;
  const auto literal = [&](std::string_view part) {
    std::ranges::copy(as_byte_view(part), text.data().begin() + static_cast<std::ptrdiff_t>(size));
    size += part.size();
  };
  const auto number = [&](ByteView value) {  // never last, so there is room for libsodium's NUL
    auto* const digits = reinterpret_cast<char*>(text.data().data() + size);
    sodium_bin2hex(digits, kFileSize - size, raw(value), value.size());
    size += kDigits;
  };
  literal(kIdentity);
  number(identity_seed.data());
  literal(kChannel);
  number(channel_secret.data());
  literal(kEnd);
  const Hash checksum = hash(text.data().first(size));
  literal(kChecksum);
  number(checksum);
  literal(kEnd);
  assert(size == kFileSize);
  return text;
}

bool read_number(ByteView digits, std::span<std::byte, 32> value) {
  return sodium_hex2bin(raw(value), value.size(), reinterpret_cast<const char*>(digits.data()),
                        digits.size(), nullptr, nullptr, nullptr) == 0;
}

std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool is_newer(ByteView text, std::string_view family) {
  const std::string_view all = as_text(text);
  if (!all.starts_with(family)) return false;
  const std::string_view version = all.substr(family.size(), all.find('\n') - family.size());
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return !version.empty() && version != "1" && std::ranges::all_of(version, is_digit);
}

class File {
 public:
  File(const std::filesystem::path& path, int flags, mode_t mode = 0)
      : descriptor_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {}
  ~File() {
    if (*this) ::close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  explicit operator bool() const { return descriptor_ >= 0; }

  // Fills `buffer` as far as the file reaches; the number of bytes, or -1 with errno set.
  [[nodiscard]] ssize_t read(std::span<std::byte> buffer) const {
    std::size_t size = 0;
    while (size < buffer.size()) {
      const ssize_t n = ::read(descriptor_, buffer.data() + size, buffer.size() - size);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return n;
      if (n == 0) break;
      size += static_cast<std::size_t>(n);
    }
    return static_cast<ssize_t>(size);
  }

  // False with errno set.
  [[nodiscard]] bool write(ByteView bytes) const {
    while (!bytes.empty()) {
      const ssize_t n = ::write(descriptor_, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return false;
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
    return true;
  }

  [[nodiscard]] bool sync() const { return ::fsync(descriptor_) == 0; }
  [[nodiscard]] bool status(struct stat& status) const {
    return ::fstat(descriptor_, &status) == 0;
  }

 private:
  int descriptor_;
};

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& what) {
  throw KeyFileError(path.string() + " " + what);
}

std::string octal(mode_t mode) {
  std::string text(4, '0');
  for (std::size_t i = 4; i-- > 0; mode >>= 3) text[i] = static_cast<char>('0' + (mode & 7));
  return text;
}

bool sync_folder_of(const std::filesystem::path& path) {
  const auto folder = path.has_parent_path() ? path.parent_path() : ".";
  const File parent(folder, O_RDONLY | O_DIRECTORY);
  return parent && parent.sync();
}

std::string format(const SealedKeys& sealed) {
  std::string text(kSalt);
  text += to_hex(sealed.salt);
  text += kNonce;
  text += to_hex(sealed.nonce);
  text += kBox;
  text += to_hex(sealed.box);
  text += kEnd;
  const Hash checksum = hash(as_byte_view(text));
  text += kChecksum;
  text += to_hex(checksum);
  text += kEnd;
  return text;
}

Secret<crypto_secretbox_KEYBYTES> key_for(const SealedKeys& sealed, const Passphrase& passphrase) {
  Secret<crypto_secretbox_KEYBYTES> key;
  const int failed =
      crypto_pwhash(raw(key.data()), key.data().size(),
                    reinterpret_cast<const char*>(passphrase.text.data().data()), passphrase.size,
                    raw(sealed.salt), crypto_pwhash_OPSLIMIT_MODERATE,
                    crypto_pwhash_MEMLIMIT_MODERATE, crypto_pwhash_ALG_ARGON2ID13);
  if (failed != 0) throw KeyFileError("a passphrase needs 256 MiB of free memory for a second");
  return key;
}

}  // namespace

NodeKeys create_key_file(const std::filesystem::path& path) {
  NodeKeys keys{Identity::generate(), ChannelKey::generate()};
  const FileText text = format(keys.identity.seed(), keys.channel.secret());
  const File file(path, O_WRONLY | O_CREAT | O_EXCL, S_IRUSR | S_IWUSR);
  if (!file && errno == EEXIST) {
    fail(path, "exists already: to give this node new keys, move the old file away first");
  }
  if (!file) {
    fail(path, "cannot be created: " + std::string(std::strerror(errno)) +
                   "; choose a directory that this user may write to");
  }
  if (!file.write(text.data()) || !file.sync() || !sync_folder_of(path)) {
    const std::string reason = std::strerror(errno);
    ::unlink(path.c_str());
    fail(path, "could not be written: " + reason + "; mend that and try again");
  }
  return keys;
}

NodeKeys load_key_file(const std::filesystem::path& path, const AskPassphrase& ask) {
  const File file(path, O_RDONLY | O_NONBLOCK);  // a pipe would make us wait for ever
  if (!file && errno == ENOENT) fail(path, "does not exist: make it with kith init");
  struct stat status {};
  if (!file || !file.status(status)) {
    fail(path, "cannot be opened: " + std::string(std::strerror(errno)) +
                   "; run as the user that made it");
  }
  if (!S_ISREG(status.st_mode)) fail(path, "is not a regular file: name the key file itself");
  if (status.st_uid != ::geteuid() && status.st_uid != 0) {
    fail(path, "belongs to another user (" + std::to_string(status.st_uid) + "): run chown " +
                   std::to_string(::geteuid()) + " " + path.string());
  }
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    fail(path,
         "is open to others (mode " + octal(status.st_mode) + "): run chmod 600 " + path.string());
  }

  Secret<kSealedSize + 1> text;  // so that a longer file shows
  static_assert(kSealedSize > kFileSize);
  const ssize_t size = file.read(text.data());
  if (size < 0) fail(path, "cannot be read: " + std::string(std::strerror(errno)));
  const ByteView all = text.data().first(static_cast<std::size_t>(size));
  const auto refuse = [&](KeyFileFault fault) {
    if (fault == KeyFileFault::newer_format) {
      fail(path, "was made by a newer version of Kith: install that version");
    }
    throw KeyFileDamaged(path.string() + " is damaged: restore it from a backup");
  };
  if (!is_sealed_key_file(all)) {
    auto parsed = parse_key_file(all);
    if (const auto* const fault = std::get_if<KeyFileFault>(&parsed)) refuse(*fault);
    return std::move(std::get<NodeKeys>(parsed));
  }
  const auto parsed = parse_sealed_key_file(all);
  if (const auto* const fault = std::get_if<KeyFileFault>(&parsed)) refuse(*fault);
  if (!ask) fail(path, "is sealed with a passphrase, which is not asked for here");
  auto keys = open_keys(std::get<SealedKeys>(parsed), ask());
  if (!keys) {
    throw WrongPassphrase(path.string() + " was sealed with another passphrase: try again");
  }
  return std::move(*keys);
}

void replace_key_file(const std::filesystem::path& path, const NodeKeys& keys,
                      const Passphrase* passphrase) {
  std::filesystem::path unfinished = path;
  unfinished += ".tmp";
  ::unlink(unfinished.c_str());  // of an earlier try
  const File file(unfinished, O_WRONLY | O_CREAT | O_EXCL, S_IRUSR | S_IWUSR);
  const auto write = [&] {
    if (passphrase) return file.write(as_byte_view(format(seal_keys(keys, *passphrase))));
    return file.write(format(keys.identity.seed(), keys.channel.secret()).data());
  };
  if (!file || !write() || !file.sync() || ::rename(unfinished.c_str(), path.c_str()) != 0) {
    const std::string reason = std::strerror(errno);
    ::unlink(unfinished.c_str());
    fail(path, "could not be written, and is as it was: " + reason);
  }
  if (!sync_folder_of(path)) {
    fail(path, "may not be on the disk: " + std::string(std::strerror(errno)));
  }
}

std::variant<NodeKeys, KeyFileFault> parse_key_file(ByteView text) {
  if (is_newer(text, kFamily)) return KeyFileFault::newer_format;
  if (text.size() != kFileSize) return KeyFileFault::damaged;
  Secret<32> seed, secret;
  if (!read_number(text.subspan(kIdentityAt, kDigits), seed.data()) ||
      !read_number(text.subspan(kChannelAt, kDigits), secret.data())) {
    return KeyFileFault::damaged;
  }
  // Sound is what we would write ourselves, to the byte: labels, checksum and all.
  if (format(seed, secret) != FileText(text.first<kFileSize>())) return KeyFileFault::damaged;
  return NodeKeys{Identity::from_seed(seed), ChannelKey::from_secret(secret), std::nullopt};
}

// --- Sealed with a passphrase --------------------------------------------------------------------

bool is_sealed_key_file(ByteView text) { return as_text(text).starts_with(kSealedFamily); }

std::variant<SealedKeys, KeyFileFault> parse_sealed_key_file(ByteView text) {
  if (is_newer(text, kSealedFamily)) return KeyFileFault::newer_format;
  if (text.size() != kSealedSize) return KeyFileFault::damaged;
  const auto read = [&](std::size_t at, std::size_t size) {
    return from_hex(as_text(text.subspan(at, 2 * size)));
  };
  SealedKeys sealed;
  const auto salt = read(kSaltAt, sealed.salt.size()), nonce = read(kNonceAt, sealed.nonce.size());
  auto box = read(kBoxAt, kBoxSize);
  if (!salt || !nonce || !box) return KeyFileFault::damaged;
  std::ranges::copy(*salt, sealed.salt.begin());
  std::ranges::copy(*nonce, sealed.nonce.begin());
  sealed.box = std::move(*box);
  if (format(sealed) != as_text(text)) return KeyFileFault::damaged;
  return sealed;
}

SealedKeys seal_keys(const NodeKeys& keys, const Passphrase& passphrase) {
  SealedKeys sealed;
  randombytes_buf(sealed.salt.data(), sealed.salt.size());
  randombytes_buf(sealed.nonce.data(), sealed.nonce.size());
  const FileText text = format(keys.identity.seed(), keys.channel.secret());
  const auto key = key_for(sealed, passphrase);
  sealed.box.resize(kBoxSize);
  crypto_secretbox_easy(raw(sealed.box), raw(text.data()), text.data().size(), raw(sealed.nonce),
                        raw(key.data()));
  return sealed;
}

std::optional<NodeKeys> open_keys(const SealedKeys& sealed, const Passphrase& passphrase) {
  if (sealed.box.size() != kBoxSize) return std::nullopt;
  const auto key = key_for(sealed, passphrase);
  FileText text;
  if (crypto_secretbox_open_easy(raw(text.data()), raw(sealed.box), sealed.box.size(),
                                 raw(sealed.nonce), raw(key.data())) != 0) {
    return std::nullopt;
  }
  auto parsed = parse_key_file(text.data());
  if (auto* const keys = std::get_if<NodeKeys>(&parsed)) return std::move(*keys);
  return std::nullopt;
}

}  // namespace kith::crypto
