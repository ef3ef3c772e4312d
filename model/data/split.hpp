#pragma once

#include "crypto/hash.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace kith::data {

/// What decides on which side of the split an example is: a hash of its content, or of the group
/// that it belongs to (a patient, a machine, a day), under a key of the node's own.  It is the same
/// in whatever order and company the example stands.
using Tag = crypto::Hash;

/// Tags for one node.  Equal keys, equal tags.
class Tagger {
 public:
  /// `node` is any text, such as the node's id.
  explicit Tagger(std::string_view node);
  [[nodiscard]] Tag tag(ByteView content) const;

 private:
  crypto::Hash key_;
};

/// Indices of examples, each in the order of the examples' own tags, which is random and yet the
/// same at every start.
struct Split {
  std::vector<std::size_t> train, validation;
};

/// What is known of one example.
struct Taggable {
  Tag tag;             ///< of its content
  Tag unit;            ///< of its group; of its content if it belongs to none
  std::int64_t label;  ///< 0 where there are no classes
};

/// Sets about `fraction` of the units aside for validation: those whose tag is below it.  An
/// example that comes or goes moves no other to another side, but for one exception: a class that
/// would be on one side only, though it has two units or more, gives the one whose tag is nearest
/// to the limit to the other side.  Requires 0 < fraction < 1.
[[nodiscard]] Split split_by_tag(std::span<const Taggable> examples, double fraction);

/// Sets the last `fraction` of the examples aside, as they stand: for those that are in the order of
/// time.  Never parts a unit: one that reaches over the limit is set aside as a whole.
[[nodiscard]] Split split_by_time(std::span<const Taggable> examples, double fraction);

/// Copies of an example are on one side, or a model would be judged by what it has trained on.  But
/// where fewer than one in five examples are different, as in a table of two yes-or-no columns, a
/// copy is an observation of its own: then each gets its own unit, unless it has a group.
void part_copies(std::vector<Taggable>& examples, const Tagger& tagger);

/// All of them, in the order of their own tags.
[[nodiscard]] std::vector<std::size_t> in_order(std::span<const Taggable> examples);

/// One text for a set of examples, whatever their order: how many there are, and a sum of their
/// tags.
[[nodiscard]] std::string fingerprint(std::span<const Taggable> examples);

}  // namespace kith::data
