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

bool is_newer(ByteView text) {
  const std::string_view all(reinterpret_cast<const char*>(text.data()), text.size());
  if (!all.starts_with(kFamily)) return false;
  const std::string_view version = all.substr(kFamily.size(), all.find('\n') - kFamily.size());
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

bool store(const std::filesystem::path& directory, const File& file, const FileText& text) {
  if (!file.write(text.data()) || !file.sync()) return false;
  const File parent(directory, O_RDONLY | O_DIRECTORY);
  return parent && parent.sync();
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
  const auto parent = path.has_parent_path() ? path.parent_path() : ".";
  if (!store(parent, file, text)) {
    const std::string reason = std::strerror(errno);
    ::unlink(path.c_str());
    fail(path, "could not be written: " + reason + "; mend that and try again");
  }
  return keys;
}

NodeKeys load_key_file(const std::filesystem::path& path) {
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

  Secret<kFileSize + 1> text;  // so that a longer file shows
  const ssize_t size = file.read(text.data());
  if (size < 0) fail(path, "cannot be read: " + std::string(std::strerror(errno)));
  auto parsed = parse_key_file(text.data().first(static_cast<std::size_t>(size)));
  if (auto* const keys = std::get_if<NodeKeys>(&parsed)) return std::move(*keys);
  if (std::get<KeyFileFault>(parsed) == KeyFileFault::newer_format) {
    fail(path, "was made by a newer version of Kith: install that version");
  }
  throw KeyFileDamaged(path.string() + " is damaged: restore it from a backup");
}

std::variant<NodeKeys, KeyFileFault> parse_key_file(ByteView text) {
  if (is_newer(text)) return KeyFileFault::newer_format;
  if (text.size() != kFileSize) return KeyFileFault::damaged;
  Secret<32> seed, secret;
  if (!read_number(text.subspan(kIdentityAt, kDigits), seed.data()) ||
      !read_number(text.subspan(kChannelAt, kDigits), secret.data())) {
    return KeyFileFault::damaged;
  }
  // Sound is what we would write ourselves, to the byte: labels, checksum and all.
  if (format(seed, secret) != FileText(text.first<kFileSize>())) return KeyFileFault::damaged;
  return NodeKeys{Identity::from_seed(seed), ChannelKey::from_secret(secret)};
}

}  // namespace kith::crypto
