#include "crypto/init.hpp"
#include "crypto/noise.hpp"
#include "tests/crypto/fixed_ephemeral.hpp"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>

// A genuine connection in which one message is replaced: it is accepted only if it is the genuine
// one after all.  The first byte says which message (two of the initiator, one of the responder,
// one record), the second whether the rest takes its place or is added to it bit by bit.
namespace {

using namespace kith;
using namespace kith::crypto;

DhKey key(std::uint8_t seed) {
  Secret<32> secret;
  std::ranges::fill(secret.data(), std::byte{seed});
  return DhKey::from_secret(secret);
}

Bytes altered(const Bytes& genuine, ByteView input, bool replace) {
  if (replace) return {input.begin(), input.end()};
  Bytes result = genuine;
  result.resize(std::max(genuine.size(), input.size()));
  for (std::size_t i = 0; i < input.size(); ++i) result[i] ^= input[i];
  return result;
}

void connect(int target, bool replace, ByteView input) {
  static const DhKey alice = key(1), bob = key(2);
  const Bytes payload(3, std::byte{0x5a});
  auto initiator = FixedEphemeral::initiator(alice, bob.public_key(), {}, key(3));
  auto responder = FixedEphemeral::responder(bob, {}, key(4));
  for (int i = 0; i < 3; ++i) {
    Handshake& writer = i == 1 ? responder : initiator;
    Handshake& reader = i == 1 ? initiator : responder;
    const Bytes genuine = writer.write(payload);
    if (i != target) {
      assert(reader.read(genuine) == payload);
      continue;
    }
    const Bytes message = altered(genuine, input, replace);
    assert(reader.read(message).has_value() == (message == genuine));
    if (message == genuine) continue;
    assert(!reader.read(genuine) && !reader.my_turn() && !reader.finished());
    return;
  }
  Transport sender = initiator.split(), receiver = responder.split();
  Bytes genuine, opened;
  sender.seal(payload, genuine);
  const Bytes record = altered(genuine, input, replace);
  assert(receiver.open(record, opened) == (record == genuine));
  assert(opened == (record == genuine ? payload : Bytes{}));
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* /*count*/, char*** /*arguments*/) {
  init();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  connect(data[0] % 4, data[1] % 2 == 0, std::as_bytes(std::span(data, size)).subspan(2));
  return 0;
}
