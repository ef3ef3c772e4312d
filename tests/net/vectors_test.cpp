// docs/protocol.md gives examples for whoever writes another implementation.  They are made here,
// by the code that runs, and looked for in the document: neither can change without the other.
#include "crypto/seal.hpp"
#include "net/charter.hpp"
#include "net/directory.hpp"
#include "net/invite.hpp"
#include "net/membership_record.hpp"
#include "net/message.hpp"
#include "tests/crypto_ready.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>

namespace vectors_test {

using namespace kith;
using namespace kith::net;

/// What stands beside `name` in the document: "name", two or more spaces, and the value, which may
/// go on in indented lines.
std::string documented(const std::string& name) {
  std::ifstream file(KITH_DOCS "/protocol.md");
  std::string value;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(name + "  ")) {
      value = line.substr(name.size());
    } else if (!value.empty() && line.starts_with("  ")) {
      value += line;
    } else if (!value.empty()) {
      break;
    }
  }
  std::erase(value, ' ');
  return value;
}
std::string hex(ByteView bytes) { return crypto::to_hex(bytes); }

crypto::Secret<32> counting(int first) {
  crypto::Secret<32> bytes;
  std::ranges::generate(bytes.data(), [i = first]() mutable { return static_cast<std::byte>(i++); });
  return bytes;
}

/// The node key, and the channel key, whose seeds are 0, 1, 2, ... and 32, 33, 34, ...
struct Example : CryptoReady {
  crypto::Identity identity = crypto::Identity::from_seed(counting(0));
  crypto::ChannelKey channel = crypto::ChannelKey::from_seed(counting(32));
  SignedCharter version;
  Card card;
  Manifest manifest{{crypto::hash(as_byte_view("chunk"))}, {}, {{identity.id(), {}}}};
  Head head;
  Example() {
    Charter charter;
    charter.consortium = "example";
    charter.expires = 2'000'000'000;
    charter.stewards = {{identity.id(), "ward"}};
    charter.members = {{identity.id(), "ward"}};
    version = unsigned_charter(charter);
    sign(version, identity);
    card.founded = version.id();
    card.issued = 1'900'000'000;
    card.name = "ward";
    card.addresses = {"ward:7700"};
    card = sign_card(card, identity, channel);

    head.founded = version.id();
    head.origin = identity.id();
    head.key = channel.public_key();
    head.position = {1'700'000'000'000'000, 7};
    manifest.commitment = crypto::commitment(content_key(), seal_context(head));
    const ByteView note = as_byte_view("{}");
    manifest.note.assign(note.begin(), note.end());
    const Bytes encoded = encode(manifest);
    head.task = crypto::hash(as_byte_view("task"));
    head.round = 12;
    head.examples = 75;
    head.size = 100'000;
    head.manifest_size = static_cast<std::uint32_t>(encoded.size());
    head.manifest = crypto::hash(encoded);
  }
  static crypto::ContentKey content_key() { return crypto::ContentKey(counting(64).data()); }
};

BOOST_FIXTURE_TEST_SUITE(vectors_tests, Example)

BOOST_AUTO_TEST_CASE(documented_identity_is_ours) {
  BOOST_TEST(documented("seed") == hex(identity.seed().data()));
  BOOST_TEST(documented("public key") == hex(identity.id().key));
  BOOST_TEST(documented("node id") == to_string(identity.id()));
  BOOST_TEST(documented("channel seed") == hex(channel.seed().data()));
  BOOST_TEST(documented("channel key") == hex(channel.public_key().key));
  BOOST_TEST(documented("channel dh") == hex(channel.dh().public_key()));
}

BOOST_AUTO_TEST_CASE(documented_prologue_is_ours) {
  BOOST_TEST(documented("prologue") == hex(prologue(version.id(), identity.id())));
}

BOOST_AUTO_TEST_CASE(documented_head_and_signature_are_ours) {
  const SignedHead signed_head = sign_head(head, channel);
  BOOST_TEST(documented("manifest") == hex(encode(manifest)));
  BOOST_TEST(documented("head") == hex(signed_head.bytes));
  BOOST_TEST(documented("signature") == hex(signed_head.signature));
  BOOST_TEST(documented("snapshot id") == hex(signed_head.id()));
}

BOOST_AUTO_TEST_CASE(documented_messages_are_ours) {
  const SnapshotId id = sign_head(head, channel).id();
  const auto message = [](const Message& what) { return hex(encode_message(what)); };
  BOOST_TEST(documented("hello") == message(Hello{.from = identity.id(), .to = identity.id(),
                                                  .task = head.task, .agent = "kith"}));
  BOOST_TEST(documented("goodbye") == message(Goodbye{CloseReason::other_task}));
  BOOST_TEST(documented("ping") == message(Ping{1}));
  BOOST_TEST(documented("summary") == message(Summary{{{id, true}}, false}));
  BOOST_TEST(documented("fetch") == message(Fetch{id, kManifestPiece}));
  BOOST_TEST(documented("have") == message(Have{id, {0}}));
  BOOST_TEST(documented("wanted") == message(Wanted{id, false}));
  BOOST_TEST(documented("cancel") == message(Cancel{id, kManifestPiece}));
  SignedHead first = sign_head(head, channel);
  head.round = 13;
  SignedHead second = sign_head(head, channel);
  if (second.bytes < first.bytes) std::swap(first, second);
  BOOST_TEST(documented("evidence") == message(Evidence{first, second}));
}

BOOST_AUTO_TEST_CASE(documented_chunk_is_ours) {
  const crypto::ChunkKey key(content_key(), seal_context(head));
  BOOST_TEST(documented("content key") == hex(content_key().data()));
  BOOST_TEST(documented("context") == hex(seal_context(head)));
  BOOST_TEST(documented("commitment") == hex(manifest.commitment));
  BOOST_TEST(documented("chunk") == hex(key.encrypt_chunk(1, as_byte_view("abc"))));
}

BOOST_AUTO_TEST_CASE(documented_charter_card_and_invitation_are_ours) {
  BOOST_TEST(documented("charter") == hex(version.body));
  BOOST_TEST(documented("charter id") == hex(version.id()));
  BOOST_TEST(documented("charter sig") == hex(version.signatures[0].signature));
  const auto message = [](const Message& what) { return hex(encode_message(what)); };
  BOOST_TEST(documented("ch head") == message(CharterHead{{1, version.id()}}));
  BOOST_TEST(documented("ch wanted") == message(CharterWanted{1}));
  BOOST_TEST(documented("ch version") == message(CharterVersion{version}));
  MembershipRecord record;
  BOOST_TEST_REQUIRE(!record.chain.append(version));
  record.cards = {card};
  BOOST_TEST(documented("ch file") == hex(encode_record(record)));
  BOOST_TEST(documented("card") == to_text(card));
  BOOST_TEST(documented("cards") == message(Cards{{card}}));
  BOOST_TEST(documented("card list") == message(CardList{{card.id()}}));
  Token token{};
  const auto seed = counting(0);
  std::ranges::copy(seed.data().first(token.size()), token.begin());
  Invite invite;
  invite.consortium = "example";
  invite.founded = version.id();
  invite.known = {1, version.id()};
  invite.inviter = identity.id();
  invite.channel = channel.public_key();
  invite.name = "ward";
  invite.addresses = {"ward:7700"};
  invite.token = token;
  invite.expires = 2'000'000'000;
  BOOST_TEST(documented("invite") == to_text(invite));
  BOOST_TEST(documented("apply") == message(Apply{token, card}));
  BOOST_TEST(documented("admission") ==
             message(Admission{Admission::State::admitted, "", {1, version.id()}, "[task]\n"}));
  BOOST_TEST(documented("task") == message(TaskManifest{"kith task\na=1"}));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace vectors_test
