#include "crypto/noise.hpp"
#include "tests/crypto/bytes.hpp"
#include "tests/crypto/fixed_ephemeral.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

namespace noise_vectors_test {

// The vectors were made by two implementations of Noise that are not ours: see tests/interop/.
using namespace kith;
using namespace kith::crypto;
using Json = nlohmann::json;

std::string text(const Json& object, const char* name) {
  return object.at(name).get<std::string>();
}
Bytes data(const Json& object, const char* name) { return unhex(text(object, name)); }
DhKey key(const Json& object, const char* name) {
  return DhKey::from_secret(Secret<32>(unhex_array<32>(text(object, name))));
}

Json vectors() { return Json::parse(std::ifstream(KITH_NOISE_VECTORS)).at("vectors"); }

Handshake initiator(const Json& vector) {
  return FixedEphemeral::initiator(key(vector, "initiator_static"),
                                   key(vector, "responder_static").public_key(),
                                   data(vector, "prologue"), key(vector, "initiator_ephemeral"));
}

Handshake responder(const Json& vector) {
  return FixedEphemeral::responder(key(vector, "responder_static"), data(vector, "prologue"),
                                   key(vector, "responder_ephemeral"));
}

// Plays one side of the vector: writes its messages, reads the other's.
Transport play(const Json& vector, Handshake handshake) {
  for (const Json& step : vector.at("messages")) {
    const Bytes payload = data(step, "payload"), message = data(step, "message");
    if (handshake.my_turn()) {
      BOOST_TEST((handshake.write(payload) == message));
    } else {
      BOOST_TEST((handshake.read(message) == payload));
    }
  }
  BOOST_REQUIRE(handshake.finished());
  BOOST_TEST(to_hex(handshake.channel_binding()) == text(vector, "handshake_hash"));
  return handshake.split();
}

// As in the generators.
Bytes record_payload(std::size_t sender, std::size_t index) {
  Bytes payload(37 * index % 251);
  for (std::size_t j = 0; j < payload.size(); ++j) {
    payload[j] = static_cast<std::byte>(index + 7 * j + sender);
  }
  return payload;
}

// The records of one direction: those that the vector keeps, and the hash of all.
void compare_records(const Json& expected, std::size_t sender, Transport& from, Transport& to) {
  const auto& selected = expected.at("selected");
  Bytes transcript;
  std::size_t compared = 0;
  for (std::size_t i = 0; i < expected.at("count").get<std::size_t>(); ++i) {
    const std::size_t start = transcript.size();
    from.seal(record_payload(sender, i), transcript);
    const auto record = ByteView(transcript).subspan(start);

    Bytes opened;
    BOOST_REQUIRE_MESSAGE(to.open(record, opened), "record " << i);
    BOOST_REQUIRE_MESSAGE(opened == record_payload(sender, i), "record " << i);
    if (compared < selected.size() && selected[compared].at("index") == i) {
      BOOST_TEST(to_hex(record) == text(selected[compared++], "record"), "record " << i);
    }
  }
  BOOST_TEST(compared == selected.size());
  BOOST_TEST(to_hex(hash(transcript)) == text(expected, "blake2b"));
}

BOOST_AUTO_TEST_SUITE(noise_vectors_tests)

BOOST_AUTO_TEST_CASE(every_vector_is_reproduced_by_both_roles) {
  BOOST_REQUIRE(!vectors().empty());
  for (const Json& vector : vectors()) {
    BOOST_TEST_CONTEXT(text(vector, "name")) {
      Transport ours = play(vector, initiator(vector)), theirs = play(vector, responder(vector));
      compare_records(vector.at("records").at(0), 0, ours, theirs);
      compare_records(vector.at("records").at(1), 1, theirs, ours);
    }
  }
}

BOOST_AUTO_TEST_CASE(vectors_cross_two_rekeys_in_each_direction) {
  std::size_t longest[2] = {0, 0};
  for (const Json& vector : vectors()) {
    for (const std::size_t sender : {0U, 1U}) {
      longest[sender] =
          std::max(longest[sender], vector.at("records").at(sender).at("count").get<std::size_t>());
    }
  }
  BOOST_TEST(longest[0] > 2 * Transport::kRekeyInterval);
  BOOST_TEST(longest[1] > 2 * Transport::kRekeyInterval);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace noise_vectors_test
