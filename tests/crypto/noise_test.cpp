#include "crypto/noise.hpp"

#include "crypto/aead.hpp"
#include "crypto/sodium.hpp"
#include "tests/crypto/bytes.hpp"
#include "tests/crypto/fixed_ephemeral.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <array>
#include <utility>
#include <vector>

namespace noise_test {

using namespace kith;
using namespace kith::crypto;
namespace data = boost::unit_test::data;

constexpr std::array<std::string_view, 3> kPayloads = {"first", "", "third"};

// Two sides that have exchanged as many messages as a test asks for.
struct Pair {
  DhKey initiator_key = DhKey::generate(), responder_key = DhKey::generate();
  Bytes prologue = bytes("prologue");
  Handshake initiator = Handshake::initiator(initiator_key, responder_key.public_key(), prologue);
  Handshake responder = Handshake::responder(responder_key, prologue);

  Handshake& writer_of(std::size_t message) { return message == 1 ? responder : initiator; }
  Handshake& reader_of(std::size_t message) { return message == 1 ? initiator : responder; }

  // Messages 0 up to `end`, all of them read.
  void exchange(std::size_t end) {
    for (std::size_t i = 0; i < end; ++i) {
      const Bytes message = writer_of(i).write(as_byte_view(kPayloads[i]));
      BOOST_REQUIRE((reader_of(i).read(message) == bytes(kPayloads[i])));
    }
  }
  Bytes next(std::size_t message) {
    return writer_of(message).write(as_byte_view(kPayloads[message]));
  }
};

bool has_failed(Handshake& handshake) {
  return !handshake.my_turn() && !handshake.finished() && !handshake.read({});
}

struct Finished : Pair {
  Finished() { exchange(3); }
};

struct Connected : Finished {
  Transport alice = initiator.split(), bob = responder.split();
};

Bytes seal(Transport& transport, std::string_view text) {
  Bytes record;
  transport.seal(as_byte_view(text), record);
  return record;
}

std::optional<Bytes> open(Transport& transport, ByteView record) {
  Bytes plaintext;
  if (!transport.open(record, plaintext)) return std::nullopt;
  return plaintext;
}

// Encodings of points whose order divides 8: 0, 1, p - 1, p, p + 1 and two of order 8.
constexpr std::array<std::string_view, 7> kSmallOrder = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
};

// Message 1 without payload and prologue, from whoever knows the shared secret of `es`.
Bytes first_message(const DhPublicKey& responder, const DhPublicKey& ephemeral,
                    const Hash& shared) {
  const auto sha256 = [](const Hash& h, ByteView more) {
    Bytes both = bytes(h);
    both.insert(both.end(), more.begin(), more.end());
    Hash result;
    crypto_hash_sha256(raw(result), raw(both), both.size());
    return result;
  };
  const auto hmac = [](const Hash& key, ByteView input) {
    Hash result;
    crypto_auth_hmacsha256(raw(result), raw(input), input.size(), raw(key));
    return result;
  };
  Hash name;
  std::ranges::copy(as_byte_view("Noise_XK_25519_ChaChaPoly_SHA256"), name.begin());
  const Hash h = sha256(sha256(sha256(name, {}), responder), ephemeral);
  const Hash temp_key = hmac(name, shared);
  Bytes second = bytes(hmac(temp_key, Bytes{std::byte{1}}));
  second.push_back(std::byte{2});
  const Hash k = hmac(temp_key, second);

  Bytes message = bytes(ephemeral);
  message.resize(message.size() + aead::kTagSize);
  aead::encrypt(k, 0, h, {}, std::span(message).last(aead::kTagSize));
  return message;
}

BOOST_AUTO_TEST_SUITE(handshake_tests)

BOOST_AUTO_TEST_CASE(both_sides_finish_with_each_others_keys_and_one_binding) {
  Pair pair;
  BOOST_TEST(pair.initiator.my_turn());
  BOOST_TEST(!pair.responder.my_turn());
  BOOST_TEST(!pair.responder.peer().has_value());
  pair.exchange(3);
  BOOST_TEST(pair.initiator.finished());
  BOOST_TEST(pair.responder.finished());
  BOOST_TEST((pair.initiator.peer() == pair.responder_key.public_key()));
  BOOST_TEST((pair.responder.peer() == pair.initiator_key.public_key()));
  BOOST_TEST((pair.initiator.channel_binding() == pair.responder.channel_binding()));

  Pair other;
  other.exchange(3);
  BOOST_TEST((pair.initiator.channel_binding() != other.initiator.channel_binding()));
}

BOOST_AUTO_TEST_CASE(responder_knows_nobody_before_message_3) {
  Pair pair;
  pair.exchange(2);
  const Bytes last = pair.next(2);
  BOOST_TEST(!pair.responder.peer().has_value());
  BOOST_TEST(!pair.responder.read(with_bit_flipped(last, 8 * last.size() - 1)));
  BOOST_TEST(!pair.responder.peer().has_value());
}

BOOST_AUTO_TEST_CASE(two_handshakes_of_the_same_keys_share_no_bytes_but_by_chance) {
  Pair pair;
  auto again =
      Handshake::initiator(pair.initiator_key, pair.responder_key.public_key(), pair.prologue);
  BOOST_TEST((pair.initiator.write({}) != again.write({})));
}

BOOST_DATA_TEST_CASE(every_flipped_bit_breaks_the_handshake, data::xrange(std::size_t{3}),
                     message) {
  std::size_t bits = 8;  // learnt from the first message
  for (std::size_t bit = 0; bit < bits; ++bit) {
    Pair pair;
    pair.exchange(message);
    const Bytes genuine = pair.next(message);
    bits = 8 * genuine.size();
    Handshake& reader = pair.reader_of(message);
    BOOST_TEST(!reader.read(with_bit_flipped(genuine, bit)), "bit " << bit);
    BOOST_TEST(!reader.read(genuine), "bit " << bit);  // even the genuine message comes too late
    BOOST_TEST(has_failed(reader), "bit " << bit);
  }
}

BOOST_DATA_TEST_CASE(every_truncated_or_extended_message_breaks_the_handshake,
                     data::xrange(std::size_t{3}), message) {
  std::size_t sizes = 1;
  for (std::size_t size = 0; size < sizes; ++size) {
    Pair pair;
    pair.exchange(message);
    const Bytes genuine = pair.next(message);
    sizes = genuine.size();
    BOOST_TEST(!pair.reader_of(message).read(ByteView(genuine).first(size)), "size " << size);
    BOOST_TEST(has_failed(pair.reader_of(message)), "size " << size);
  }
  for (const std::size_t more : {std::size_t{1}, std::size_t{16}, Handshake::kMaxMessage}) {
    Pair pair;
    pair.exchange(message);
    Bytes extended = pair.next(message);
    extended.resize(extended.size() + more);
    BOOST_TEST(!pair.reader_of(message).read(extended), "extended by " << more);
  }
}

BOOST_DATA_TEST_CASE(messages_of_any_permitted_size_arrive,
                     data::make<std::size_t>({0, 1, 1000, Handshake::kMaxPayload}), size) {
  Pair pair;
  for (std::size_t i = 0; i < 3; ++i) {
    const Bytes payload(size, static_cast<std::byte>(i));
    const Bytes message = pair.writer_of(i).write(payload);
    BOOST_TEST(message.size() <= Handshake::kMaxMessage);
    BOOST_TEST((pair.reader_of(i).read(message) == payload));
  }
  BOOST_TEST(pair.responder.finished());
}

BOOST_AUTO_TEST_CASE(different_prologues_break_the_first_message) {
  Pair pair;
  auto responder = Handshake::responder(pair.responder_key, as_byte_view("prologue 2"));
  BOOST_TEST(!responder.read(pair.next(0)));
  BOOST_TEST(has_failed(responder));
}

BOOST_AUTO_TEST_CASE(a_responder_with_another_key_cannot_read_the_first_message) {
  Pair pair;
  auto impostor = Handshake::responder(DhKey::generate(), pair.prologue);
  BOOST_TEST(!impostor.read(pair.next(0)));
}

BOOST_AUTO_TEST_CASE(messages_of_another_handshake_are_refused) {
  for (std::size_t message = 1; message < 3; ++message) {
    Pair pair;
    pair.exchange(message);
    Pair other;
    other.exchange(message);
    BOOST_TEST(!pair.reader_of(message).read(other.next(message)));
  }
}

BOOST_AUTO_TEST_CASE(a_message_reflected_to_its_writer_is_refused) {
  Pair pair;
  BOOST_TEST(!pair.initiator.read(pair.next(0)));
  BOOST_TEST(has_failed(pair.initiator));
}

BOOST_AUTO_TEST_CASE(a_message_out_of_turn_breaks_the_handshake) {
  Pair pair;
  const Bytes first = pair.next(0);
  BOOST_TEST(pair.responder.read(first).has_value());
  BOOST_TEST(!pair.responder.read(first));
  BOOST_TEST(has_failed(pair.responder));
}

BOOST_AUTO_TEST_CASE(a_message_after_the_end_is_refused_and_changes_nothing) {
  Pair pair;
  pair.exchange(3);
  BOOST_TEST(!pair.responder.read(Bytes(64)));
  BOOST_TEST(pair.responder.finished());
  Transport alice = pair.initiator.split(), bob = pair.responder.split();
  BOOST_TEST((open(bob, seal(alice, "hello")) == bytes("hello")));
  BOOST_TEST(!pair.responder.read(Bytes(64)));
}

// Whoever sends such a key knows the result of the exchange beforehand, whatever our secret is.
BOOST_DATA_TEST_CASE(an_ephemeral_key_of_small_order_is_refused, data::make(kSmallOrder), point) {
  const auto key = DhKey::generate(), ephemeral = DhKey::generate();
  Hash shared{};
  BOOST_REQUIRE(
      crypto_scalarmult(raw(shared), raw(key.secret().data()), raw(ephemeral.public_key())) == 0);
  const Bytes honest = first_message(key.public_key(), ephemeral.public_key(), shared);
  BOOST_TEST(Handshake::responder(key, {}).read(honest).has_value());  // so the forger can forge

  const Bytes forged = first_message(key.public_key(), unhex_array<32>(point), Hash{});
  BOOST_TEST(!Handshake::responder(key, {}).read(forged));
}

// If the shared secret were the all-zero result, the two messages would be the same.
BOOST_DATA_TEST_CASE(a_responders_key_of_small_order_leads_nowhere, data::make(kSmallOrder),
                     point) {
  const auto self = DhKey::generate(), ephemeral = DhKey::generate();
  const auto low = unhex_array<32>(point);
  const auto first_message = [&] {
    auto copy = DhKey::from_secret(ephemeral.secret());
    return FixedEphemeral::initiator(self, low, {}, std::move(copy)).write({});
  };
  BOOST_TEST((first_message() != first_message()));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(transport_tests, Connected)

BOOST_DATA_TEST_CASE_F(Connected, any_size_survives_the_round_trip,
                       data::make<std::size_t>({0, 1, 16, 1000, Transport::kMaxPlaintext}), size) {
  const Bytes plain(size, std::byte{0x5a});
  Bytes record;
  alice.seal(plain, record);
  BOOST_TEST(record.size() == size + Transport::kTagSize);
  BOOST_TEST((open(bob, record) == plain));
}

BOOST_AUTO_TEST_CASE(records_cross_many_rekeys_in_both_directions) {
  for (std::uint64_t i = 0; i < 3 * Transport::kRekeyInterval + 2; ++i) {
    const std::string text = std::to_string(i);
    BOOST_REQUIRE((open(bob, seal(alice, text)) == bytes(text)));
    if (i % 2 == 0) BOOST_REQUIRE((open(alice, seal(bob, text)) == bytes(text)));
  }
}

BOOST_AUTO_TEST_CASE(output_is_appended) {
  Bytes records = bytes("before"), plaintext = bytes("and ");
  alice.seal(as_byte_view("after"), records);
  BOOST_TEST(records.size() == 6 + 5 + Transport::kTagSize);
  BOOST_TEST(bob.open(ByteView(records).subspan(6), plaintext));
  BOOST_TEST((plaintext == bytes("and after")));
}

BOOST_AUTO_TEST_CASE(every_flipped_bit_is_noticed_for_ever_and_leaves_the_output_alone) {
  for (std::size_t bit = 0; bit < 8 * (5 + Transport::kTagSize); ++bit) {
    Connected fresh;
    const Bytes record = seal(fresh.alice, "hello");
    Bytes out = bytes("before");
    BOOST_TEST(!fresh.bob.open(with_bit_flipped(record, bit), out), "bit " << bit);
    BOOST_TEST(!fresh.bob.open(record, out), "bit " << bit);
    BOOST_TEST((out == bytes("before")), "bit " << bit);
  }
}

BOOST_AUTO_TEST_CASE(replayed_record_is_refused) {
  const Bytes record = seal(alice, "once");
  BOOST_TEST(open(bob, record).has_value());
  BOOST_TEST(!open(bob, record));
  BOOST_TEST(!open(bob, seal(alice, "next")));  // and everything after it
}

BOOST_AUTO_TEST_CASE(reordered_records_are_refused) {
  const Bytes first = seal(alice, "first"), second = seal(alice, "second");
  BOOST_TEST(!open(bob, second));
  BOOST_TEST(!open(bob, first));
}

BOOST_AUTO_TEST_CASE(lost_record_is_noticed) {
  BOOST_TEST(open(bob, seal(alice, "first")).has_value());
  [[maybe_unused]] const Bytes lost = seal(alice, "second");
  BOOST_TEST(!open(bob, seal(alice, "third")));
}

BOOST_AUTO_TEST_CASE(reflected_record_is_refused) { BOOST_TEST(!open(alice, seal(alice, "echo"))); }

BOOST_AUTO_TEST_CASE(record_of_another_connection_is_refused) {
  Connected other;
  BOOST_TEST(!open(bob, seal(other.alice, "hello")));
}

BOOST_DATA_TEST_CASE_F(Connected, record_of_impossible_size_is_refused,
                       data::make<std::size_t>({0, 1, 15, 65536, 70000}), size) {
  BOOST_TEST(!open(bob, Bytes(size)));
  BOOST_TEST(!open(bob, seal(alice, "hello")));
}

BOOST_AUTO_TEST_CASE(a_failure_stops_only_the_receiving_half) {
  BOOST_TEST(!open(bob, Bytes(20)));
  BOOST_TEST((open(alice, seal(bob, "goodbye")) == bytes("goodbye")));
}

BOOST_AUTO_TEST_CASE(a_transport_goes_on_where_it_was_moved_from) {
  BOOST_TEST(open(bob, seal(alice, "first")).has_value());
  Transport moved = std::move(bob);
  BOOST_TEST((open(moved, seal(alice, "second")) == bytes("second")));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace noise_test
