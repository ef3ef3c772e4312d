#pragma once

#include "crypto/hash.hpp"
#include "net/message.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace kith::net {

/// One line that lets a stranger find a consortium, be sure that it is the right one, and apply to
/// it.  It is a secret until it was used: whoever has it may apply in somebody else's place.
struct Invite {
  std::string consortium{};  ///< its id
  Hash founded{};            ///< the first version of its charter: all that the applicant trusts
  Member inviter;            ///< whom to apply to, and where
  Token token{};
  std::uint64_t expires = 0;  ///< seconds since 1970

  bool operator==(const Invite&) const = default;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(at_most<limits::kLabel>(consortium), founded, inviter, token, expires);
  }
};

/// One word.  Requires that the consortium's id and the inviter are sound, with an address.
[[nodiscard]] std::string to_text(const Invite& invite);

/// Why a text is no invitation.
enum class InviteFault {
  not_an_invite,
  newer_format,
  altered,  ///< a character is wrong, or some are missing
};
[[nodiscard]] std::string_view explain(InviteFault fault);
/// White space around and in it, as mail programs put there, does not matter.
[[nodiscard]] std::variant<Invite, InviteFault> parse_invite(std::string_view text);

/// What the inviter keeps of a token: enough to know it again, and no more.
[[nodiscard]] Hash token_hash(const Token& token);

}  // namespace kith::net
