// A genuine member turned hostile, or a stranger who says that he is one: the input is cut into
// plaintexts of records after the handshake, and a first byte may instead aim it at the raw socket.
#include "net/session.hpp"
#include "tests/crypto_ready.hpp"

#include <cstdlib>

namespace {

using namespace kith;
using namespace kith::net;

struct Parties : CryptoReady {
  crypto::ChannelKey alice = crypto::ChannelKey::generate(), bob = crypto::ChannelKey::generate();
  Member alice_member = make(1, alice), bob_member = make(2, bob);
  Consortium consortium{"fuzz", {alice_member, bob_member}};
  LocalNode bob_node{bob_member.id,    &bob,           &consortium, {},   "fuzz",
                     kProtocolVersion, kOldestVersion, {},          "a=1"};
  crypto::ChannelKey stranger = crypto::ChannelKey::generate();
  Parties() {
    bob_node.takes_renewal = [](const Renewal&) { return false; };
  }

  static Member make(int number, const crypto::ChannelKey& key) {
    Member member;
    member.id.key[0] = static_cast<std::byte>(number);
    member.channel = key.public_key();
    return member;
  }
};

void send(Session& session, ByteView frame) {
  Bytes bytes{static_cast<std::byte>(frame.size() >> 8), static_cast<std::byte>(frame.size())};
  bytes.insert(bytes.end(), frame.begin(), frame.end());
  session.handle_bytes(Instant{}, bytes);
}

void drain(Session& session) {
  while (session.poll_message()) continue;
  if (session.take_output().size() > 1 << 20) std::abort();  // answers must not amplify
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Parties parties;
  ByteView input(reinterpret_cast<const std::byte*>(data), size);
  Session session(parties.bob_node, nullptr, Instant{});
  if (size > 0 && data[0] == 0) {
    session.handle_bytes(Instant{}, input.subspan(1));
    drain(session);
    if (session.established()) std::abort();
    return 0;
  }
  const bool unknown = size > 0 && data[0] == 1;
  auto handshake =
      crypto::Handshake::initiator(unknown ? parties.stranger : parties.alice,
                                   parties.bob.public_key(), parties.consortium.prologue());
  send(session, handshake.write({}));
  const Bytes answer = session.take_output();
  if (!handshake.read(ByteView(answer).subspan(2))) std::abort();
  send(session, handshake.write({}));
  auto transport = handshake.split();
  while (!input.empty() && !session.closed()) {
    const auto length =
        std::min<std::size_t>(std::to_integer<std::size_t>(input[0]) + 1, input.size());
    Bytes record;
    transport.seal(input.first(length), record);
    send(session, record);
    drain(session);
    input = input.subspan(length);
  }
  if (unknown && session.established()) std::abort();
  session.handle_timeout(Instant{} + limits::kHandshake);
  drain(session);
  return 0;
}
