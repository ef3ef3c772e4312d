#include "model/norm.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstring>

namespace kith::model {
namespace {

/// The larger of two norms of the node's own, 0 if none is finite.
double larger(double initial_norm, double own_norm) {
  const auto usable = [](double known) { return std::isfinite(known) ? known : 0; };
  return std::max(usable(initial_norm), usable(own_norm));
}

}  // namespace

double parameter_norm(ByteView values) {
  assert(values.size() % sizeof(float) == 0);
  double sum = 0;  // float32's largest, squared, is far from double's largest
  for (std::size_t at = 0; at < values.size(); at += sizeof(float)) {
    float value = 0;
    std::memcpy(&value, values.data() + at, sizeof value);
    sum += static_cast<double>(value) * static_cast<double>(value);
  }
  return std::sqrt(sum);
}

bool absurd_norm(double norm, double initial_norm, double own_norm, double factor) {
  if (!std::isfinite(norm)) return true;
  const double known = larger(initial_norm, own_norm);
  return known > 0 && norm > factor * known;
}

double norm_factor(double norm, double initial_norm, double own_norm) {
  const double bound = kNormBound * larger(initial_norm, own_norm);
  return bound > 0 && norm > bound ? bound / norm : 1;
}

}  // namespace kith::model
