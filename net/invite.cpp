#include "net/invite.hpp"

#include <algorithm>
#include <cassert>
#include <cctype>

namespace kith::net {
namespace {

constexpr std::string_view kAny = "kith-invite-";
constexpr std::string_view kInviteMagic = "kith-invite-1-";
constexpr std::size_t kCheck = 4;  // bytes: one mistake in four thousand millions is not seen

// What they are the hash of is nothing else that is hashed here.
Hash hash_of(std::string_view context, ByteView bytes) {
  Bytes text(as_byte_view(context).begin(), as_byte_view(context).end());
  text.insert(text.end(), bytes.begin(), bytes.end());
  return crypto::hash(text);
}

bool is_sound(const Invite& invite) {
  return is_label(invite.consortium) && is_label(invite.inviter.name) &&
         are_addresses(invite.inviter.addresses) && !invite.inviter.addresses.empty();
}

}  // namespace

std::string to_text(const Invite& invite) {
  assert(is_sound(invite));
  Bytes bytes = encode(invite);
  const Hash check = hash_of(kInviteMagic, bytes);
  bytes.insert(bytes.end(), check.begin(), check.begin() + kCheck);
  return std::string(kInviteMagic) + crypto::to_base64(bytes);
}

std::string_view explain(InviteFault fault) {
  switch (fault) {
    case InviteFault::not_an_invite:
      return "this is no invitation: they begin with kith-invite-1-";
    case InviteFault::newer_format:
      return "this invitation was made by a newer kith; install that, or ask for another";
    case InviteFault::altered:
      break;
  }
  return "this invitation is not whole, or was mistyped; copy all of it again";
}

std::variant<Invite, InviteFault> parse_invite(std::string_view given) {
  std::string text(given);
  std::erase_if(text, [](unsigned char c) { return std::isspace(c) != 0; });
  if (!text.starts_with(kInviteMagic)) {
    return text.starts_with(kAny) && text.size() > kInviteMagic.size() ? InviteFault::newer_format
                                                                       : InviteFault::not_an_invite;
  }
  const auto bytes = crypto::from_base64(std::string_view(text).substr(kInviteMagic.size()));
  if (!bytes || bytes->size() <= kCheck) return InviteFault::altered;
  const ByteView body = ByteView(*bytes).first(bytes->size() - kCheck);
  const Hash check = hash_of(kInviteMagic, body);
  if (!std::ranges::equal(ByteView(*bytes).last(kCheck), ByteView(check).first(kCheck))) {
    return InviteFault::altered;
  }
  auto invite = decode<Invite>(body);
  if (!invite || !is_sound(*invite)) return InviteFault::altered;
  return std::move(*invite);
}

Hash token_hash(const Token& token) { return hash_of("kith token 1\n", token); }

}  // namespace kith::net
