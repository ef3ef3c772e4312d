// Charter files, single versions, renewals, member cards and invitations, as they come from
// anybody.  What is taken must encode to the same bytes, and what one version says must be sound.
#include "crypto/init.hpp"
#include "net/charter.hpp"
#include "net/invite.hpp"
#include "net/member_card.hpp"
#include "net/renewal.hpp"

#include <algorithm>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kith;
  crypto::init();
  const ByteView bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto chain = net::CharterChain::decode(bytes);
  if (const auto* taken = std::get_if<net::CharterChain>(&chain)) {
    if (!std::ranges::equal(taken->encode(), bytes)) std::abort();
    if (taken->newest().charter.number != taken->versions().size()) std::abort();
  }
  if (size <= net::limits::kCharter) {
    const net::SignedCharter version{{bytes.begin(), bytes.end()}, {}};
    const auto parsed = net::parse(version);
    if (const auto* charter = std::get_if<net::Charter>(&parsed)) {
      if (net::problem(*charter)) std::abort();
      if (!std::ranges::equal(net::encode(*charter), bytes)) std::abort();
    }
  }
  if (const auto signed_charter = net::decode<net::SignedCharter>(bytes)) {
    (void)net::CharterChain().tally(*signed_charter);
    (void)net::signed_twice(*signed_charter, *signed_charter);
  }
  if (const auto renewals = net::parse_renewals_file(bytes)) {
    if (!std::ranges::equal(net::renewals_file(*renewals), bytes)) std::abort();
    net::Charter charter;  // that names whoever they are of
    for (const net::Renewal& renewal : *renewals) charter.members.push_back({renewal.member});
    if (net::in_force(charter, *renewals).size() > charter.members.size()) std::abort();
  }
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  (void)net::parse_card(text);
  const auto invite = net::parse_invite(text);
  if (const auto* taken = std::get_if<net::Invite>(&invite)) {
    if (!(std::get<net::Invite>(net::parse_invite(net::to_text(*taken))) == *taken)) std::abort();
  }
  return 0;
}
