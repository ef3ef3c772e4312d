#include "net/head.hpp"

#include <algorithm>
#include <cassert>

namespace kith::net {
namespace {

// Domain separation: these bytes are never the start of anything else that an identity signs.
Bytes signed_text(const SignedHead& head, std::string_view consortium_id) {
  const ByteView context = as_byte_view("kith head 1\n");
  const Hash consortium = crypto::hash(as_byte_view(consortium_id));
  Bytes text(context.begin(), context.end());
  text.insert(text.end(), consortium.begin(), consortium.end());
  text.insert(text.end(), head.bytes.begin(), head.bytes.end());
  return text;
}

}  // namespace

SignedHead sign_head(const Head& head, const crypto::Identity& identity,
                     std::string_view consortium_id) {
  assert(head.origin == identity.id());
  SignedHead signed_head;
  const Bytes bytes = encode(head);
  assert(bytes.size() == kHeadSize);
  std::ranges::copy(bytes, signed_head.bytes.begin());
  signed_head.signature = identity.sign(signed_text(signed_head, consortium_id));
  return signed_head;
}

std::optional<Head> parse_head(const SignedHead& head) {
  const auto parsed = decode<Head>(head.bytes);
  if (!parsed || parsed->format != 2) return std::nullopt;
  if (parsed->position.sequence == 0 || parsed->size == 0) return std::nullopt;
  if (parsed->size > std::uint64_t{limits::kChunksPerSnapshot} * limits::kChunk)
    return std::nullopt;
  if (parsed->manifest_size > kManifestMaximum) return std::nullopt;
  return parsed;
}

bool verify_head(const SignedHead& head, const NodeId& origin, std::string_view consortium_id) {
  return crypto::verify(origin, signed_text(head, consortium_id), head.signature);
}

}  // namespace kith::net
