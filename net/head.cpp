#include "net/head.hpp"

#include <algorithm>
#include <cassert>

namespace kith::net {
namespace {

// Domain separation: these bytes are never the start of anything else that a node signs.
Bytes signed_text(const SignedHead& head) {
  const ByteView context = as_byte_view("kith head 3\n");
  Bytes text(context.begin(), context.end());
  text.insert(text.end(), head.bytes.begin(), head.bytes.end());
  return text;
}

}  // namespace

SignedHead sign_head(const Head& head, const crypto::ChannelKey& channel) {
  assert(head.key == channel.public_key());
  SignedHead signed_head;
  const Bytes bytes = encode(head);
  assert(bytes.size() == kHeadSize);
  std::ranges::copy(bytes, signed_head.bytes.begin());
  signed_head.signature = channel.sign(signed_text(signed_head));
  return signed_head;
}

std::optional<Head> parse_head(const SignedHead& head) {
  const auto parsed = decode<Head>(head.bytes);
  if (!parsed || parsed->format != 3) return std::nullopt;
  if (parsed->position.sequence == 0 || parsed->size == 0) return std::nullopt;
  if (parsed->size > std::uint64_t{limits::kChunksPerSnapshot} * limits::kChunk)
    return std::nullopt;
  if (parsed->manifest_size > kManifestMaximum) return std::nullopt;
  return parsed;
}

bool verify_head(const SignedHead& head, const Head& parsed) {
  return crypto::verify(parsed.key, signed_text(head), head.signature);
}

Bytes seal_context(const Head& head) {
  Bytes context;
  Writer writer(context);
  writer(head.founded, head.origin.key, head.position);
  return context;
}

}  // namespace kith::net
