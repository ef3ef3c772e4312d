#include "model/norm.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstring>

namespace kith::model {

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

std::optional<double> norm_factor(double norm, double initial_norm, double own_norm) {
  if (!std::isfinite(norm)) return std::nullopt;
  const auto usable = [](double known) { return std::isfinite(known) ? known : 0; };
  const double known = std::max(usable(initial_norm), usable(own_norm));
  if (known <= 0 || norm <= kNormBound * known) return 1;
  if (norm > kRefusedNorm * known) return std::nullopt;
  return kNormBound * known / norm;
}

}  // namespace kith::model
