// Charter files, single versions, cards and invitations, as they come from anybody.  What is taken
// must encode to what is taken again, and what one version says must be sound.
#include "crypto/init.hpp"
#include "net/card.hpp"
#include "net/charter.hpp"
#include "net/invite.hpp"
#include "net/membership_record.hpp"

#include <algorithm>
#include <cstdlib>

namespace {

using namespace kith;

void require(bool holds) {
  if (!holds) std::abort();
}

void read_file(ByteView bytes) {
  const auto decoded = net::decode_record(bytes);
  const auto* const record = std::get_if<net::MembershipRecord>(&decoded);
  if (record == nullptr) return;
  const auto& newest = record->chain.newest().charter;
  require(newest.number == record->chain.versions().size());
  require(record->cards.size() <= newest.members.size());
  for (const net::Card& card : record->cards) {
    require(net::is_sound(card) && card.founded == record->chain.founded());
  }
  const Bytes written = net::encode_record(*record);
  const auto again = net::decode_record(written);
  require(net::encode_record(std::get<net::MembershipRecord>(again)) == written);
}

void read_version(ByteView bytes) {
  if (bytes.size() <= net::limits::kCharter) {
    const net::SignedCharter version{{bytes.begin(), bytes.end()}, {}};
    const auto parsed = net::parse(version);
    if (const auto* charter = std::get_if<net::Charter>(&parsed)) {
      require(!net::problem(*charter));
      require(std::ranges::equal(net::encode(*charter), bytes));
    }
  }
  if (const auto signed_charter = net::decode<net::SignedCharter>(bytes)) {
    (void)net::CharterChain().tally(*signed_charter);
    (void)net::signed_twice(*signed_charter, *signed_charter);
  }
}

void read_text(std::string_view text) {
  const auto card = net::parse_card(text);
  if (const auto* taken = std::get_if<net::Card>(&card)) {
    require(std::get<net::Card>(net::parse_card(net::to_text(*taken))) == *taken);
  }
  const auto invite = net::parse_invite(text);
  if (const auto* taken = std::get_if<net::Invite>(&invite)) {
    require(std::get<net::Invite>(net::parse_invite(net::to_text(*taken))) == *taken);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  crypto::init();
  const ByteView bytes(reinterpret_cast<const std::byte*>(data), size);
  read_file(bytes);
  read_version(bytes);
  if (const auto card = net::decode<net::Card>(bytes)) (void)net::is_sound(*card);
  read_text({reinterpret_cast<const char*>(data), size});
  return 0;
}
