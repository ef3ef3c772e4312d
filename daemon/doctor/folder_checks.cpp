#include "daemon/doctor/checks.hpp"
#include "daemon/membership/keys.hpp"
#include "daemon/membership/membership.hpp"
#include "daemon/system/console.hpp"
#include "daemon/system/dates.hpp"
#include "daemon/system/disk.hpp"
#include "model/pipe/fd.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace kith::daemon::doctor {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kQuickLook = 1 << 30;  // bytes of files; more are opened only

std::string user_name(uid_t user) {
  const passwd* const entry = ::getpwuid(user);
  return entry == nullptr ? std::to_string(user) : entry->pw_name;
}

/// What is wrong with who may use a folder; nullopt if nothing is.
std::optional<Finding> trouble_with(const fs::path& folder) {
  struct stat info {};
  if (::stat(folder.c_str(), &info) != 0) {
    return fail(folder.string() + " cannot be looked at: " + std::strerror(errno) + ".",
                "Name the node's folder with --dir, as the user whose it is; kith init makes one.");
  }
  if (!S_ISDIR(info.st_mode))
    return fail(folder.string() + " is no folder.", "Name the node's folder with --dir.");
  if ((info.st_mode & 022) != 0) {
    return fail("Others than its owner can change what is in " + folder.string() + ".",
                "chmod go-w " + folder.string());
  }
  if (info.st_uid != ::geteuid() && ::geteuid() == 0) {
    return warn(folder.string() + " is " + user_name(info.st_uid) +
                    "'s, and root may do what the node may not.",
                "Run kith doctor as that user: sudo -u " + user_name(info.st_uid) +
                    " kith doctor --dir " + folder.string());
  }
  if (::access(folder.c_str(), R_OK | W_OK | X_OK) != 0) {
    return fail("This user, " + user_name(::geteuid()) + ", may not work in " + folder.string() +
                    ", which is " + user_name(info.st_uid) + "'s.",
                "Run kith as that user, or chown the folder to this one.");
  }
  return std::nullopt;
}

/// Why a check that goes by the configuration was not done.
std::optional<Finding> without_configuration(const Examined& node) {
  if (node.config_fault.empty()) return std::nullopt;
  return warn("Not checked, since the configuration cannot be read.",
              "Mend the configuration first.");
}

struct Sealed {};

/// Who that key is of, or nullopt if it is sealed; throws what is wrong.
std::optional<crypto::NodeId> owner_of(const fs::path& file, crypto::KeyKind kind) {
  const auto ask = []() -> crypto::Passphrase { throw Sealed(); };
  try {
    return crypto::load_key_file(file, kind, ask).node;
  } catch (const Sealed&) {
    return std::nullopt;
  }
}

bool is_sealed(const fs::path& file) {
  constexpr std::size_t kMost = 64 << 10;
  const auto text = read_whole(file, kMost);
  return text && crypto::is_sealed_key_file(*text);
}

Finding judge_key(const Examined& node, const fs::path& file, crypto::KeyKind kind) {
  std::optional<crypto::NodeId> owner;
  try {
    owner = owner_of(file, kind);
  } catch (const crypto::KeyFileError& error) {
    return fail(sentence(error.what()),
                "Mend that, or put the right file there: docs/operations.md, Keys.");
  }
  if (!owner) return pass(file.string() + " is sealed with a passphrase.");
  if (node.card && node.card->node != *owner) {
    return fail(file.string() + " is of another node than the card.",
                "Put the key and the card of one node there: kith key show says whose each is.");
  }
  return pass(file.string() + " is sound, and for its owner only.");
}

}  // namespace

// --- Folders -------------------------------------------------------------------------------------

Finding check_folder(const Examined& node) {
  if (auto trouble = trouble_with(node.folder())) return *std::move(trouble);
  return pass(node.folder().string() + " is this user's.");
}

Finding check_state(const Examined& node) {
  const fs::path& state = node.config.node.state;
  std::error_code none;
  if (!fs::exists(state, none))
    return pass(state.string() + " is not there yet; the first start makes it.");
  if (auto trouble = trouble_with(state)) return *std::move(trouble);
  struct stat info {};
  if (::stat(state.c_str(), &info) == 0 && (info.st_mode & 077) != 0) {
    return warn("Others can read " + state.string() + ", where the model is.",
                "chmod go= " + state.string());
  }
  return pass(state.string() + " is for its owner only.");
}

// --- What was written by hand --------------------------------------------------------------------

Finding check_configuration(const Examined& node) {
  if (node.config_fault.empty()) return pass(node.file.string() + " is sound.");
  return fail(sentence(node.config_fault),
              "Correct it; docs/configuration.md has every key, and kith init makes a new one in "
              "an empty folder.");
}

Finding check_task(const Examined& node) {
  if (auto finding = without_configuration(node)) return *std::move(finding);
  const model::Task& task = node.config.task;
  const char* const help =
      "Correct [task]: docs/configuration.md; with others, kith task diff and kith task accept.";
  if (const auto problem = model::problem(task))
    return fail(sentence("The task is none: " + *problem), help);
  if (!task.script.empty() && !fs::exists(task.script))
    return fail("There is no file " + task.script.string() + ", which task.script names.", help);
  if (task.model == "script")
    return pass("The task \"" + task.name + "\" learns the model in " + task.script.string() + ".");
  if (task.model == "worker" && node.config.worker.command.empty())
    return fail("The task \"" + task.name +
                    "\" learns the model of a worker that its members wrote, "
                    "and worker.command names none.",
                "Name that program in worker.command.");
  return pass("The task \"" + task.name + "\" learns a model of the kind " + task.model + ".");
}

Finding check_data(const Examined& node) {
  if (auto finding = without_configuration(node)) return *std::move(finding);
  const auto& data = node.config.data;
  if (data.train.empty())
    return fail("data.train names no files.", "Name the files to learn from; docs/own-data.md.");
  std::uint64_t size = 0;
  for (const auto* part : {&data.train, &data.validation_files, &data.test}) {
    for (const fs::path& file : *part) {
      if (::access(file.c_str(), R_OK) != 0) {
        return fail(file.string() + " cannot be read: " + std::strerror(errno) + ".",
                    "Put it there, let this user read it, or correct [data].");
      }
      std::error_code folder;
      const auto bytes = fs::file_size(file, folder);
      if (!folder) size += bytes;
    }
  }
  if (size > kQuickLook) {
    return pass("The files are there, " + human_bytes(size) +
                ", too many for a quick look: kith data check reads them.");
  }
  const data::CheckReport report = node.look_at_data(node.config);
  const std::string counts = data::counts_text(report);
  if (!report.fine())
    return warn(counts + ". " + report.to_mend.front(), "Mend that, and look: kith data check.");
  return pass(counts + ".");
}

// --- Keys ----------------------------------------------------------------------------------------

Finding check_node_key(const Examined& node) {
  const fs::path& file = node.config.node.key;
  std::error_code none;
  if (!fs::exists(file, none)) {
    return pass(file.string() + " is not here; a node runs without it, if it is kept elsewhere.");
  }
  return judge_key(node, file, crypto::KeyKind::node);
}

Finding check_channel_key(const Examined& node) {
  const fs::path& file = node.config.node.channel_key;
  std::error_code none;
  if (!fs::exists(file, none)) {
    return fail(
        "There is no " + file.string() + ", without which a node does not run.",
        "Restore it from the backup, or make another with kith key renew, where the node key is.");
  }
  return judge_key(node, file, crypto::KeyKind::channel);
}

Finding check_passphrase(const Examined& node) {
  const fs::path& file = node.config.node.channel_key;
  std::error_code none;
  if (!fs::exists(file, none) || !is_sealed(file)) return pass("No passphrase is needed to start.");
  const char* const named = node.environment("KITH_PASSPHRASE_FILE");
  if (named == nullptr || *named == '\0') {
    return warn(
        "The channel key is sealed, and KITH_PASSPHRASE_FILE is not set here: a service that "
        "starts without a terminal cannot open it.",
        "Let KITH_PASSPHRASE_FILE of the service name a file with the passphrase in its first "
        "line.");
  }
  struct stat info {};
  if (::stat(named, &info) != 0 || ::access(named, R_OK) != 0) {
    return fail(std::string(named) + ", which KITH_PASSPHRASE_FILE names, cannot be read: " +
                    std::strerror(errno) + ".",
                "Correct KITH_PASSPHRASE_FILE, or let this user read the file.");
  }
  if ((info.st_mode & 04) != 0)
    return fail("Every user can read " + std::string(named) + ", the passphrase.",
                "chmod 600 " + std::string(named));
  return pass("The passphrase is in " + std::string(named) + ".");
}

Finding check_card(const Examined& node) {
  const char* const help = "Make another with kith key card, where the node key is.";
  if (!node.card) return fail(sentence(node.card_fault), help);
  if (node.charter && node.card->founded != node.charter->chain.founded()) {
    return fail(node.config.node.card.string() + " is for another consortium than the charter.",
                help);
  }
  return pass("The card is of " + to_string(node.card->node) + ", signed on " +
              date(node.card->issued) + ".");
}

// --- Who belongs ---------------------------------------------------------------------------------

Finding check_charter(const Examined& node) {
  if (!node.charter) {
    return fail(sentence(node.charter_fault),
                "Get charter.kith from another member, and kith charter merge that; or kith join.");
  }
  const auto& newest = node.charter->chain.newest();
  const std::string shown = "Version " + std::to_string(newest.charter.number) + " of \"" +
                            newest.charter.consortium + "\", " +
                            std::to_string(newest.charter.members.size()) + " members";
  if (node.card &&
      !std::ranges::binary_search(newest.charter.members, node.card->node, {}, &net::Member::id)) {
    return fail(shown + "; this node is none of them.",
                "Ask a steward: kith charter request prints what they need.");
  }
  return pass(shown + ", this node included.");
}

Finding check_charter_age(const Examined& node) {
  if (!node.charter)
    return warn("Not checked, since the charter cannot be read.", "Mend the charter first.");
  const net::Charter& charter = node.charter->chain.newest().charter;
  const std::string help =
      "Ask the stewards for a newer version, which kith charter propose --renew 365 begins.";
  const std::string day = date(charter.expires);
  switch (net::age(charter, node.now)) {
    case net::CharterAge::valid:
      return pass("The charter is valid until " + day + ".");
    case net::CharterAge::expiring:
      return warn("The charter expires on " + day + ".", help);
    case net::CharterAge::grace:
      return warn("The charter expired on " + day + "; nodes run for 14 days more.", help);
    case net::CharterAge::expired:
      return fail("The charter expired on " + day + ", and no node starts with it.", help);
  }
  return fail("The charter has no age.", help);
}

// --- Who is there already ------------------------------------------------------------------------

Finding check_control_socket(const Examined& node) {
  const fs::path& socket = node.config.node.control;
  if (node.runs())
    return pass("A node runs, process " + node.status.at("pid").dump() + ", and answers at " +
                socket.string() + ".");
  if (node.answers_badly)
    return fail(sentence(node.silence), "Look at its log, and restart it if that stays so.");
  return pass("No node runs here.");
}

Finding check_one_kith(const Examined& node) {
  const fs::path lock = node.config.node.state / "lock";
  const auto text = [&] {
    constexpr std::size_t kMost = 64;
    const auto bytes = read_whole(lock, kMost).value_or(Bytes());
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  std::error_code none;
  if (!fs::exists(lock, none))
    return pass("No kith has used " + node.config.node.state.string() + " yet.");
  if (node.runs()) {
    const std::string pid = node.status.at("pid").dump();
    // Of another namespace, as a container's, a process has another number.
    if (text() == pid) return pass("The node that answers has the state folder, and no other.");
    return warn("The state folder is held by process " + text() +
                    ", and the node that answers is " + pid + ".",
                "See that node.state and node.control are not shared by two configurations.");
  }
  const pipe::Fd file(::open(lock.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file)
    return fail(lock.string() + " cannot be opened: " + std::strerror(errno) + ".",
                "Let this user read it.");
  // Given back at once: only a kith that starts in this very moment would notice.
  if (::flock(file.get(), LOCK_SH | LOCK_NB) == 0) return pass("No kith uses the state folder.");
  return fail("A kith, process " + text() + ", uses " + node.config.node.state.string() +
                  " and does not answer at " + node.config.node.control.string() + ".",
              "Stop it, or correct node.control: two configurations may share one folder.");
}

}  // namespace kith::daemon::doctor
