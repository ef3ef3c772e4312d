// Every message and stored structure of net/: what decodes must encode to the same bytes.
#include "net/message.hpp"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kith;
  const ByteView bytes(reinterpret_cast<const std::byte*>(data), size);
  if (const auto message = net::decode_message(bytes)) {
    const Bytes again = net::encode_message(*message);
    if (!std::equal(again.begin(), again.end(), bytes.begin(), bytes.end())) std::abort();
  }
  if (const auto manifest = net::decode<net::Manifest>(bytes)) {
    const Bytes again = net::encode(*manifest);
    if (!std::equal(again.begin(), again.end(), bytes.begin(), bytes.end())) std::abort();
  }
  if (const auto head = net::decode<net::SignedHead>(bytes)) (void)net::parse_head(*head);
  return 0;
}
