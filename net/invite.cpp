#include "net/invite.hpp"

#include "net/checked_text.hpp"
#include "net/endpoint.hpp"
#include "net/label.hpp"

#include <cassert>

namespace kith::net {
namespace {

constexpr std::string_view kWord = "kith-invite-2-";
constexpr std::string_view kOldWord = "kith-invite-1-";

bool is_sound(const Invite& invite) {
  return is_label(invite.consortium) && is_label(invite.name) && are_addresses(invite.addresses) &&
         !invite.addresses.empty() && invite.channel.dh();
}

}  // namespace

std::string to_text(const Invite& invite) {
  assert(is_sound(invite));
  return checked_text(kWord, encode(invite));
}

std::string_view explain(InviteFault fault) {
  switch (fault) {
    case InviteFault::not_an_invite:
      return "this is no invitation: they begin with kith-invite-2-";
    case InviteFault::older_format:
      return "this invitation was made by Kith 0.1, whose consortia this version cannot take part "
             "in; ask for another, made by this version";
    case InviteFault::newer_format:
      return "this invitation was made by a newer kith; install that, or ask for another";
    case InviteFault::altered:
      break;
  }
  return "this invitation is not whole, or was mistyped; copy all of it again";
}

std::variant<Invite, InviteFault> parse_invite(std::string_view text) {
  const auto body = parse_checked_text(kWord, text);
  if (const auto* fault = std::get_if<TextFault>(&body)) {
    if (*fault == TextFault::altered) return InviteFault::altered;
    if (*fault == TextFault::another_word) return InviteFault::not_an_invite;
    return text.find(kOldWord) != text.npos ? InviteFault::older_format
                                            : InviteFault::newer_format;
  }
  auto invite = decode<Invite>(std::get<Bytes>(body));
  if (!invite || !is_sound(*invite)) return InviteFault::altered;
  return std::move(*invite);
}

Hash token_hash(const Token& token) {
  const ByteView context = as_byte_view("kith token 1\n");
  Bytes text(context.begin(), context.end());
  text.insert(text.end(), token.begin(), token.end());
  return crypto::hash(text);
}

}  // namespace kith::net
