#include "model/torch/initial.hpp"

#include "model/data/sampling.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <vector>

namespace kith::worker {
namespace {

constexpr double kLength = 1.4142135623730951;  // of a row: the square root of 2
constexpr std::size_t kOrthogonal = 64;  // rows; in so many dimensions others nearly are by chance

double dot(std::span<const double> a, std::span<const double> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

/// Makes the rows orthogonal, not more than there are columns, and of that length.
void orthogonalise(std::span<double> rows, std::size_t columns, double length) {
  for (std::size_t row = 0; row < rows.size(); row += columns) {
    const auto self = rows.subspan(row, columns);
    for (std::size_t earlier = 0; earlier < row; earlier += columns) {
      const auto other = rows.subspan(earlier, columns);
      const double share = dot(self, other) / dot(other, other);
      for (std::size_t i = 0; i < columns; ++i) self[i] -= share * other[i];
    }
    const double factor = length / std::sqrt(dot(self, self));
    for (double& value : self) value *= factor;
  }
}

}  // namespace

double last_layer(const model::Task& task) { return task.model == "resnet" ? 1 : 0.1; }

Params initial_model(const model::Schema& schema, double last_layer, std::uint64_t seed) {
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
    std::vector<double> weights(count);
    for (double& weight : weights) weight = 2 * (static_cast<double>(random() >> 11) * 0x1p-53) - 1;
    const std::size_t columns = count / shape[0];
    const std::size_t group = std::min(columns, kOrthogonal) * columns;
    const double length = kLength * (name.starts_with("output.") ? last_layer : 1);
    for (std::size_t begin = 0; begin < count; begin += group) {
      orthogonalise(std::span(weights).subspan(begin, std::min(group, count - begin)), columns,
                    length);
    }
    std::ranges::transform(weights, std::back_inserter(params),
                           [](double weight) { return static_cast<float>(weight); });
  }
  return params;
}

}  // namespace kith::worker
