#include "model/torch/initial.hpp"

#include "model/data/sampling.hpp"

#include <cmath>

namespace kith::worker {

Params initial_model(const model::Schema& schema, std::uint64_t seed) {
  data::Random random = data::random_for({seed});
  Params params;
  params.reserve(schema.parameters());
  for (const auto& [name, shape] : schema.tensors) {
    std::uint64_t count = 1;
    for (const std::uint64_t size : shape) count *= size;
    if (shape.size() < 2) {  // a bias, or the scale of a normalisation
      params.insert(params.end(), count, name.ends_with(".weight") ? 1.0F : 0.0F);
      continue;
    }
    const double bound = std::sqrt(6.0 / static_cast<double>(count / shape[0]));
    for (std::uint64_t i = 0; i < count; ++i) {
      const double unit = static_cast<double>(random() >> 11) * 0x1p-53;
      params.push_back(static_cast<float>((2 * unit - 1) * bound));
    }
  }
  return params;
}

}  // namespace kith::worker
