#include "net/card.hpp"

#include "net/checked_text.hpp"
#include "net/endpoint.hpp"
#include "net/label.hpp"

#include <cassert>
#include <tuple>

namespace kith::net {
namespace {

constexpr std::string_view kWord = "kith-card-2-";

// Domain separation: these bytes are never the start of anything else that a node signs.
constexpr std::string_view kByNode = "kith card 2 by node\n";
constexpr std::string_view kByChannel = "kith card 2 by channel\n";

Bytes signed_text(std::string_view context, const Card& card) {
  Bytes text;
  Writer writer(text);
  writer.raw(context.data(), context.size());
  writer(card);
  text.resize(text.size() - card.by_node.size() - card.by_channel.size());
  return text;
}

bool says_what_it_may(const Card& card) {
  return is_label(card.name) && are_addresses(card.addresses);
}

}  // namespace

Card sign_card(Card card, const crypto::Identity& node, const crypto::ChannelKey& channel) {
  assert(says_what_it_may(card));
  card.node = node.id();
  card.channel = channel.public_key();
  card.by_node = node.sign(signed_text(kByNode, card));
  card.by_channel = channel.sign(signed_text(kByChannel, card));
  return card;
}

bool is_sound(const Card& card) {
  return says_what_it_may(card) && card.channel.dh() &&
         crypto::verify(card.node, signed_text(kByNode, card), card.by_node) &&
         crypto::verify(card.channel, signed_text(kByChannel, card), card.by_channel);
}

bool supersedes(const Card& card, const Card& other) {
  const auto rank = [](const Card& one) {
    return std::tie(one.issued, one.channel, one.addresses, one.name, one.by_node, one.by_channel);
  };
  return rank(card) > rank(other);
}

std::string to_text(const Card& card) { return checked_text(kWord, encode(card)); }

std::string_view explain(CardFault fault) {
  switch (fault) {
    case CardFault::not_a_card:
      return "this is no card: they begin with kith-card-2-";
    case CardFault::older_format:
      return "this card was made by Kith 0.1; make another with this version's kith charter request";
    case CardFault::newer_format:
      return "this card was made by a newer kith; install that, or ask for another";
    case CardFault::altered:
      break;
  }
  return "this card is not whole, or was altered since its node signed it; ask for it again";
}

std::variant<Card, CardFault> parse_card(std::string_view text) {
  const auto body = parse_checked_text(kWord, text);
  if (const auto* fault = std::get_if<TextFault>(&body)) {
    if (*fault == TextFault::altered) return CardFault::altered;
    const std::size_t start = text.find_first_not_of(" \t\r\n");
    const bool old = start != text.npos && text.substr(start).starts_with("kith-member-1 ");
    if (old) return CardFault::older_format;
    return *fault == TextFault::other_version ? CardFault::newer_format : CardFault::not_a_card;
  }
  auto card = decode<Card>(std::get<Bytes>(body));
  if (!card || !is_sound(*card)) return CardFault::altered;
  return std::move(*card);
}

}  // namespace kith::net
