#pragma once

#include "crypto/key_file.hpp"
#include "net/consortium.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace kith::net {

/// What a node says of itself to the stewards, signed by its identity key: whoever passes the card
/// on cannot put a channel key of his own into it.  One line of text, for a file or a mail.
/// Requires that name and addresses are sound, and that the keys are `member`'s.
[[nodiscard]] std::string card_text(const Member& member, const crypto::Identity& identity);

/// nullopt if it is no card, or was altered since the node made it.
[[nodiscard]] std::optional<Member> parse_card(std::string_view text);

}  // namespace kith::net
