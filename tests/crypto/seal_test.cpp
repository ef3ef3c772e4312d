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

BOOST_AUTO_TEST_CASE(a_key_of_small_order_is_sealed_nothing) {
  const ChannelPublicKey zero{};
  const Bytes plain(64);
  const Bytes first = seal_to(zero, plain), second = seal_to(zero, plain);
  BOOST_TEST(first.size() == plain.size() + kSealOverhead);
  // Random throughout: not zeros, and not encrypted under a secret that everybody can compute.
  const auto body = [](const Bytes& sealed) { return bytes(ByteView(sealed).subspan(32)); };
  BOOST_TEST((body(first) != body(second)));
  BOOST_TEST(std::ranges::count(body(first), std::byte{}) < 20);
}

BOOST_DATA_TEST_CASE(an_encrypted_chunk_decrypts, data::make<std::size_t>({0, 1, 524'288}), size) {
  const auto key = ContentKey::random();
  const Bytes plain(size, std::byte{7});
  const Bytes encrypted = encrypt_chunk(key, 41, plain);
  BOOST_TEST(encrypted.size() == size + kChunkOverhead);
  BOOST_TEST((decrypt_chunk(key, 41, encrypted) == plain));
}

BOOST_AUTO_TEST_CASE(a_chunk_belongs_to_one_key_and_one_index) {
  const auto key = ContentKey::random();
  const Bytes encrypted = encrypt_chunk(key, 1, as_byte_view("chunk"));
  BOOST_TEST(!decrypt_chunk(key, 0, encrypted));
  BOOST_TEST(!decrypt_chunk(key, 1ULL << 32 | 1, encrypted));
  BOOST_TEST(!decrypt_chunk(ContentKey::random(), 1, encrypted));
}

BOOST_AUTO_TEST_CASE(every_flipped_bit_and_every_cut_of_a_chunk_is_noticed) {
  const auto key = ContentKey::random();
  const Bytes encrypted = encrypt_chunk(key, 0, as_byte_view("chunk"));
  for (std::size_t bit = 0; bit < 8 * encrypted.size(); ++bit) {
    BOOST_TEST(!decrypt_chunk(key, 0, with_bit_flipped(encrypted, bit)), "bit " << bit);
  }
  for (std::size_t size = 0; size < encrypted.size(); ++size) {
    BOOST_TEST(!decrypt_chunk(key, 0, ByteView(encrypted).first(size)), "cut to " << size);
  }
}

// The beginning of RFC 8439, appendix A.5; its nonce is 00 00 00 00 01 02 03 04 05 06 07 08.
BOOST_AUTO_TEST_CASE(the_index_is_the_nonce_in_little_endian_order) {
  const ContentKey key(
      unhex_array<32>("1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0"));
  const Bytes encrypted =
      encrypt_chunk(key, 0x0807'0605'0403'0201, as_byte_view("Internet-Drafts "));
  BOOST_TEST(to_hex(ByteView(encrypted).first(16)) == "64a0861575861af460f062c79be643bd");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace seal_test
