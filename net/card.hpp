#pragma once

#include "crypto/channel_key.hpp"
#include "crypto/hash.hpp"
#include "crypto/identity.hpp"
#include "net/archive.hpp"
#include "net/limits.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace kith::net {

using crypto::Hash;
using crypto::NodeId;

/// What a member says of itself: with which channel key it works, and where it is reached.
///
/// The charter names members by their node keys alone.  A card, signed by that key, needs no
/// steward; of two of one node the later counts, so that is how a node takes another channel key
/// (key rotation) or address.  It is signed by the channel key as well: nobody can claim a key that
/// it does not have.  docs/protocol.md, "Cards", has the bytes.
struct Card {
  Hash founded{};  ///< id of the first version of the charter: it counts in that consortium alone
  NodeId node;
  std::uint64_t issued = 0;  ///< seconds since 1970
  crypto::ChannelPublicKey channel{};
  std::string name{};  ///< what the node calls itself; the charter's name is the one that counts
  std::vector<std::string> addresses{};  ///< "host:port"; empty if it only dials out
  crypto::Signature by_node{}, by_channel{};

  bool operator==(const Card&) const = default;
  [[nodiscard]] Hash id() const { return crypto::hash(encode(*this)); }
  template <class Archive>
  void serialize(Archive& archive) {
    archive(founded, node.key, issued, channel.key, at_most<limits::kLabel>(name),
            at_most_texts<limits::kAddresses, limits::kAddress>(addresses), by_node, by_channel);
  }
};

/// `card` with both signatures.  Requires sound name and addresses; node and channel become those of
/// the keys.
[[nodiscard]] Card sign_card(Card card, const crypto::Identity& node,
                             const crypto::ChannelKey& channel);
/// Whether it says what a card may, and is signed by both keys that it names.
[[nodiscard]] bool is_sound(const Card& card);
/// Whether `card` counts, and not `other` of the same node.  Everybody decides alike: also between
/// two of one second.
[[nodiscard]] bool supersedes(const Card& card, const Card& other);

/// One word of text, for a file or a mail.
[[nodiscard]] std::string to_text(const Card& card);
/// Why a text is no card.
enum class CardFault {
  not_a_card,
  older_format,  ///< of Kith 0.1
  newer_format,
  altered,  ///< a character is wrong or missing, or it is not signed by the keys that it names
};
[[nodiscard]] std::string_view explain(CardFault fault);
/// White space around and in it, as mail programs put there, does not matter.
[[nodiscard]] std::variant<Card, CardFault> parse_card(std::string_view text);

}  // namespace kith::net
