#include "model/score.hpp"

#include <cmath>

namespace kith::model {
namespace {

double odds(std::uint64_t classes) { return static_cast<double>(classes) * (1 - kHedge) / kHedge; }

}  // namespace

double score(double loss, std::uint64_t classes) {
  const double chance = loss >= 0 ? std::exp(-loss) : 0;
  return worst_score(classes) - std::log1p(odds(classes) * chance);
}

double worst_score(std::uint64_t classes) { return std::log1p(odds(classes)); }

}  // namespace kith::model
