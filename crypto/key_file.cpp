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
constexpr std::string_view kVersion = "2";
constexpr std::string_view kNodeFamily = "kith-node-key ";
constexpr std::string_view kNodeHead =
    "kith-node-key 2\n"
    "# The secret node key: whoever has it is this node.  A running node does not need it; keep it "
    "safe.\n"
    "node ";
constexpr std::string_view kChannelFamily = "kith-channel-key ";
constexpr std::string_view kChannelHead =
    "kith-channel-key 2\n"
    "# The secret channel key that this node runs with; kith key renew puts another in its place.\n"
    "node ";
constexpr std::string_view kSeed = "\nseed ";
constexpr std::string_view kChecksum = "checksum ";
constexpr std::string_view kEnd = "\n";
constexpr std::size_t kDigits = 64;

// A sealed one is these, likewise.
constexpr std::string_view kSealedFamily = "kith-sealed-key ";
constexpr std::string_view kSalt =
    "kith-sealed-key 2\n"
    "# A secret key of a Kith node, sealed with a passphrase; kith key open takes it away.\n"
    "salt ";
constexpr std::string_view kNonce = "\nnonce ";
constexpr std::string_view kBox = "\nbox ";
static_assert(sizeof(SealedKey::salt) == crypto_pwhash_SALTBYTES);
static_assert(sizeof(SealedKey::nonce) == crypto_secretbox_NONCEBYTES);

constexpr std::string_view head_of(KeyKind kind) {
  return kind == KeyKind::node ? kNodeHead : kChannelHead;
}
constexpr std::size_t size_of(KeyKind kind) {
  return head_of(kind).size() + kDigits + kSeed.size() + kDigits + kEnd.size() + kChecksum.size() +
         kDigits + kEnd.size();
}
constexpr std::size_t kLargest = std::max(size_of(KeyKind::node), size_of(KeyKind::channel));
constexpr std::size_t kLargestSealed =
    kSalt.size() + 32 + kNonce.size() + 48 + kBox.size() +
    2 * (kLargest + crypto_secretbox_MACBYTES) + kEnd.size() + kChecksum.size() + kDigits +
    kEnd.size();

/// The text of a key file, in memory that does not leak.
struct FileText {
  Secret<kLargest + 1> bytes;  // room for libsodium's NUL
  std::size_t size = 0;

  [[nodiscard]] ByteView view() const { return bytes.data().first(size); }
  void add(std::string_view part) {
    std::ranges::copy(as_byte_view(part),
                      bytes.data().begin() + static_cast<std::ptrdiff_t>(size));
    size += part.size();
  }
  void add_hex(ByteView value) {
    auto* const digits = reinterpret_cast<char*>(bytes.data().data() + size);
    sodium_bin2hex(digits, bytes.data().size() - size, raw(value), value.size());
    size += 2 * value.size();
  }
};

FileText format(const StoredKey& key) {
  FileText text;
  text.add(head_of(key.kind));
  text.add_hex(key.node.key);
  text.add(kSeed);
  text.add_hex(key.seed.data());
  text.add(kEnd);
  const Hash checksum = hash(text.view());
  text.add(kChecksum);
  text.add_hex(checksum);
  text.add(kEnd);
  assert(text.size == size_of(key.kind));
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
  return !version.empty() && version != kVersion && std::ranges::all_of(version, is_digit);
}

bool is_older(ByteView text) {
  return as_text(text).starts_with("kith-keys 1\n") ||
         as_text(text).starts_with("kith-sealed-keys 1\n");
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

std::string format(const SealedKey& sealed) {
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

Secret<crypto_secretbox_KEYBYTES> key_for(const SealedKey& sealed, const Passphrase& passphrase) {
  Secret<crypto_secretbox_KEYBYTES> key;
  const int failed =
      crypto_pwhash(raw(key.data()), key.data().size(),
                    reinterpret_cast<const char*>(passphrase.text.data().data()), passphrase.size,
                    raw(sealed.salt), crypto_pwhash_OPSLIMIT_MODERATE,
                    crypto_pwhash_MEMLIMIT_MODERATE, crypto_pwhash_ALG_ARGON2ID13);
  if (failed != 0) throw KeyFileError("a passphrase needs 256 MiB of free memory for a second");
  return key;
}

std::string_view name(KeyKind kind) { return kind == KeyKind::node ? "node key" : "channel key"; }

[[noreturn]] void refuse(const std::filesystem::path& path, KeyFileFault fault) {
  switch (fault) {
    case KeyFileFault::newer_format:
      fail(path, "was made by a newer version of Kith: install that version");
    case KeyFileFault::older_format:
      fail(path,
           "was made by Kith 0.1, whose consortia this version cannot take part in: found a new "
           "one with kith init, or join one with kith join");
    case KeyFileFault::damaged:
      break;
  }
  throw KeyFileDamaged(path.string() + " is damaged: restore it from a backup");
}

/// Refuses a file that people other than its owner might have read or written.
void check_owner(const std::filesystem::path& path, const struct stat& status, bool sealed) {
  if (status.st_uid != ::geteuid() && status.st_uid != 0) {
    fail(path, "belongs to another user (" + std::to_string(status.st_uid) + "): run chown " +
                   std::to_string(::geteuid()) + " " + path.string());
  }
  const mode_t allowed = sealed ? S_IRUSR | S_IWUSR | S_IRGRP : S_IRUSR | S_IWUSR;
  if ((status.st_mode & (S_IRWXG | S_IRWXO) & ~allowed) != 0) {
    fail(path,
         "is open to others (mode " + octal(status.st_mode) + "): run chmod 600 " + path.string());
  }
}

}  // namespace

StoredKey StoredKey::of(const Identity& identity) {
  return {KeyKind::node, identity.id(), Secret<32>(identity.seed().data())};
}

StoredKey StoredKey::of(const NodeId& node, const ChannelKey& channel) {
  return {KeyKind::channel, node, Secret<32>(channel.seed().data())};
}

Identity StoredKey::identity() const {
  assert(kind == KeyKind::node);
  return Identity::from_seed(seed);
}

ChannelKey StoredKey::channel() const {
  assert(kind == KeyKind::channel);
  return ChannelKey::from_seed(seed);
}

void create_key_file(const std::filesystem::path& path, const StoredKey& key) {
  const FileText text = format(key);
  const File file(path, O_WRONLY | O_CREAT | O_EXCL, S_IRUSR | S_IWUSR);
  if (!file && errno == EEXIST) {
    fail(path, "exists already: to give this node new keys, move the old file away first");
  }
  if (!file) {
    fail(path, "cannot be created: " + std::string(std::strerror(errno)) +
                   "; choose a directory that this user may write to");
  }
  if (!file.write(text.view()) || !file.sync() || !sync_folder_of(path)) {
    const std::string reason = std::strerror(errno);
    ::unlink(path.c_str());
    fail(path, "could not be written: " + reason + "; mend that and try again");
  }
}

StoredKey load_key_file(const std::filesystem::path& path, KeyKind kind,
                        const AskPassphrase& ask) {
  auto key = load_key_file(path, ask);
  if (key.kind == kind) return key;
  fail(path, "holds a " + std::string(name(key.kind)) + ", and a " + std::string(name(kind)) +
                 " is needed: the two files may have been exchanged");
}

StoredKey load_key_file(const std::filesystem::path& path, const AskPassphrase& ask) {
  const File file(path, O_RDONLY | O_NONBLOCK);  // a pipe would make us wait for ever
  if (!file && errno == ENOENT) fail(path, "does not exist: kith init makes it for a new node, and kith key renew makes another channel key");
  struct stat status {};
  if (!file || !file.status(status)) {
    fail(path, "cannot be opened: " + std::string(std::strerror(errno)) +
                   "; run as the user that made it");
  }
  if (!S_ISREG(status.st_mode)) fail(path, "is not a regular file: name the key file itself");
  Secret<kLargestSealed + 1> text;  // so that a longer file shows
  static_assert(kLargestSealed > kLargest);
  const ssize_t size = file.read(text.data());
  if (size < 0) fail(path, "cannot be read: " + std::string(std::strerror(errno)));
  const ByteView all = text.data().first(static_cast<std::size_t>(size));
  const bool sealed = is_sealed_key_file(all);
  check_owner(path, status, sealed);

  if (!sealed) {
    auto parsed = parse_key_file(all);
    if (const auto* const fault = std::get_if<KeyFileFault>(&parsed)) refuse(path, *fault);
    return std::move(std::get<StoredKey>(parsed));
  }
  const auto parsed = parse_sealed_key_file(all);
  if (const auto* const fault = std::get_if<KeyFileFault>(&parsed)) refuse(path, *fault);
  if (!ask) fail(path, "is sealed with a passphrase, which is not asked for here");
  auto opened = open_key(std::get<SealedKey>(parsed), ask());
  if (!opened) {
    throw WrongPassphrase(path.string() + " was sealed with another passphrase: try again");
  }
  return std::move(*opened);
}

void replace_key_file(const std::filesystem::path& path, const StoredKey& key,
                      const Passphrase* passphrase) {
  std::filesystem::path unfinished = path;
  unfinished += ".tmp";
  ::unlink(unfinished.c_str());  // of an earlier try
  const File file(unfinished, O_WRONLY | O_CREAT | O_EXCL, S_IRUSR | S_IWUSR);
  const auto write = [&] {
    if (passphrase) return file.write(as_byte_view(format(seal_key(key, *passphrase))));
    return file.write(format(key).view());
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

std::variant<StoredKey, KeyFileFault> parse_key_file(ByteView text) {
  if (is_older(text)) return KeyFileFault::older_format;
  for (const auto& [kind, family] : {std::pair(KeyKind::node, kNodeFamily),
                                    std::pair(KeyKind::channel, kChannelFamily)}) {
    if (!as_text(text).starts_with(family)) continue;
    if (is_newer(text, family)) return KeyFileFault::newer_format;
    if (text.size() != size_of(kind)) return KeyFileFault::damaged;
    const std::size_t node_at = head_of(kind).size(), seed_at = node_at + kDigits + kSeed.size();
    StoredKey key{kind, {}, {}};
    if (!read_number(text.subspan(node_at, kDigits), key.node.key) ||
        !read_number(text.subspan(seed_at, kDigits), key.seed.data())) {
      return KeyFileFault::damaged;
    }
    // Sound is what we would write ourselves, to the byte: labels, checksum and all.
    if (!std::ranges::equal(format(key).view(), text)) return KeyFileFault::damaged;
    if (kind == KeyKind::node && key.identity().id() != key.node) return KeyFileFault::damaged;
    return key;
  }
  return KeyFileFault::damaged;
}

// --- Sealed with a passphrase --------------------------------------------------------------------

bool is_sealed_key_file(ByteView text) {
  return as_text(text).starts_with(kSealedFamily) ||
         as_text(text).starts_with("kith-sealed-keys ");
}

std::variant<SealedKey, KeyFileFault> parse_sealed_key_file(ByteView text) {
  if (is_older(text)) return KeyFileFault::older_format;
  if (is_newer(text, kSealedFamily)) return KeyFileFault::newer_format;
  constexpr std::size_t kNonceAt = kSalt.size() + 32 + kNonce.size();
  constexpr std::size_t kBoxAt = kNonceAt + 48 + kBox.size();
  constexpr std::size_t kRest = kBoxAt + kEnd.size() + kChecksum.size() + kDigits + kEnd.size();
  if (text.size() <= kRest || text.size() > kLargestSealed) return KeyFileFault::damaged;
  const auto read = [&](std::size_t at, std::size_t digits) {
    return from_hex(as_text(text.subspan(at, digits)));
  };
  const auto salt = read(kSalt.size(), 32), nonce = read(kNonceAt, 48);
  auto box = read(kBoxAt, text.size() - kRest);
  if (!salt || !nonce || !box) return KeyFileFault::damaged;
  SealedKey sealed;
  std::ranges::copy(*salt, sealed.salt.begin());
  std::ranges::copy(*nonce, sealed.nonce.begin());
  sealed.box = std::move(*box);
  if (format(sealed) != as_text(text)) return KeyFileFault::damaged;
  return sealed;
}

SealedKey seal_key(const StoredKey& key, const Passphrase& passphrase) {
  SealedKey sealed;
  randombytes_buf(sealed.salt.data(), sealed.salt.size());
  randombytes_buf(sealed.nonce.data(), sealed.nonce.size());
  const FileText text = format(key);
  const auto box_key = key_for(sealed, passphrase);
  sealed.box.resize(text.size + crypto_secretbox_MACBYTES);
  crypto_secretbox_easy(raw(sealed.box), raw(text.view()), text.size, raw(sealed.nonce),
                        raw(box_key.data()));
  return sealed;
}

std::optional<StoredKey> open_key(const SealedKey& sealed, const Passphrase& passphrase) {
  if (sealed.box.size() < crypto_secretbox_MACBYTES ||
      sealed.box.size() > kLargest + crypto_secretbox_MACBYTES) {
    return std::nullopt;
  }
  const auto box_key = key_for(sealed, passphrase);
  FileText text;
  text.size = sealed.box.size() - crypto_secretbox_MACBYTES;
  if (crypto_secretbox_open_easy(raw(text.bytes.data()), raw(sealed.box), sealed.box.size(),
                                 raw(sealed.nonce), raw(box_key.data())) != 0) {
    return std::nullopt;
  }
  auto parsed = parse_key_file(text.view());
  if (auto* const key = std::get_if<StoredKey>(&parsed)) return std::move(*key);
  return std::nullopt;
}

}  // namespace kith::crypto
