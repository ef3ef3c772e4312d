#include "model/clustering.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>

namespace kith::model {
namespace {

constexpr double kUnknown = -1;  // of an affinity, and of a link that must not be
constexpr std::size_t kWitnesses = 2;

using Cluster = std::vector<std::size_t>;  // indices of members

/// A square of numbers.
class Matrix {
 public:
  explicit Matrix(std::size_t size) : size_(size), values_(size * size, kUnknown) {}
  double& operator()(std::size_t row, std::size_t column) { return values_[row * size_ + column]; }
  double operator()(std::size_t row, std::size_t column) const {
    return values_[row * size_ + column];
  }

 private:
  std::size_t size_;
  std::vector<double> values_;
};

std::optional<double> said(const Rows& rows, const std::string& by, const std::string& of) {
  const Row& row = rows.at(by);
  const auto found = row.find(of);
  if (found == row.end() || !std::isfinite(found->second)) return std::nullopt;
  return std::clamp(found->second, 0.0, 1.0);
}

double affinity(const Rows& rows, const std::string& a, const std::string& b, double threshold) {
  const auto one = said(rows, a, b);
  const auto other = said(rows, b, a);
  if (one && other) return std::min(*one, *other);
  if (!one && !other) return kUnknown;
  return std::min(one ? *one : *other, threshold);  // what the other will say can only lower it
}

/// The mean of the known affinities between two clusters; unknown if too few bear witness.
double link(const Matrix& affinities, const Cluster& a, const Cluster& b) {
  const auto knows = [&](std::size_t i, const Cluster& others) {
    return std::ranges::any_of(others, [&](std::size_t j) { return affinities(i, j) != kUnknown; });
  };
  const auto enough = [&](const Cluster& cluster, const Cluster& others) {
    std::size_t witnesses = 0;
    const std::size_t wanted = std::min(kWitnesses, cluster.size());
    for (const std::size_t i : cluster) {
      if (knows(i, others)) ++witnesses;
      if (witnesses == wanted) return true;
    }
    return false;
  };
  if (!enough(a, b) || !enough(b, a)) return kUnknown;
  double sum = 0, count = 0;
  for (const std::size_t i : a) {
    for (const std::size_t j : b) {
      if (affinities(i, j) == kUnknown) continue;
      sum += affinities(i, j);
      ++count;
    }
  }
  return sum / count;
}

}  // namespace

std::vector<std::vector<std::string>> cluster(const Rows& rows, double threshold) {
  std::vector<std::string> members;
  for (const auto& [member, row] : rows) members.push_back(member);
  const std::size_t size = members.size();

  Matrix affinities(size), links(size);  // both symmetric; a cluster is at its first member's place
  std::vector<Cluster> clusters;
  for (std::size_t i = 0; i < size; ++i) {
    clusters.push_back({i});
    for (std::size_t j = 0; j < i; ++j) {
      const double value = affinity(rows, members[i], members[j], threshold);
      affinities(i, j) = affinities(j, i) = links(i, j) = links(j, i) = value;
    }
  }
  while (true) {
    double best = std::max(threshold, kUnknown);
    std::size_t first = size, second = size;
    for (std::size_t i = 0; i < size; ++i) {
      for (std::size_t j = i + 1; j < size; ++j) {
        if (!(links(i, j) > best)) continue;  // of equals the first pair
        best = links(i, j);
        first = i;
        second = j;
      }
    }
    if (first == size) break;
    clusters[first].insert(clusters[first].end(), clusters[second].begin(), clusters[second].end());
    std::ranges::sort(clusters[first]);
    clusters[second].clear();
    for (std::size_t i = 0; i < size; ++i) {
      links(second, i) = links(i, second) = kUnknown;
      const bool other = i != first && !clusters[i].empty();
      const double value = other ? link(affinities, clusters[first], clusters[i]) : kUnknown;
      links(first, i) = links(i, first) = value;
    }
  }

  std::vector<std::vector<std::string>> named;
  for (const Cluster& cluster : clusters) {
    if (cluster.empty()) continue;
    auto& names = named.emplace_back();
    for (const std::size_t i : cluster) names.push_back(members[i]);
  }
  return named;
}

}  // namespace kith::model
