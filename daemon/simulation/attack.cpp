#include "daemon/simulation/attack.hpp"

#include "daemon/learning/encoded_snapshot.hpp"
#include "daemon/learning/worker_process.hpp"
#include "model/pipe/memfd.hpp"

#include <cmath>
#include <limits>
#include <unistd.h>
#include <vector>

namespace kith::daemon {
namespace {

constexpr float kScale = 100;

struct Weights {
  model::Schema schema;
  std::vector<float> values;
};

Weights read(const pipe::Fd& file) {
  const auto map = pipe::SealedMap::open(file, kLargestSnapshot);
  if (const auto* problem = std::get_if<std::string>(&map)) throw WorkerLost(*problem);
  auto snapshot = model::read_snapshot(std::get<pipe::SealedMap>(map).bytes());
  if (const auto* error = std::get_if<model::SnapshotError>(&snapshot)) {
    throw WorkerLost(error->what);
  }
  auto& read = std::get<model::Snapshot>(snapshot);
  return {std::move(read.schema), read.copy_values()};
}

pipe::Fd write(const Weights& weights) {
  return pipe::sealed_memfd("attack", model::write_snapshot(weights.schema, weights.values));
}

pipe::Fd copy_of(const pipe::Fd& file) { return pipe::Fd(dup(file.get())); }

/// M0 + factor (partial - M0)
pipe::Fd exaggerated(const pipe::Fd& partial, const pipe::Fd& initial, float factor) {
  Weights weights = read(partial);
  const Weights start = read(initial);
  for (std::size_t i = 0; i < weights.values.size(); ++i) {
    weights.values[i] = start.values[i] + factor * (weights.values[i] - start.values[i]);
  }
  return write(weights);
}

pipe::Fd filled(const pipe::Fd& partial, float value) {
  Weights weights = read(partial);
  weights.values.assign(weights.values.size(), value);
  return write(weights);
}

pipe::Fd noise_like(const pipe::Fd& partial, std::mt19937_64& random) {
  Weights weights = read(partial);
  double squares = 0;
  for (const float value : weights.values) squares += static_cast<double>(value) * value;
  const double size = std::sqrt(squares / static_cast<double>(weights.values.size()));
  for (float& value : weights.values) {
    // Uniform of the same standard deviation; std::normal_distribution differs between libraries.
    const double uniform = static_cast<double>(random() >> 11) * 0x1p-53;
    value = static_cast<float>(size * std::sqrt(3.0) * (2 * uniform - 1));
  }
  return write(weights);
}

}  // namespace

pipe::Fd attacked(AttackKind kind, const pipe::Fd& partial, const AttackMaterial& material,
                  std::mt19937_64& random) {
  switch (kind) {
    case AttackKind::sign_flip:
      return exaggerated(partial, *material.initial, -1);
    case AttackKind::scale:
      return exaggerated(partial, *material.initial, kScale);
    case AttackKind::noise:
      return noise_like(partial, random);
    case AttackKind::nan:
      return filled(partial, std::numeric_limits<float>::quiet_NaN());
    case AttackKind::infinity:
      return filled(partial, std::numeric_limits<float>::infinity());
    case AttackKind::replay:
      return copy_of(*material.first);
    case AttackKind::free_ride:
      return copy_of(material.other ? *material.other : partial);
    case AttackKind::none:
    case AttackKind::label_flip:
      break;
  }
  return copy_of(partial);
}

std::string_view name(AttackKind kind) {
  switch (kind) {
    case AttackKind::none:
      return "none";
    case AttackKind::sign_flip:
      return "sign-flip";
    case AttackKind::scale:
      return "scale";
    case AttackKind::label_flip:
      return "label-flip";
    case AttackKind::noise:
      return "noise";
    case AttackKind::nan:
      return "nan";
    case AttackKind::infinity:
      return "infinity";
    case AttackKind::replay:
      return "replay";
    case AttackKind::free_ride:
      return "free-ride";
  }
  return "none";
}

}  // namespace kith::daemon
