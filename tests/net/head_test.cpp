#include "net/head.hpp"

#include "tests/crypto_ready.hpp"

#include <boost/test/unit_test.hpp>

namespace head_test {

using namespace kith;
using namespace kith::net;

struct Signed : CryptoReady {
  crypto::ChannelKey channel = crypto::ChannelKey::generate();
  Head head = [this] {
    Head made;
    made.founded[0] = std::byte{9};
    made.origin = crypto::Identity::generate().id();
    made.key = channel.public_key();
    made.position = {5, 9};
    made.round = 3;
    made.size = limits::kChunk + 1;
    made.manifest_size = 72;
    return made;
  }();
  SignedHead signed_head = sign_head(head, channel);
};

BOOST_FIXTURE_TEST_SUITE(head_tests, Signed)

BOOST_AUTO_TEST_CASE(signed_head_verifies_and_reads_back) {
  BOOST_TEST(verify_head(signed_head, head));
  const auto read = parse_head(signed_head);
  BOOST_TEST_REQUIRE(read.has_value());
  BOOST_TEST((read->position == head.position));
  BOOST_TEST(read->round == 3U);
  BOOST_TEST((encode(*read) == encode(head)));
}

BOOST_AUTO_TEST_CASE(head_signed_by_another_key_does_not_verify) {
  Head claimed = head;
  claimed.key = crypto::ChannelKey::generate().public_key();
  BOOST_TEST(!verify_head(signed_head, claimed));
}

BOOST_AUTO_TEST_CASE(what_a_key_is_sealed_with_differs_by_consortium_origin_and_position) {
  const Bytes context = seal_context(head);
  for (int i = 0; i < 4; ++i) {
    Head other = head;
    if (i == 0) other.founded[5] ^= std::byte{1};
    if (i == 1) other.origin.key[5] ^= std::byte{1};
    if (i == 2) ++other.position.log;
    if (i == 3) ++other.position.sequence;
    BOOST_TEST((seal_context(other) != context));
  }
  Head later = head;
  later.round += 1;  // all else follows from the place
  BOOST_TEST((seal_context(later) == context));
}

BOOST_AUTO_TEST_CASE(every_flipped_bit_breaks_the_signature) {
  for (std::size_t bit = 0; bit < kHeadSize * 8; ++bit) {
    SignedHead damaged = signed_head;
    damaged.bytes[bit / 8] ^= std::byte(1 << (bit % 8));
    BOOST_TEST(!verify_head(damaged, head));
  }
}

BOOST_AUTO_TEST_CASE(insane_heads_are_not_parsed) {
  const auto refused = [&](auto change) {
    Head bad = head;
    change(bad);
    return !parse_head(sign_head(bad, channel)).has_value();
  };
  BOOST_TEST(refused([](Head& bad) { bad.format = 2; }));
  BOOST_TEST(refused([](Head& bad) { bad.position.sequence = 0; }));
  BOOST_TEST(refused([](Head& bad) { bad.size = 0; }));
  BOOST_TEST(refused([](Head& bad) { bad.size = (std::uint64_t{4} << 30) + 1; }));
  BOOST_TEST(refused([](Head& bad) { bad.manifest_size = kManifestMaximum + 1; }));
}

BOOST_AUTO_TEST_CASE(largest_manifest_is_as_large_as_documented_and_no_note_is_longer) {
  Manifest manifest;
  manifest.chunks.resize(limits::kChunksPerSnapshot);
  manifest.keys.resize(limits::kMembers);
  manifest.note.resize(limits::kNote);
  Bytes encoded = encode(manifest);
  BOOST_TEST(encoded.size() == 360'493U);
  BOOST_TEST(encoded.size() == kManifestMaximum);
  BOOST_TEST(decode<Manifest>(encoded).has_value());
  const std::size_t length = encoded.size() - limits::kNote - 4;
  encoded[length] ^= std::byte{1};  // now it announces one byte more
  encoded.emplace_back();
  BOOST_TEST(!decode<Manifest>(encoded).has_value());
}

BOOST_AUTO_TEST_CASE(chunks_cover_the_snapshot_exactly) {
  for (const std::uint64_t size :
       {1UL, limits::kChunk - 1, limits::kChunk, limits::kChunk + 1, 10 * limits::kChunk}) {
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < chunk_count(size); ++i) sum += chunk_size(size, i);
    BOOST_TEST(sum == size);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace head_test
