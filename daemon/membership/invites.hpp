#pragma once

#include "net/charter.hpp"
#include "net/invite.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kith::daemon {

/// An invitation that this node has given, and who used it.
struct OpenInvite {
  std::string label{};        ///< whom it is for, for people
  crypto::Hash token{};       ///< its token_hash()
  std::uint64_t made = 0;     ///< seconds since 1970
  std::uint64_t charter = 0;  ///< the newest version then
  std::uint64_t expires = 0;  ///< as above
  std::optional<net::Card> applicant{};
  std::uint64_t applied = 0;  ///< when; 0 if nobody has
  bool refused = false;       ///< by the operator

  /// What tells it from the others: six digits.
  [[nodiscard]] std::string number() const { return crypto::to_hex(token).substr(0, 6); }
  /// What people call it: the applicant's name, or whom it is for.
  [[nodiscard]] const std::string& name() const {
    return applicant ? applicant->member.name : label;
  }
};

/// The open invitations of a node: a file each, in the folder `invites` beside its charter.  Who
/// applies first with a token has it.  The verbs and the running node both read and write them.
///
/// Errors: what the disk refuses is a Failure.  Threads: any, one at a time.
class Invites {
 public:
  explicit Invites(const std::filesystem::path& charter);

  /// Those that have not expired, the oldest first.  What cannot be read, or is none, is left out.
  [[nodiscard]] std::vector<OpenInvite> open(std::chrono::system_clock::time_point now) const;
  /// Keeps a new one, or what has become of one, and removes those that have expired.  Throws
  /// Failure(EX_CANTCREAT) if there are limits::kInvites already.
  void keep(const OpenInvite& invite, std::chrono::system_clock::time_point now);
  void remove(const OpenInvite& invite);
  /// Whether any is open.  Cheap while the folder does not change: strangers make us ask.
  [[nodiscard]] bool any_open(std::chrono::system_clock::time_point now);
  /// Those whose applicant was not taken in, by a version of `chain` since it was made.
  [[nodiscard]] std::vector<OpenInvite> pending(const net::CharterChain& chain,
                                                std::chrono::system_clock::time_point now) const;
  enum class Which { all, applied };
  /// The pending one with this number; or whose applicant, or else whom it is for, is called so; or
  /// whose applicant's id begins so.  Throws Failure(EX_USAGE) with those that there are.
  [[nodiscard]] OpenInvite find(std::string_view who, Which which, const net::CharterChain& chain,
                                std::chrono::system_clock::time_point now) const;
  /// Who has this token knows now that it is a member: removes the invitation.
  void used(const net::Token& token, std::chrono::system_clock::time_point now);

  struct Answer {
    net::Admission admission;
    bool news = false;  ///< nobody had applied with it before
  };
  /// What to answer who is no member.  `apply` proved to be of whom its card is about.
  [[nodiscard]] Answer consider(const net::Apply& apply, const net::CharterChain& chain,
                                std::chrono::system_clock::time_point now);

 private:
  [[nodiscard]] std::filesystem::path file_of(const OpenInvite& invite) const;
  std::filesystem::path folder_;
  std::filesystem::file_time_type looked_{};  // any_open() knows the folder as it was then
  std::uint64_t open_until_ = 0;              // and when the last of them expires
};

}  // namespace kith::daemon
