#pragma once

#include "net/card.hpp"
#include "net/charter.hpp"
#include "net/invite.hpp"
#include "net/message.hpp"

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kith::daemon {

/// An invitation that this node has given, and who used it.
struct Invitation {
  std::string label{};        ///< whom it is for, for people
  crypto::Hash token{};       ///< its token_hash()
  std::uint64_t made = 0;     ///< seconds since 1970
  std::uint64_t charter = 0;  ///< the newest version then
  std::uint64_t expires = 0;  ///< as above
  std::optional<net::Card> applicant{};
  std::uint64_t applied = 0;  ///< when; 0 if nobody has
  bool refused = false;       ///< by the operator

  bool operator==(const Invitation&) const = default;
  /// What tells it from the others: six digits.
  [[nodiscard]] std::string number() const { return crypto::to_hex(token).substr(0, 6); }
  /// What people call it: the applicant's name, or whom it is for.
  [[nodiscard]] const std::string& name() const { return applicant ? applicant->name : label; }
};
[[nodiscard]] nlohmann::json to_json(const Invitation& invitation);
/// nullopt if it is nothing that to_json() returns.
[[nodiscard]] std::optional<Invitation> parse_invitation(const nlohmann::json& text);

/// The open invitations of a node, at most limits::kInvites.  Who applies first with a token has it.
///
/// Ownership: a value; Membership keeps it on the disk.  Threads: one at a time.
class Invitations {
 public:
  using Time = std::chrono::system_clock::time_point;

  Invitations() = default;
  explicit Invitations(std::vector<Invitation> all) : all_(std::move(all)) {}

  /// The invitations that have not expired, the oldest first.
  [[nodiscard]] std::vector<Invitation> open(Time now) const;
  [[nodiscard]] bool any_open(Time now) const;
  /// The open ones whose applicant was not taken in by a version of `chain` since they were made.
  [[nodiscard]] std::vector<Invitation> pending(const net::CharterChain& chain, Time now) const;
  enum class Which { all, applied };
  /// The pending one with this number; or whose applicant, or else whom it is for, is called so; or
  /// whose applicant's id begins so.  Throws Failure(EX_USAGE) with those that there are.
  [[nodiscard]] Invitation find(std::string_view who, Which which, const net::CharterChain& chain,
                                Time now) const;

  /// Adds one, and forgets those that have expired.  Throws Failure(EX_CANTCREAT) if there are too
  /// many.
  void add(const Invitation& invitation, Time now);
  /// Refuses the applicant from now on, or (not `refused`) may take it in after all.
  void refuse(const Invitation& invitation, bool refused);
  void remove(const Invitation& invitation);
  /// Who has this token knows now that it is a member.
  void used(const net::Token& token);

  /// What somebody who is no member hears.
  struct Reply {
    net::Admission admission;
    bool news = false;     ///< nobody had applied with it before
    bool changed = false;  ///< what is known of an applicant is another now
  };
  /// What to reply to an application.  `apply` proved to be of whom its card is about.
  [[nodiscard]] Reply consider(const net::Apply& apply, const net::CharterChain& chain, Time now);

 private:
  std::vector<Invitation> all_;  // the oldest first
};

}  // namespace kith::daemon
