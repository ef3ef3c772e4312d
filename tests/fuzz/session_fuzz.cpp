// A genuine member turned hostile, or a stranger who says that he is one: the input is cut into
// plaintexts of records after the handshake, and a first byte may instead aim it at the raw socket.
#include "net/session.hpp"
#include "tests/crypto_ready.hpp"

#include <cstdlib>

namespace {

using namespace kith;
using namespace kith::net;

struct Party {
  crypto::Identity identity = crypto::Identity::generate();
  crypto::ChannelKey channel = crypto::ChannelKey::generate();
  [[nodiscard]] Card card(const Hash& founded) const {
    Card made;
    made.founded = founded;
    made.issued = 1;
    made.name = "fuzz";
    return sign_card(made, identity, channel);
  }
};

struct Parties : CryptoReady {
  Hash founded{std::byte{1}};
  Party alice, bob, stranger;
  Directory directory{"fuzz", founded};
  LocalNode bob_node;
  Parties() {
    std::vector<Member> members{{alice.identity.id(), "alice"}, {bob.identity.id(), "bob"}};
    std::ranges::sort(members, {}, &Member::id);
    directory.set_members(members);
    for (const Party* party : {&alice, &bob}) {
      if (!directory.put(party->card(founded))) std::abort();
    }
    bob_node.id = bob.identity.id();
    bob_node.channel = &bob.channel;
    bob_node.directory = &directory;
    bob_node.agent = "fuzz";
    bob_node.manifest = "a=1";
    bob_node.card = bob.card(founded);
    bob_node.takes_applications = [] { return true; };
    bob_node.take_card = [](const Card&) {};
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
  Session session(parties.bob_node, std::nullopt, Instant{});
  if (size > 0 && data[0] == 0) {
    session.handle_bytes(Instant{}, input.subspan(1));
    drain(session);
    if (session.established()) std::abort();
    return 0;
  }
  const bool unknown = size > 0 && data[0] == 1;
  auto handshake =
      crypto::Handshake::initiator((unknown ? parties.stranger : parties.alice).channel.dh(),
                                   parties.bob.channel.dh().public_key(),
                                   prologue(parties.founded, parties.bob_node.id));
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
