#include "model/partition.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <stdexcept>

namespace kith::model {
namespace {

double pairs(std::size_t n) { return static_cast<double>(n) * (static_cast<double>(n) - 1) / 2; }

template <class Key>
double pairs_together(const std::map<Key, std::size_t>& sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), 0.0,
                         [](double sum, const auto& part) { return sum + pairs(part.second); });
}

}  // namespace

Labels components(std::size_t nodes, std::span<const std::pair<std::size_t, std::size_t>> edges) {
  Labels parent(nodes);  // union-find; the smallest node of a component is its root
  std::iota(parent.begin(), parent.end(), 0U);
  const auto root = [&parent](std::size_t node) {
    while (parent[node] != node) node = parent[node] = parent[parent[node]];
    return node;
  };
  for (const auto& [a, b] : edges) {
    if (a >= nodes || b >= nodes) {
      throw std::invalid_argument("components: an edge names a node that is not there");
    }
    const auto root_a = root(a);
    const auto root_b = root(b);
    parent[std::max(root_a, root_b)] = std::min(root_a, root_b);
  }
  Labels labels(nodes);
  std::size_t next = 0;
  for (std::size_t node = 0; node < nodes; ++node) {
    labels[node] = root(node) == node ? next++ : labels[root(node)];
  }
  return labels;
}

double adjusted_rand_index(std::span<const std::size_t> a, std::span<const std::size_t> b) {
  if (a.size() != b.size()) {
    throw std::invalid_argument("adjusted_rand_index: the partitions are of different nodes");
  }
  std::map<std::size_t, std::size_t> sizes_a, sizes_b;
  std::map<std::pair<std::size_t, std::size_t>, std::size_t> sizes_both;
  for (std::size_t node = 0; node < a.size(); ++node) {
    ++sizes_a[a[node]];
    ++sizes_b[b[node]];
    ++sizes_both[{a[node], b[node]}];
  }
  const double together_a = pairs_together(sizes_a);
  const double together_b = pairs_together(sizes_b);
  const double all = pairs(a.size());
  const double expected = a.size() < 2 ? 0 : together_a / all * together_b;
  const double best = (together_a + together_b) / 2;
  if (best == expected) return 1;
  return (pairs_together(sizes_both) - expected) / (best - expected);
}

}  // namespace kith::model
