#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace kith::model {

/// Which part each of n nodes is in: two nodes are together if their labels are equal.
using Labels = std::vector<std::size_t>;

/// The connected components of an undirected graph of `nodes` nodes, labelled 0, 1, 2 ... in the
/// order of each one's first node.  Throws std::invalid_argument if an edge names a node that is
/// not there.
[[nodiscard]] Labels components(std::size_t nodes,
                                std::span<const std::pair<std::size_t, std::size_t>> edges);

/// How well two partitions of the same nodes agree, corrected for chance (Hubert and Arabie 1985):
/// 1 if they are the same up to the labels' names, about 0 if they have nothing to do with each
/// other.  Where the correction divides zero by zero (no or one node, both all together, both all
/// apart) the partitions are the same: 1.  Throws std::invalid_argument if the sizes differ.
[[nodiscard]] double adjusted_rand_index(std::span<const std::size_t> a,
                                         std::span<const std::size_t> b);

}  // namespace kith::model
