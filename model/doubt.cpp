#include "model/doubt.hpp"

#include "model/paired.hpp"

#include <algorithm>
#include <cmath>

namespace kith::model {

bool Doubt::clearly_worse(const std::string& what, std::uint64_t round,
                          std::span<const float> losses, std::span<const float> others) {
  const double errors = standard_errors_above(losses, others);
  Record& record = records_[what];
  const auto gap = static_cast<double>(round > record.last ? round - record.last : 0);
  const double faded = std::pow(kFading, gap);
  record.sum = faded * record.sum + std::clamp(errors, -kMost, kMost);
  record.squares = faded * faded * record.squares + 1;
  record.last = round;
  return errors > 0 && (errors > slack_ || clearly_worse(what));
}

double Doubt::standing(const std::string& what) const {
  const auto found = records_.find(what);
  return found == records_.end() ? 0 : found->second.sum / std::sqrt(found->second.squares);
}

void Doubt::restore(const std::string& what, std::uint64_t round, double standing) {
  if (std::isfinite(standing)) records_[what] = {std::clamp(standing, -kMost, kMost), 1, round};
}

}  // namespace kith::model
