#pragma once

#include "crypto/bytes.hpp"
#include "crypto/hash.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

/// The file a model travels in: a strict subset of safetensors.
///
///     u64 little endian    length of the header in bytes, a multiple of 8
///     header               {"a.bias":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},...} and
///     spaces data                 every tensor's floats, in the order of the names, no gap
///
/// For one schema and one metadata there is one encoding, byte for byte the one that Python's
/// `safetensors` writes for the same float32 tensors (given at most one metadata pair).
namespace kith::model {

/// What a snapshot file may be at most, whoever wrote it.
struct SnapshotLimits {
  static constexpr std::uint64_t header = 1 << 20;  ///< bytes, padding included
  static constexpr std::size_t name = 256;          ///< bytes of a tensor's name
  static constexpr std::size_t dimensions = 8;      ///< of one tensor
};

/// One tensor of a model: IEEE float32, little endian, row-major.
struct TensorSpec {
  std::string name;                  ///< printable ASCII, not "__metadata__"
  std::vector<std::uint64_t> shape;  ///< empty for a scalar; no dimension is zero
  bool operator==(const TensorSpec&) const = default;
};

/// The tensors a snapshot of this task must have, exactly: sorted by name, no name twice.
/// The members require that problem(schema) is nullopt.
struct Schema {
  std::vector<TensorSpec> tensors;
  bool operator==(const Schema&) const = default;
  [[nodiscard]] std::uint64_t parameters() const;  ///< floats in all tensors
  [[nodiscard]] crypto::Hash hash() const;         ///< equal schemas, equal hashes
  [[nodiscard]] std::uint64_t file_size() const;  ///< bytes of every peer's snapshot of this schema
};

/// Why no snapshot can have this schema, in one sentence; nullopt if one can.
[[nodiscard]] std::optional<std::string> problem(const Schema& schema);

/// Text pairs in a safetensors file's `__metadata__`; UTF-8.
using Metadata = std::map<std::string, std::string>;

/// A parsed file; `values` borrows from it and may be unaligned.
struct Snapshot {
  Schema schema;
  Metadata metadata;
  ByteView values;  ///< 4 * schema.parameters() bytes: all tensors' floats, in schema order

  [[nodiscard]] std::vector<float> copy_values() const;
};

/// Why bytes are not a snapshot: one sentence for an operator.
struct SnapshotError {
  std::string what;
};

/// Writes the one canonical encoding.  `values` holds schema.parameters() floats in schema order.
/// Throws std::invalid_argument if the schema has a problem(), the number of values is another, the
/// metadata is not UTF-8 or the header would exceed its limit.
[[nodiscard]] Bytes write_snapshot(const Schema& schema, std::span<const float> values,
                                   const Metadata& metadata = {});

/// Reads any file of our subset: float32 only, sorted, no overlap, no gap, no trailing bytes.
/// Allocates in proportion to the header, which is limited before it is looked at.  For files of
/// the operator's own.
[[nodiscard]] std::variant<Snapshot, SnapshotError> read_snapshot(ByteView file);

/// Reads a peer's bytes: only the canonical encoding of exactly this schema, without metadata,
/// every value finite.  Compares the header and never parses it.  Requires !problem(expected).
[[nodiscard]] std::variant<Snapshot, SnapshotError> read_peer_snapshot(ByteView file,
                                                                       const Schema& expected);

}  // namespace kith::model
