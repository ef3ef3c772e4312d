// Whatever the bytes: reading never crashes, a refusal has a reason, and what is read and written
// again is read equal.
#include "model/snapshot.hpp"

#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace {

using namespace kith::model;

void require(bool condition) {
  if (!condition) std::abort();
}

bool same_bytes(kith::ByteView a, kith::ByteView b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const kith::ByteView file = std::as_bytes(std::span(data, size));

  const Schema schema{{{"a", {2}}, {"b", {}}}};
  const auto from_peer = read_peer_snapshot(file, schema);
  const auto read = read_snapshot(file);
  if (const auto* error = std::get_if<SnapshotError>(&read)) {
    require(!error->what.empty());
    require(std::holds_alternative<SnapshotError>(from_peer));
    return 0;
  }
  const auto& snapshot = std::get<Snapshot>(read);
  require(!problem(snapshot.schema));
  require(snapshot.values.size() == 4 * snapshot.schema.parameters());

  // The canonical header is never longer than the one found, so this never throws.
  const auto again = write_snapshot(snapshot.schema, snapshot.copy_values(), snapshot.metadata);
  const auto reread = read_snapshot(again);
  require(std::holds_alternative<Snapshot>(reread));
  const auto& equal = std::get<Snapshot>(reread);
  require(equal.schema == snapshot.schema);
  require(equal.metadata == snapshot.metadata);
  require(same_bytes(equal.values, snapshot.values));

  if (std::holds_alternative<Snapshot>(from_peer)) require(same_bytes(again, file));
  return 0;
}
