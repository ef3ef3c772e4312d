#include "daemon/membership/keys.hpp"

#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/system/log.hpp"
#include "model/pipe/fd.hpp"
#include "net/limits.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <termios.h>
#include <unistd.h>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;
using crypto::Passphrase;

constexpr const char* kVariable = "KITH_PASSPHRASE_FILE";

/// The first line of what can be read there; what comes after it stays unread.
/// Throws Interrupted at the character `interrupt`, if there is one.
Passphrase read_line(int descriptor, const std::string& where, cc_t interrupt = 0) {
  Passphrase passphrase;
  for (std::byte byte{}; ::read(descriptor, &byte, 1) == 1 && byte != std::byte{'\n'};) {
    if (interrupt != 0 && byte == std::byte{interrupt}) throw Interrupted();
    if (passphrase.size == Passphrase::kMost) {
      throw Failure(EX_USAGE, where + ": a passphrase has at most " +
                                  std::to_string(Passphrase::kMost) + " bytes");
    }
    passphrase.text.data()[passphrase.size++] = byte;
  }
  if (passphrase.size == 0) throw Failure(EX_USAGE, where + ": the passphrase is empty");
  return passphrase;
}

/// The terminal, which shows nothing of what is typed as long as this lives.
class QuietTerminal {
 public:
  QuietTerminal() : terminal_(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)) {
    if (!terminal_ || ::tcgetattr(terminal_.get(), &before_) != 0) {
      throw Failure(EX_NOPERM,
                    std::string("the key file is sealed with a passphrase, and there is no "
                                "terminal to ask for it: let ") +
                        kVariable + " name a file whose first line it is");
    }
    termios quiet = before_;
    // Ctrl-C comes as a character, and ends the line: else the terminal would stay as it is now.
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO | ISIG);
    quiet.c_cc[VEOL] = before_.c_cc[VINTR];
    ::tcsetattr(terminal_.get(), TCSAFLUSH, &quiet);
  }
  ~QuietTerminal() { ::tcsetattr(terminal_.get(), TCSAFLUSH, &before_); }
  QuietTerminal(const QuietTerminal&) = delete;
  QuietTerminal& operator=(const QuietTerminal&) = delete;

  Passphrase ask(const std::string& prompt) const {
    say(prompt);
    Passphrase answer = read_line(terminal_.get(), "terminal", before_.c_cc[VINTR]);
    say("\n");
    return answer;
  }

 private:
  void say(const std::string& text) const {
    if (::write(terminal_.get(), text.data(), text.size()) < 0) {
      throw Failure(EX_IOERR, "the terminal cannot be written to");
    }
  }

  pipe::Fd terminal_;
  termios before_{};
};

Passphrase copy_of(const Passphrase& passphrase) {
  return {crypto::Secret<Passphrase::kMost>(passphrase.text.data()), passphrase.size};
}

/// What was typed last: a verb may need the keys more than once.
Passphrase typed(const std::string& prompt) {
  static std::optional<Passphrase> last;
  if (!last) last = QuietTerminal().ask(prompt);
  return copy_of(*last);
}

std::optional<Passphrase> passphrase_of_file() {
  const char* const named = std::getenv(kVariable);
  if (named == nullptr || *named == '\0') return std::nullopt;
  const pipe::Fd file(::open(named, O_RDONLY | O_CLOEXEC));
  if (!file) {
    throw Failure(EX_NOINPUT,
                  std::string(kVariable) + " names " + named + ": " + std::strerror(errno));
  }
  return read_line(file.get(), named);
}

/// The keys in exactly this file, and the passphrase that it took, if it did.
crypto::NodeKeys load(const fs::path& file, std::optional<Passphrase>& passphrase) {
  const auto ask = [&] {
    passphrase = passphrase_of_file();
    if (!passphrase) passphrase = typed("Passphrase of " + file.string() + ": ");
    return copy_of(*passphrase);
  };
  try {
    return crypto::load_key_file(file, ask);
  } catch (const crypto::KeyFileDamaged& error) {
    throw Failure(EX_DATAERR, error.what());
  } catch (const crypto::KeyFileError& error) {
    throw Failure(fs::exists(file) ? EX_NOPERM : EX_NOINPUT, error.what());
  }
}

/// A former key that cannot be had costs a few members a while: the node goes on without.
std::optional<crypto::ChannelKey> load_former(const fs::path& file, const crypto::NodeKeys& keys) {
  const fs::path former = former_keys(file);
  std::error_code none;
  if (!fs::exists(former, none)) return std::nullopt;
  if (std::chrono::system_clock::now() > overlap_end(former)) {
    fs::remove(former, none);
    return std::nullopt;
  }
  try {
    std::optional<Passphrase> passphrase;
    crypto::NodeKeys found = load(former, passphrase);
    const bool useful = found.identity.id() == keys.identity.id() &&
                        found.channel.public_key() != keys.channel.public_key();
    if (useful) return std::move(found.channel);
  } catch (const Failure& failure) {
    log::warn("former_key_ignored", {{"what", failure.what()}});
  }
  return std::nullopt;
}

void replace(const fs::path& file, const crypto::NodeKeys& keys, const Passphrase* passphrase) {
  try {
    crypto::replace_key_file(file, keys, passphrase);
  } catch (const crypto::KeyFileError& error) {
    throw Failure(EX_IOERR, error.what());
  }
}

}  // namespace

crypto::NodeKeys load_keys(const fs::path& file) {
  std::optional<Passphrase> passphrase;
  crypto::NodeKeys keys = load(file, passphrase);
  keys.former = load_former(file, keys);
  return keys;
}

fs::path former_keys(const fs::path& file) { return fs::path(file) += ".former"; }

std::chrono::system_clock::time_point overlap_end(const fs::path& former) {
  std::error_code none;
  const auto since = fs::last_write_time(former, none);
  if (none) return {};
  return std::chrono::file_clock::to_sys(since) + net::limits::kKeyOverlap;
}

crypto::NodeKeys renew_keys(const fs::path& file) {
  std::optional<Passphrase> passphrase;
  const crypto::NodeKeys before = load(file, passphrase);
  // The former one first: in between, the two are the same.
  replace(former_keys(file), before, passphrase ? &*passphrase : nullptr);
  crypto::NodeKeys keys{crypto::Identity::from_seed(before.identity.seed()),
                        crypto::ChannelKey::generate()};
  replace(file, keys, passphrase ? &*passphrase : nullptr);
  return keys;
}

void seal_keys(const fs::path& file, const crypto::NodeKeys& keys, const Passphrase* passphrase) {
  if (keys.former) {
    const crypto::NodeKeys former{crypto::Identity::from_seed(keys.identity.seed()),
                                  crypto::ChannelKey::from_secret(keys.former->secret())};
    const fs::path beside = former_keys(file);
    const auto since = fs::last_write_time(beside);
    replace(beside, former, passphrase);
    fs::last_write_time(beside, since);  // its time goes on
  }
  replace(file, keys, passphrase);
}

crypto::Passphrase new_passphrase() {
  if (auto found = passphrase_of_file()) return std::move(*found);
  const QuietTerminal terminal;
  Passphrase first = terminal.ask("New passphrase: "), again = terminal.ask("The same again: ");
  if (first.size != again.size || first.text != again.text) {
    throw Failure(EX_USAGE, "the two passphrases differ; nothing was changed");
  }
  return first;
}

}  // namespace kith::daemon
