#include "net/member_card.hpp"

#include "crypto/hash.hpp"

#include <cassert>

namespace kith::net {
namespace {

constexpr std::string_view kCardMagic = "kith-member-1 ";
constexpr std::string_view kSpace = " \t\r\n";

// Domain separation: these bytes are never the start of anything else that an identity signs.
constexpr std::string_view kCardContext = "kith member 1\n";

Bytes signed_text(const Member& member) {
  Bytes text;
  Writer writer(text);
  writer.raw(kCardContext.data(), kCardContext.size());
  writer(member);
  return text;
}

bool may_say(const Member& member) {
  return is_label(member.name) && are_addresses(member.addresses);
}

}  // namespace

Card make_card(const Member& member, const crypto::Identity& identity) {
  assert(may_say(member) && member.id == identity.id());
  return {member, identity.sign(signed_text(member))};
}

bool is_sound(const Card& card) {
  return may_say(card.member) &&
         crypto::verify(card.member.id, signed_text(card.member), card.signature);
}

std::string to_text(const Card& card) {
  return std::string(kCardMagic) + crypto::to_hex(encode(card)) + "\n";
}

std::optional<Card> parse_card(std::string_view text) {
  const std::size_t start = text.find_first_not_of(kSpace);
  if (start == std::string_view::npos) return std::nullopt;
  text = text.substr(start, text.find_last_not_of(kSpace) + 1 - start);
  if (!text.starts_with(kCardMagic)) return std::nullopt;
  const auto bytes = crypto::from_hex(text.substr(kCardMagic.size()));
  if (!bytes) return std::nullopt;
  auto card = decode<Card>(*bytes);
  if (!card || !is_sound(*card)) return std::nullopt;
  return card;
}

}  // namespace kith::net
