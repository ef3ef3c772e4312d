#pragma once

#include "crypto/key_file.hpp"
#include "net/consortium.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace kith::net {

/// What a node says of itself to the stewards, signed by its identity key: whoever passes the card
/// on cannot put a channel key of his own into it.
struct Card {
  Member member;
  crypto::Signature signature{};

  bool operator==(const Card&) const = default;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(member, signature);
  }
};

/// Requires that name and addresses are sound, and that the keys are `member`'s.
[[nodiscard]] Card make_card(const Member& member, const crypto::Identity& identity);
/// Whether it says what a member may, and is signed by whom it is about.
[[nodiscard]] bool is_sound(const Card& card);

/// One line of text, for a file or a mail.
[[nodiscard]] std::string to_text(const Card& card);
/// nullopt if it is no card, or was altered since the node made it.
[[nodiscard]] std::optional<Card> parse_card(std::string_view text);

}  // namespace kith::net
