#include "net/head.hpp"

#include "tests/crypto_ready.hpp"

#include <boost/test/unit_test.hpp>

namespace head_test {

using namespace kith;
using namespace kith::net;

struct Signed : CryptoReady {
  crypto::Identity identity = crypto::Identity::generate();
  Head head = [this] {
    Head made;
    made.origin = identity.id();
    made.position = {5, 9};
    made.round = 3;
    made.size = limits::kChunk + 1;
    made.manifest_size = 72;
    return made;
  }();
  SignedHead signed_head = sign_head(head, identity, "consortium");
};

BOOST_FIXTURE_TEST_SUITE(head_tests, Signed)

BOOST_AUTO_TEST_CASE(signed_head_verifies_and_reads_back) {
  BOOST_TEST(verify_head(signed_head, identity.id(), "consortium"));
  const auto read = parse_head(signed_head);
  BOOST_TEST_REQUIRE(read.has_value());
  BOOST_TEST((read->position == head.position));
  BOOST_TEST(read->round == 3U);
  BOOST_TEST((encode(*read) == encode(head)));
}

BOOST_AUTO_TEST_CASE(head_of_another_consortium_does_not_verify) {
  BOOST_TEST(!verify_head(signed_head, identity.id(), "another"));
}

BOOST_AUTO_TEST_CASE(every_flipped_bit_breaks_the_signature) {
  for (std::size_t bit = 0; bit < kHeadSize * 8; ++bit) {
    SignedHead damaged = signed_head;
    damaged.bytes[bit / 8] ^= std::byte(1 << (bit % 8));
    BOOST_TEST(!verify_head(damaged, identity.id(), "consortium"));
  }
}

BOOST_AUTO_TEST_CASE(insane_heads_are_not_parsed) {
  const auto refused = [&](auto change) {
    Head bad = head;
    change(bad);
    return !parse_head(sign_head(bad, identity, "consortium")).has_value();
  };
  BOOST_TEST(refused([](Head& bad) { bad.format = 1; }));
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
  BOOST_TEST(encoded.size() == 360'461U);
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
