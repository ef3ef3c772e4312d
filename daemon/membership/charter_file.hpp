#pragma once

#include "daemon/config/config.hpp"
#include "net/charter.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>

/// The charter on a disk.  Beside the file itself lie three others, with its name and
///
///   .pin     the newest version that was followed here: there is no way back behind it
///   .settled the first versions of rivals that were decided against, and by whom
///   .rival   a charter that parts from this one, kept as evidence; while it is there, only the
///            members of both count
///
/// Whatever is wrong is a Failure with what to do; nothing is changed then.
namespace kith::daemon {

/// Every version, verified.  EX_NOINPUT if there is no such file, EX_DATAERR if it is refused.
[[nodiscard]] net::CharterChain load_charter(const std::filesystem::path& file);

/// A version that still collects signatures, in a file of its own.
[[nodiscard]] net::SignedCharter load_proposal(const std::filesystem::path& file);
void save_proposal(const std::filesystem::path& file, const net::SignedCharter& proposal);
[[nodiscard]] bool is_proposal(const std::filesystem::path& file);

/// Throws Failure(EX_DATAERR) if `chain` lacks the version that was followed here before: it is an
/// older one told again, or a rival.
void check_pin(const std::filesystem::path& file, const net::CharterChain& chain);
/// Writes `chain` and pins its newest version.
void follow_charter(const std::filesystem::path& file, const net::CharterChain& chain);
/// Pins the newest version of `chain` there, whatever was pinned before.
void pin_charter(const std::filesystem::path& file, const net::CharterChain& chain);

/// Follows `chain` from now on, whatever was followed here before: every other charter that lies
/// here, and all that continues it, is decided against, in the way that `verdict` says.
void decide_for(const std::filesystem::path& file, const net::CharterChain& chain,
                net::Verdict verdict);

[[nodiscard]] std::filesystem::path rival_file(const std::filesystem::path& file);
/// Keeps `rival` as evidence.
void keep_rival(const std::filesystem::path& file, const net::CharterChain& rival);
/// Where `chain` and the rival kept beside it part; nullopt if there is none.
[[nodiscard]] std::optional<net::CharterFork> known_fork(const std::filesystem::path& file,
                                                         const net::CharterChain& chain);

/// net::settle() of `chain`, which is followed here, and the rival kept beside it: decides for the
/// one that it names, and returns it.
std::optional<net::CharterChain> settle_fork(const std::filesystem::path& file,
                                             const net::CharterChain& chain);

/// What a node tells its peers of, and what it does not want to hear of.
struct KnownCharters {
  net::CharterChain chain;
  std::optional<net::CharterChain> rival;
  net::Verdicts verdicts;
};
[[nodiscard]] KnownCharters known_charters(const std::filesystem::path& file);

/// Signs `proposal`, the next version of `chain`: at most one for each number and predecessor, and
/// none where this key has signed another version since than `chain` has, unless that one is
/// `given_up`.  What is about to be signed is on the disk, beside the key file `keys`, before it
/// is. `source` is named if another proposal comes.  Throws Failure(EX_NOPERM) if it must not be
/// signed. Requires a proposal without a problem().
void sign_once(net::SignedCharter& proposal, const net::CharterChain& chain,
               const crypto::Identity& steward, const std::filesystem::path& keys,
               const std::filesystem::path& source, bool given_up = false);

/// A new consortium's first version: one steward and one member, who are `member`; signed, and put
/// into `file`.
void found_consortium(const std::filesystem::path& file, const std::string& id,
                      const net::Member& member, const crypto::Identity& steward,
                      const std::filesystem::path& keys, std::chrono::system_clock::time_point now);

/// Puts the members that the charter names into `config`, if it has a charter, and takes out of it
/// the convenor and whoever else it names that was a member once; pins the version; logs when it is
/// forked, expires or has expired.  Throws Failure if it cannot be followed.
void use_charter(Config& config, std::chrono::system_clock::time_point now);

/// A configuration whose charter, or keys, may change while the node runs.  Without a charter
/// nothing happens.
class CharterWatch {
 public:
  explicit CharterWatch(Config configured) : configured_(std::move(configured)) {}

  [[nodiscard]] bool watches() const { return !configured_.consortium.charter.empty(); }
  /// The configuration with the members that the charter names now.  Throws as use_charter() does.
  [[nodiscard]] Config follow(std::chrono::system_clock::time_point now);
  enum class Change {
    none,
    files,  ///< they tell of a newer version or of a rival, but the same members count
    node,   ///< others count than those that follow() returned, or its keys are other ones
  };
  /// What has changed on the disk.  A file that is damaged, or lacks what was followed, is logged
  /// and ignored.  Throws Failure(EX_CONFIG) if the node must not go on: the charter has expired,
  /// say.  Cheap unless a file has changed, and once a day.
  [[nodiscard]] Change look(std::chrono::system_clock::time_point now);

 private:
  struct Stamp {
    std::array<std::filesystem::file_time_type, 3> charter;
    std::array<std::filesystem::file_time_type, 2> keys;
    bool operator==(const Stamp&) const = default;
  };
  [[nodiscard]] Stamp stamp() const;

  Config configured_;
  std::vector<net::Member> members_;
  Stamp seen_{};
  decltype(Stamp::keys) keys_{};  // when follow() was called
  std::chrono::system_clock::time_point looked_{};
};

/// Since 1970.
[[nodiscard]] std::uint64_t seconds_of(std::chrono::system_clock::time_point time);
/// "2026-01-31", of seconds since 1970.
[[nodiscard]] std::string date(std::uint64_t seconds);
/// A version's name to read on the telephone, in groups with check digits like a node's id.
[[nodiscard]] std::string fingerprint(const crypto::Hash& id);

}  // namespace kith::daemon
