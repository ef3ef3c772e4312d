#pragma once

#include "daemon/membership/invitations.hpp"
#include "daemon/membership/proposal.hpp"
#include "daemon/system/file_lock.hpp"
#include "net/membership_record.hpp"

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

namespace kith::daemon {

/// Words for the hash of a version, which people read to each other.
[[nodiscard]] std::string fingerprint(const crypto::Hash& id);

/// What stewards who signed a version of that number are called there, or in the version before; or
/// else their ids.
[[nodiscard]] std::vector<std::string> steward_names(const net::CharterChain& chain,
                                                     std::uint64_t number,
                                                     const std::vector<crypto::NodeId>& ids);

/// What is in a charter file, verified.  Throws Failure: EX_NOINPUT if there is no such file,
/// EX_DATAERR if it is refused.
[[nodiscard]] net::MembershipRecord load_record(const std::filesystem::path& file);
/// What is in the bytes of a charter file, verified; `name` is what people call it.  Throws Failure(EX_DATAERR).
[[nodiscard]] net::MembershipRecord parse_record(ByteView file, const std::string& name);

/// Who belongs to a node's consortium, whom the node has invited, and whom its operator denies: the
/// charter file, and `membership.json` beside it.
///
/// The running node is the only one that changes it, for itself and for the verbs that ask it; when
/// none runs, a verb does that itself.
///
/// Ownership: one a charter file, of all processes.  Threads: one at a time.  Errors: Failure; then
/// what is here is as it was, and so is the disk.
class Membership {
 public:
  using Time = std::chrono::system_clock::time_point;
  /// Puts bytes into a file in place of what it held, at once or later.
  using Write = std::function<void(const std::filesystem::path& file, Bytes bytes)>;

  /// There may be no charter yet.  Throws Failure(EX_TEMPFAIL) if another process has it.
  explicit Membership(std::filesystem::path charter);

  /// How it writes from now on; until then it waits for the disk.
  void write_with(Write write) { write_ = std::move(write); }
  /// Who has changed record() or denied().
  enum class By { operators, peers };
  /// Called afterwards.
  void on_change(std::function<void(By)> changed) { changed_ = std::move(changed); }

  [[nodiscard]] const std::filesystem::path& file() const { return file_; }
  [[nodiscard]] const net::MembershipRecord& record() const { return record_; }
  [[nodiscard]] const net::CharterChain& chain() const { return record_.chain; }  ///< may be empty
  [[nodiscard]] const Invitations& invitations() const { return invitations_; }
  [[nodiscard]] const std::set<crypto::NodeId>& denied() const { return denied_; }
  [[nodiscard]] bool is_member(const crypto::NodeId& id) const;  ///< by the newest version

  // --- What an operator asks for ----------------------------------------------------------------

  /// A file that an operator offers, read and verified; `name` is what he calls it.
  struct Offered {
    std::string name;
    std::variant<net::MembershipRecord, Proposal> content;
  };
  /// A proposal with all signatures that were offered for it, to be written where that one was read.
  struct Unfinished {
    std::string name;  ///< of the first file that has it
    Proposal proposal;
  };
  /// What became of files that were put together with what is here.
  struct Merged {
    bool changed = false;                 ///< another version is followed now
    std::uint64_t cards = 0;              ///< that were news
    std::vector<net::SignedCharter> rivals{};  ///< that were news: evidence, and nothing else
    std::optional<net::Tally> tally{};    ///< of the proposal that was among them
    std::optional<Unfinished> unfinished{};  ///< that proposal, if it needs more signatures
  };
  /// Takes what is news.  A proposal becomes the newest version if those of that body have the
  /// signatures that it needs, all together.
  Merged merge(const std::vector<Offered>& offered, Time now);
  /// Follows this charter from now on, whatever was followed before: rivals of it up to the number
  /// that was reached here are no news any more.
  void adopt(net::MembershipRecord record);
  /// Makes an invitation of this node, whose card is `inviter`.  `address` is where it is reached, if
  /// not where the card says.
  [[nodiscard]] net::Invite invite(const net::Card& inviter, const std::string& label,
                                   std::chrono::hours lasts, const std::string& address, Time now);
  /// Withdraws the invitation that `who` means, or refuses its applicant.
  Invitation refuse(std::string_view who, Time now);
  /// Undoes that, for one who was taken in after all.
  void accept(const Invitation& invitation);
  /// Whether that is news.
  bool deny(const crypto::NodeId& peer);
  bool allow(const crypto::NodeId& peer);

  // --- What the running node hears --------------------------------------------------------------

  /// What counts by now.
  void keep(net::MembershipRecord record);
  /// Somebody who is no member applies.
  [[nodiscard]] Invitations::Reply consider(const net::Apply& apply, Time now);
  /// Who has this token knows now that it is a member.
  void used(const net::Token& token);

 private:
  /// Writes the charter's file, and then it counts.
  void set_record(net::MembershipRecord record);
  void set_others(Invitations invitations, std::set<crypto::NodeId> denied);
  void load_charter();
  void load_others();
  void write(const std::filesystem::path& file, Bytes bytes) const;

  std::filesystem::path file_, others_file_;
  FileLock lock_;  // before the files are read
  net::MembershipRecord record_;
  Invitations invitations_;
  std::set<crypto::NodeId> denied_;
  Write write_;
  std::function<void(By)> changed_ = [](By) {};
};

/// Reads what may be offered: the bytes of a charter file or of a proposal.  Throws
/// Failure(EX_DATAERR).
[[nodiscard]] Membership::Offered parse_offered(ByteView file, std::string name);

}  // namespace kith::daemon
