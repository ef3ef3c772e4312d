// docs/protocol.md gives examples for whoever writes another implementation.  They are made here,
// by the code that runs, and looked for in the document: neither can change without the other.
#include "crypto/seal.hpp"
#include "net/charter.hpp"
#include "net/consortium.hpp"
#include "net/invite.hpp"
#include "net/member_card.hpp"
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

crypto::Secret<32> counting() {
  crypto::Secret<32> bytes;
  std::ranges::generate(bytes.data(), [i = 0]() mutable { return static_cast<std::byte>(i++); });
  return bytes;
}

struct Example : CryptoReady {
  crypto::Identity identity = crypto::Identity::from_seed(counting());
  Manifest manifest{{crypto::hash(as_byte_view("chunk"))}, {{identity.id(), {}}}};
  Head head;
  Example() {
    const ByteView note = as_byte_view("{}");
    manifest.note.assign(note.begin(), note.end());
    const Bytes encoded = encode(manifest);
    head.origin = identity.id();
    head.position = {1'700'000'000'000'000, 7};
    head.task = crypto::hash(as_byte_view("task"));
    head.round = 12;
    head.examples = 75;
    head.size = 100'000;
    head.manifest_size = static_cast<std::uint32_t>(encoded.size());
    head.manifest = crypto::hash(encoded);
  }
};

BOOST_FIXTURE_TEST_SUITE(vectors_tests, Example)

BOOST_AUTO_TEST_CASE(documented_identity_is_ours) {
  BOOST_TEST(documented("seed") == hex(identity.seed().data()));
  BOOST_TEST(documented("public key") == hex(identity.id().key));
  BOOST_TEST(documented("node id") == to_string(identity.id()));
}

BOOST_AUTO_TEST_CASE(documented_prologue_is_ours) {
  BOOST_TEST(documented("prologue") == hex(Consortium("example", {}).prologue()));
}

BOOST_AUTO_TEST_CASE(documented_head_and_signature_are_ours) {
  const SignedHead signed_head = sign_head(head, identity, "example");
  BOOST_TEST(documented("manifest") == hex(encode(manifest)));
  BOOST_TEST(documented("head") == hex(signed_head.bytes));
  BOOST_TEST(documented("signature") == hex(signed_head.signature));
  BOOST_TEST(documented("snapshot id") == hex(signed_head.id()));
}

BOOST_AUTO_TEST_CASE(documented_messages_are_ours) {
  const SnapshotId id = sign_head(head, identity, "example").id();
  const auto message = [](const Message& what) { return hex(encode_message(what)); };
  BOOST_TEST(documented("hello") == message(Hello{.task = head.task, .agent = "kith"}));
  BOOST_TEST(documented("goodbye") == message(Goodbye{CloseReason::other_task}));
  BOOST_TEST(documented("ping") == message(Ping{1}));
  BOOST_TEST(documented("summary") == message(Summary{{{id, true}}, false}));
  BOOST_TEST(documented("fetch") == message(Fetch{id, kManifestPiece}));
  BOOST_TEST(documented("have") == message(Have{id, {0}}));
  BOOST_TEST(documented("wanted") == message(Wanted{id, false}));
  BOOST_TEST(documented("cancel") == message(Cancel{id, kManifestPiece}));
  SignedHead first = sign_head(head, identity, "example");
  head.round = 13;
  SignedHead second = sign_head(head, identity, "example");
  if (second.bytes < first.bytes) std::swap(first, second);
  BOOST_TEST(documented("evidence") == message(Evidence{first, second}));
}

BOOST_AUTO_TEST_CASE(documented_chunk_is_ours) {
  BOOST_TEST(documented("chunk") == hex(crypto::encrypt_chunk(counting(), 1, as_byte_view("abc"))));
}

BOOST_AUTO_TEST_CASE(documented_charter_and_member_card_are_ours) {
  Member member;
  member.id = identity.id();
  std::ranges::copy(counting().data(), member.channel.begin());
  member.name = "ward";
  member.addresses = {"ward:7700"};
  Charter charter;
  charter.consortium = "example";
  charter.expires = 2'000'000'000;
  charter.stewards = {{identity.id(), "ward"}};
  charter.members = {member};
  SignedCharter version = unsigned_charter(charter);
  sign(version, identity);
  BOOST_TEST(documented("charter") == hex(version.body));
  BOOST_TEST(documented("charter id") == hex(version.id()));
  BOOST_TEST(documented("charter sig") == hex(version.signatures[0].signature));
  const auto message = [](const Message& what) { return hex(encode_message(what)); };
  BOOST_TEST(documented("ch heads") == message(CharterHeads{{{1, version.id()}}}));
  BOOST_TEST(documented("ch wanted") == message(CharterWanted{version.id()}));
  BOOST_TEST(documented("ch version") == message(CharterVersion{version}));
  const Card card = make_card(member, identity);
  BOOST_TEST("kith-member-1 " + documented("member card") + "\n" == to_text(card));
  Token token{};
  std::ranges::copy(ByteView(member.channel).first(token.size()), token.begin());
  const Invite invite{"example", version.id(), member, token, 2'000'000'000};
  BOOST_TEST(documented("invite") == to_text(invite));
  BOOST_TEST(documented("apply") == message(Apply{token, card}));
  BOOST_TEST(documented("task") == message(TaskManifest{"kith task\na=1"}));
  crypto::ChannelPublicKey channel{};
  channel.fill(std::byte{0x11});
  const Renewal renewal = renew(member, 1'900'000'000, channel, {"ward:7701"}, identity);
  BOOST_TEST(documented("entry") == hex(renewal.entry));
  BOOST_TEST(documented("renewals") == message(Renewals{{renewal}}));
  BOOST_TEST(documented("renew list") == message(RenewalList{{renewal.id()}}));
  BOOST_TEST(documented("admission") ==
             message(Admission{Admission::State::admitted, "", {1, version.id()}, "[task]\n"}));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace vectors_test
