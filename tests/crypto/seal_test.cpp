#include "crypto/seal.hpp"

#include "tests/crypto/bytes.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>

namespace seal_test {

using namespace kith;
using namespace kith::crypto;
namespace data = boost::unit_test::data;

BOOST_AUTO_TEST_SUITE(seal_tests)

BOOST_DATA_TEST_CASE(what_is_sealed_to_a_key_opens_with_it,
                     data::make<std::size_t>({0, 1, 32, 5000}), size) {
  const auto key = ChannelKey::generate();
  const Bytes plain(size, std::byte{7});
  const Bytes sealed = seal_to(key.public_key(), plain);
  BOOST_TEST(sealed.size() == size + kSealOverhead);
  BOOST_TEST((open_sealed(key, sealed) == plain));
}

BOOST_AUTO_TEST_CASE(sealed_bytes_open_for_nobody_else) {
  const Bytes sealed = seal_to(ChannelKey::generate().public_key(), as_byte_view("to one"));
  BOOST_TEST(!open_sealed(ChannelKey::generate(), sealed));
}

BOOST_AUTO_TEST_CASE(every_flipped_bit_and_every_cut_of_sealed_bytes_is_noticed) {
  const auto key = ChannelKey::generate();
  const Bytes sealed = seal_to(key.public_key(), as_byte_view("content key"));
  for (std::size_t bit = 0; bit < 8 * sealed.size(); ++bit) {
    BOOST_TEST(!open_sealed(key, with_bit_flipped(sealed, bit)), "bit " << bit);
  }
  for (std::size_t size = 0; size < sealed.size(); ++size) {
    BOOST_TEST(!open_sealed(key, ByteView(sealed).first(size)), "cut to " << size);
  }
}

BOOST_AUTO_TEST_CASE(a_key_that_is_nobodys_is_sealed_nothing) {
  // The identity of the group, a point of small order, and bytes that are no point at all.
  ChannelPublicKey identity, small, none;
  identity.key[0] = std::byte{1};
  none.key.fill(std::byte{0xff});
  const Bytes plain(64);
  for (const ChannelPublicKey& key : {identity, small, none}) {
    BOOST_TEST(!key.dh());
    const Bytes first = seal_to(key, plain), second = seal_to(key, plain);
    BOOST_TEST(first.size() == plain.size() + kSealOverhead);
    // Random throughout: not zeros, and not encrypted under a secret that everybody can compute.
    const auto body = [](const Bytes& sealed) { return bytes(ByteView(sealed).subspan(32)); };
    BOOST_TEST((body(first) != body(second)));
    BOOST_TEST(std::ranges::count(body(first), std::byte{}) < 20);
  }
}

const auto kPlace = as_byte_view("the seventh of alice");

BOOST_DATA_TEST_CASE(an_encrypted_chunk_decrypts, data::make<std::size_t>({0, 1, 524'288}), size) {
  const auto content = ContentKey::random();
  const ChunkKey key(content, kPlace), again(content, kPlace);
  const Bytes plain(size, std::byte{7});
  const Bytes encrypted = key.encrypt_chunk(41, plain);
  BOOST_TEST(encrypted.size() == size + kChunkOverhead);
  BOOST_TEST((again.decrypt_chunk(41, encrypted) == plain));
}

BOOST_AUTO_TEST_CASE(a_chunk_belongs_to_one_key_one_place_and_one_index) {
  const auto content = ContentKey::random();
  const ChunkKey key(content, kPlace);
  const Bytes encrypted = key.encrypt_chunk(1, as_byte_view("chunk"));
  BOOST_TEST(!key.decrypt_chunk(0, encrypted));
  BOOST_TEST(!key.decrypt_chunk(1ULL << 32 | 1, encrypted));
  BOOST_TEST(!ChunkKey(ContentKey::random(), kPlace).decrypt_chunk(1, encrypted));
  // Whoever passes another's chunks and sealed keys off as its own passes on what nobody can read.
  BOOST_TEST(!ChunkKey(content, as_byte_view("the seventh of mallory")).decrypt_chunk(1, encrypted));
}

BOOST_AUTO_TEST_CASE(a_commitment_names_one_key_and_one_place) {
  const auto content = ContentKey::random(), other = ContentKey::random();
  BOOST_TEST((commitment(content, kPlace) == commitment(content, kPlace)));
  BOOST_TEST((commitment(content, kPlace) != commitment(other, kPlace)));
  BOOST_TEST((commitment(content, kPlace) != commitment(content, as_byte_view("elsewhere"))));
  BOOST_TEST(!std::ranges::equal(commitment(content, kPlace), content.data()));
}

BOOST_AUTO_TEST_CASE(every_flipped_bit_and_every_cut_of_a_chunk_is_noticed) {
  const ChunkKey key(ContentKey::random(), kPlace);
  const Bytes encrypted = key.encrypt_chunk(0, as_byte_view("chunk"));
  for (std::size_t bit = 0; bit < 8 * encrypted.size(); ++bit) {
    BOOST_TEST(!key.decrypt_chunk(0, with_bit_flipped(encrypted, bit)), "bit " << bit);
  }
  for (std::size_t size = 0; size < encrypted.size(); ++size) {
    BOOST_TEST(!key.decrypt_chunk(0, ByteView(encrypted).first(size)), "cut to " << size);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace seal_test
