#include "daemon/membership/keys.hpp"

#include "daemon/system/dates.hpp"
#include "daemon/system/disk.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/system/log.hpp"
#include "model/pipe/fd.hpp"
#include "net/endpoint.hpp"
#include "net/label.hpp"
#include "net/limits.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <map>
#include <string>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>
#include <utility>

namespace kith::daemon {
namespace {

namespace fs = std::filesystem;
using crypto::Passphrase;

constexpr const char* kVariable = "KITH_PASSPHRASE_FILE";
constexpr std::size_t kCardSize = 8 << 10;

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

/// What was typed for this file: a verb may need its key more than once.
Passphrase typed(const fs::path& file) {
  static std::map<fs::path, Passphrase> answers;
  const auto found = answers.find(file);
  if (found != answers.end()) return copy_of(found->second);
  Passphrase answer = QuietTerminal().ask("Passphrase of " + file.string() + ": ");
  return copy_of(answers.emplace(file, std::move(answer)).first->second);
}

std::optional<Passphrase> passphrase_of_file() {
  const char* const named = std::getenv(kVariable);
  if (named == nullptr || *named == '\0') return std::nullopt;
  const pipe::Fd file(::open(named, O_RDONLY | O_CLOEXEC));
  if (!file) {
    throw Failure(EX_NOINPUT,
                  std::string(kVariable) + " names " + named + ": " + std::strerror(errno));
  }
  struct stat info {};
  if (::fstat(file.get(), &info) == 0 && (info.st_mode & S_IROTH) != 0) {
    log::warn("passphrase_is_readable",
              {{"file", named}, {"help", "every user of this machine can read it: chmod 600"}});
  }
  return read_line(file.get(), named);
}

/// What is in exactly this file, and the passphrase that it took, if it did: the one that is given,
/// or else one that is asked for.  Without a kind, a key of either.
crypto::StoredKey load(const fs::path& file, std::optional<crypto::KeyKind> kind,
                       std::optional<Passphrase>& passphrase) {
  const auto ask = [&] {
    if (!passphrase) passphrase = passphrase_of_file();
    if (!passphrase) passphrase = typed(file);
    return copy_of(*passphrase);
  };
  try {
    if (!kind) return crypto::load_key_file(file, ask);
    return crypto::load_key_file(file, *kind, ask);
  } catch (const crypto::KeyFileDamaged& error) {
    throw Failure(EX_DATAERR, error.what());
  } catch (const crypto::KeyFileError& error) {
    throw Failure(fs::exists(file) ? EX_NOPERM : EX_NOINPUT, error.what());
  }
}

/// A former key that cannot be had costs a few members a while: the node goes on without.  It is
/// sealed with the passphrase that the present one took, if that took one.
std::optional<crypto::ChannelKey> load_former(const fs::path& file, const NodeKeys& keys,
                                              const std::optional<Passphrase>& passphrase) {
  const fs::path former = former_key(file);
  std::error_code none;
  if (!fs::exists(former, none)) return std::nullopt;
  if (std::chrono::system_clock::now() > overlap_end(former)) {
    fs::remove(former, none);
    return std::nullopt;
  }
  try {
    std::optional<Passphrase> same;
    if (passphrase) same = copy_of(*passphrase);
    const auto stored = load(former, crypto::KeyKind::channel, same);
    crypto::ChannelKey found = stored.channel();
    const bool useful = stored.node == keys.id && found.public_key() != keys.channel.public_key();
    if (useful) return found;
  } catch (const Failure& failure) {
    log::warn("former_key_ignored", {{"what", failure.what()}});
  }
  return std::nullopt;
}

void replace(const fs::path& file, const crypto::StoredKey& key, const Passphrase* passphrase) {
  try {
    crypto::replace_key_file(file, key, passphrase);
  } catch (const crypto::KeyFileError& error) {
    throw Failure(EX_IOERR, error.what());
  }
}

void create(const fs::path& file, const crypto::StoredKey& key) {
  try {
    crypto::create_key_file(file, key);
  } catch (const crypto::KeyFileError& error) {
    throw Failure(EX_CANTCREAT, error.what());
  }
}

}  // namespace

NodeKeys load_channel_keys(const fs::path& file) {
  std::optional<Passphrase> passphrase;
  const auto stored = load(file, crypto::KeyKind::channel, passphrase);
  NodeKeys keys{stored.node, stored.channel()};
  keys.former = load_former(file, keys, passphrase);
  return keys;
}

crypto::Identity load_node_key(const fs::path& file) {
  std::optional<Passphrase> passphrase;
  return load(file, crypto::KeyKind::node, passphrase).identity();
}

crypto::Identity make_keys(const KeyFiles& files) {
  if (!fs::exists(files.node)) {
    if (fs::exists(files.channel)) {
      throw Failure(EX_NOINPUT, "there is " + files.channel.string() + ", but not the node key " +
                                    files.node.string() +
                                    ": bring it here, or remove the channel key to begin anew");
    }
    create(files.node, crypto::StoredKey::of(crypto::Identity::generate()));
  }
  crypto::Identity node = load_node_key(files.node);
  if (!fs::exists(files.channel)) {
    create(files.channel, crypto::StoredKey::of(node.id(), crypto::ChannelKey::generate()));
  }
  return node;
}

fs::path former_key(const fs::path& file) { return fs::path(file) += ".former"; }

std::chrono::system_clock::time_point overlap_end(const fs::path& former) {
  std::error_code none;
  const auto since = fs::last_write_time(former, none);
  if (none) return {};
  return std::chrono::file_clock::to_sys(since) + net::limits::kKeyOverlap;
}

void renew_channel_key(const fs::path& file) {
  std::optional<Passphrase> passphrase;
  const auto before = load(file, crypto::KeyKind::channel, passphrase);
  const Passphrase* const seal = passphrase ? &*passphrase : nullptr;
  // The former one first: in between, the two are the same.
  replace(former_key(file), before, seal);
  replace(file, crypto::StoredKey::of(before.node, crypto::ChannelKey::generate()), seal);
}

void seal_key_file(const fs::path& file, const Passphrase* passphrase) {
  std::optional<Passphrase> current;
  const crypto::StoredKey key = load(file, std::nullopt, current);
  const fs::path former = former_key(file);
  if (key.kind == crypto::KeyKind::channel && fs::exists(former)) {
    const auto since = fs::last_write_time(former);
    replace(former, load(former, key.kind, current), passphrase);
    fs::last_write_time(former, since);  // its time goes on
  }
  replace(file, key, passphrase);
}

void copy_sealed(const fs::path& from, const fs::path& to,
                 const std::function<const Passphrase&()>& passphrase) {
  struct Sealed {};
  const auto give_up = []() -> Passphrase { throw Sealed(); };
  try {
    const crypto::StoredKey key = crypto::load_key_file(from, give_up);
    replace(to, key, &passphrase());
  } catch (const Sealed&) {
    const File sealed(from, O_RDONLY);
    copy_whole(to, sealed.descriptor());
  } catch (const crypto::KeyFileDamaged& error) {
    throw Failure(EX_DATAERR, error.what());
  } catch (const crypto::KeyFileError& error) {
    throw Failure(fs::exists(from) ? EX_NOPERM : EX_NOINPUT, error.what());
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

// --- Cards -------------------------------------------------------------------------------------

std::optional<net::Card> load_card(const fs::path& file) {
  const auto bytes = read_whole(file, kCardSize);
  if (!bytes) return std::nullopt;
  auto parsed = net::parse_card({reinterpret_cast<const char*>(bytes->data()), bytes->size()});
  if (const auto* fault = std::get_if<net::CardFault>(&parsed)) {
    throw Failure(EX_DATAERR, file.string() + ": " + std::string(explain(*fault)));
  }
  return std::get<net::Card>(std::move(parsed));
}

net::Card make_card(const KeyFiles& files, const crypto::Identity& node, const CardDraft& draft,
                    const net::Hash& founded, std::chrono::system_clock::time_point now,
                    std::uint64_t later_than) {
  if (!net::is_label(draft.name)) {
    throw Failure(EX_USAGE, "a node needs a name of 1 to 64 printable characters of one script");
  }
  if (!net::are_addresses(draft.addresses)) {
    throw Failure(EX_USAGE, "a node has at most 4 addresses, each like \"host:7700\"");
  }
  const auto keys = load_channel_keys(files.channel);
  if (keys.id != node.id()) {
    throw Failure(EX_USAGE, files.channel.string() + " is the channel key of " +
                                to_string(keys.id) + ", and not of " + to_string(node.id()) +
                                ", whose node key was given");
  }
  net::Card card;
  card.founded = founded;
  card.issued = std::max(seconds_of(now), later_than + 1);
  card.name = draft.name;
  card.addresses = draft.addresses;
  return net::sign_card(std::move(card), node, keys.channel);
}

net::Card write_card(const KeyFiles& files, const crypto::Identity& node, const CardDraft& draft,
                     const net::Hash& founded, std::chrono::system_clock::time_point now,
                     std::uint64_t later_than) {
  net::Card card = make_card(files, node, draft, founded, now, later_than);
  write_whole(files.card, as_byte_view(net::to_text(card) + "\n"));
  return card;
}

}  // namespace kith::daemon
