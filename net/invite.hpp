#pragma once

#include "crypto/channel_key.hpp"
#include "crypto/hash.hpp"
#include "net/message.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace kith::net {

/// One word that lets a stranger find a consortium, be sure that it is the right one, and apply to
/// it.  It is a secret until it was used: whoever has it may apply in somebody else's place.
struct Invite {
  std::string consortium{};  ///< its id
  Hash founded{};            ///< the first version of its charter
  CharterPlace known{};  ///< the newest that the inviter knew: whoever hands out a charter without it
                         ///< hides what happened since, or has the keys of former stewards
  NodeId inviter;        ///< whom to apply to, with its channel key, its name, and where it is
  crypto::ChannelPublicKey channel{};
  std::string name{};
  std::vector<std::string> addresses{};
  Token token{};
  std::uint64_t expires = 0;  ///< seconds since 1970

  bool operator==(const Invite&) const = default;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(at_most<limits::kLabel>(consortium), founded, known, inviter.key, channel.key,
            at_most<limits::kLabel>(name),
            at_most_texts<limits::kAddresses, limits::kAddress>(addresses), token, expires);
  }
};

/// One word.  Requires sound names, a sound channel key, and at least one address.
[[nodiscard]] std::string to_text(const Invite& invite);

/// Why a text is no invitation.
enum class InviteFault {
  not_an_invite,
  older_format,  ///< of Kith 0.1
  newer_format,
  altered,  ///< a character is wrong, or some are missing
};
[[nodiscard]] std::string_view explain(InviteFault fault);
/// White space around and in it does not matter.
[[nodiscard]] std::variant<Invite, InviteFault> parse_invite(std::string_view text);

/// What the inviter keeps of a token: enough to know it again, and no more.
[[nodiscard]] Hash token_hash(const Token& token);

}  // namespace kith::net
