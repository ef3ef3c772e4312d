#include "daemon/keys.hpp"

#include "daemon/failure.hpp"
#include "model/pipe/fd.hpp"

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
Passphrase read_line(int descriptor, const std::string& where) {
  Passphrase passphrase;
  for (std::byte byte{}; ::read(descriptor, &byte, 1) == 1 && byte != std::byte{'\n'};) {
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
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(terminal_.get(), TCSAFLUSH, &quiet);
  }
  ~QuietTerminal() { ::tcsetattr(terminal_.get(), TCSAFLUSH, &before_); }
  QuietTerminal(const QuietTerminal&) = delete;
  QuietTerminal& operator=(const QuietTerminal&) = delete;

  Passphrase ask(const std::string& prompt) const {
    say(prompt);
    Passphrase answer = read_line(terminal_.get(), "terminal");
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

/// What was typed last: a verb may need the keys more than once.
Passphrase typed(const std::string& prompt) {
  static std::optional<Passphrase> last;
  if (!last) last = QuietTerminal().ask(prompt);
  return {crypto::Secret<Passphrase::kMost>(last->text.data()), last->size};
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

}  // namespace

crypto::NodeKeys load_keys(const fs::path& file) {
  const auto ask = [&] {
    if (auto found = passphrase_of_file()) return std::move(*found);
    return typed("Passphrase of " + file.string() + ": ");
  };
  try {
    return crypto::load_key_file(file, ask);
  } catch (const crypto::KeyFileDamaged& error) {
    throw Failure(EX_DATAERR, error.what());
  } catch (const crypto::KeyFileError& error) {
    throw Failure(fs::exists(file) ? EX_NOPERM : EX_NOINPUT, error.what());
  }
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
