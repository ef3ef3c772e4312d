// Two hostile members say whatever they like, in any order, while snapshots are wanted.  The input
// is a list of steps; some hand-made messages carry real signatures, so that deep states are
// reached.
#include "crypto/init.hpp"
#include "net/gossip.hpp"

#include <algorithm>
#include <cstdlib>
#include <string>

namespace {

using namespace kith;
using namespace kith::net;

constexpr std::uint64_t kLogs = 2, kSequences = 5;

struct World {
  World() {
    crypto::init();
    for (int i = 0; i < 3; ++i) {
      crypto::Secret<32> seed;
      seed.data()[0] = static_cast<std::byte>(i);
      identities.push_back(crypto::Identity::from_seed(seed));
      seed.data()[1] = std::byte{1};
      channels.push_back(crypto::ChannelKey::from_seed(seed));
      members.push_back({identities.back().id(), std::to_string(i)});
    }
    charters = {charter(0, 0), charter(0, 1), charter(1, 1)};
    record.chain = charters[0];
    for (std::size_t of = 0; of < 3; ++of) {
      for (std::uint64_t issued = 1; issued < 4; ++issued) {
        Card card;
        card.founded = record.chain.founded();
        card.issued = issued;
        card.name = members[of].name;
        // The third takes the key of another: who has both may.
        cards.push_back(sign_card(card, identities[of], channels[issued < 3 ? of : (of + 1) % 3]));
      }
      record.cards.push_back(cards[3 * of]);
    }
    manifest.chunks.assign(2, crypto::hash(chunk));
    for (std::uint64_t place = 0; place < kLogs * kSequences; ++place) {
      for (std::size_t origin = 1; origin < 3; ++origin) heads.push_back(sign(origin, place, 0));
    }
    for (std::size_t origin = 0; origin < 3; ++origin) heads.push_back(sign(origin, 2, 1));
  }
  /// One version, then `more` others; the last differs by `rival`.
  CharterChain charter(std::uint64_t rival, std::size_t more) const {
    Charter next;
    next.consortium = "fuzz";
    next.expires = 1;
    next.stewards = {{identities[0].id(), "steward"}};
    next.members = members;
    std::ranges::sort(next.members, {}, &Member::id);
    CharterChain chain;
    for (std::size_t i = 0; i <= more; ++i) {
      next.expires += i == more ? rival : 0;
      SignedCharter version = unsigned_charter(next);
      net::sign(version, identities[0]);
      if (chain.append(version)) std::abort();
      next.number = i + 2;
      next.previous = chain.newest().id;
    }
    return chain;
  }
  SignedHead sign(std::size_t origin, std::uint64_t place, std::uint64_t examples) const {
    const Bytes encoded = encode(manifest);
    Head head;
    head.founded = record.chain.founded();
    head.origin = identities[origin].id();
    head.key = channels[origin].public_key();
    head.position = {place / kSequences, place % kSequences + 1};
    head.size = limits::kChunk + 1;
    head.examples = examples;
    head.round = static_cast<std::uint32_t>(place % 2);
    head.manifest = crypto::hash(encoded);
    head.manifest_size = static_cast<std::uint32_t>(encoded.size());
    return sign_head(head, channels[origin]);
  }
  Bytes chunk = Bytes(10);
  Manifest manifest;
  std::vector<crypto::Identity> identities;
  std::vector<crypto::ChannelKey> channels;
  std::vector<Member> members;
  std::vector<CharterChain> charters;  // one version, two, and two of which the second is a rival
  MembershipRecord record;
  std::vector<Card> cards;
  std::vector<SignedHead> heads;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const World world;
  Gossip gossip(Instant{}, 10, world.record, world.members[0].id, {}, 1);
  gossip.set_own_card(world.cards[0]);
  Instant now{};
  bool silent = false;
  std::size_t at = 0;
  const auto next = [&]() -> std::uint8_t { return at < size ? data[at++] : 0; };
  while (at < size) {
    const std::uint8_t step = next();
    const NodeId peer = world.members[1 + step / 128].id;
    const SignedHead& head = world.heads[next() % world.heads.size()];
    switch (step % 24) {
      case 0:
        gossip.handle_connected(now, peer);
        break;
      case 1:
        gossip.handle_disconnected(now, peer);
        break;
      case 2:
        gossip.handle_message(now, peer, Heads{{head}});
        break;
      case 3:
        gossip.handle_message(now, peer, Holding{head.id()});
        break;
      case 4:
        gossip.want(now, head.id());
        break;
      case 6:
        gossip.handle_message(now, peer, Piece{head.id(), kManifestPiece, encode(world.manifest)});
        break;
      case 7:
        gossip.handle_message(now, peer, Piece{head.id(), next() % 3U, world.chunk});
        break;
      case 8:
        gossip.handle_message(now, peer, Fetch{head.id(), next() % 3U});
        break;
      case 9:
        gossip.handle_message(now, peer, Summary{{{head.id(), true}}, next() % 2 == 0});
        break;
      case 10:
        now += std::chrono::seconds(next());
        gossip.handle_timeout(now);
        break;
      case 11:
        gossip.handle_message(now, peer, Have{head.id(), {next() % 3U, next() % 2U}});
        break;
      case 12:
        gossip.handle_message(now, peer, Wanted{head.id(), next() % 2 == 0});
        break;
      case 13:
        gossip.handle_message(now, peer, Cancel{head.id(), next() % 3U});
        break;
      case 14:
        gossip.relay(now, head.id());
        break;
      case 15:
        gossip.found(now, head.id(), {next() % 2 == 0, next() % 2 == 0});
        break;
      case 16: {
        const SignedHead& other = world.heads[next() % world.heads.size()];
        gossip.handle_message(now, peer, Evidence{head, other});
        break;
      }
      case 18: {
        MembershipRecord decided = world.record;
        decided.chain = world.charters[next() % world.charters.size()];
        gossip.follow(now, decided);
        break;
      }
      case 22:
        gossip.handle_message(now, peer, Cards{{world.cards[next() % world.cards.size()]}});
        break;
      case 23:
        (void)gossip.take_card(now, world.cards[next() % world.cards.size()]);
        break;
      case 19: {
        const CharterChain& told = world.charters[next() % world.charters.size()];
        const CharterPlace place{told.newest().charter.number + next() % 2, told.newest().id};
        gossip.handle_message(now, peer, CharterHead{place});
        break;
      }
      case 20: {
        const CharterChain& told = world.charters[next() % world.charters.size()];
        const auto& version = told.versions()[next() % told.versions().size()];
        gossip.handle_message(now, peer, CharterVersion{version.signed_charter});
        break;
      }
      case 21:
        gossip.handle_message(now, peer, CharterWanted{next() % 4U});
        break;
      case 17:
        silent = !silent;  // the disk, or the peer that is to take the piece
        break;
      default: {
        const std::size_t announced = next();
        const std::size_t length = std::min(announced, size - at);
        const ByteView bytes(reinterpret_cast<const std::byte*>(data + at), length);
        at += length;
        if (auto message = decode_message(bytes))
          gossip.handle_message(now, peer, std::move(*message));
      }
    }
    for (std::size_t events = 0; auto event = gossip.poll_event(); ++events) {
      if (events > 10'000) std::abort();  // one step must not talk without end
      if (std::holds_alternative<Gossip::CharterChanged>(*event)) {
        const auto again = decode_record(encode_record(gossip.record()));
        if (!std::holds_alternative<MembershipRecord>(again)) std::abort();  // nothing unverified
      }
      const auto* read = std::get_if<Gossip::ReadPiece>(&*event);
      if (read && !silent) {
        gossip.handle_piece_read(now, read->for_peer, read->snapshot, read->piece, world.chunk);
        gossip.handle_drained(now, read->for_peer);
      }
      if (const auto* write = std::get_if<Gossip::WritePiece>(&*event)) {
        if (write->data != world.chunk) std::abort();  // nothing unverified leaves
      }
    }
    for (const Card& card : gossip.cards().all()) {
      if (!is_sound(card)) std::abort();  // nothing unverified
    }
    if (gossip.snapshot_count() > 2 * limits::kSnapshotsPerOrigin) std::abort();
    if (gossip.next_timeout() < now) now = gossip.next_timeout();
  }
  return 0;
}
