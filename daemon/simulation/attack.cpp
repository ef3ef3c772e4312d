#include "daemon/simulation/attack.hpp"

#include "daemon/learning/encoded_snapshot.hpp"
#include "daemon/learning/worker_process.hpp"
#include "daemon/system/failure.hpp"
#include "model/pipe/memfd.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <unistd.h>

namespace kith::daemon {
namespace {

constexpr float kScale = 100;
constexpr double kAltered = 0.01;  // of the size of weights

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

/// Adds to every weight, times `kept`, noise of `share` of the size that weights have.
pipe::Fd with_noise(const pipe::Fd& file, float kept, double share, std::mt19937_64& random) {
  Weights weights = read(file);
  double squares = 0;
  for (const float value : weights.values) squares += static_cast<double>(value) * value;
  const double size = share * std::sqrt(squares / static_cast<double>(weights.values.size()));
  for (float& value : weights.values) {
    // Uniform of the same standard deviation; std::normal_distribution differs between libraries.
    const double uniform = static_cast<double>(random() >> 11) * 0x1p-53;
    value = kept * value + static_cast<float>(size * std::sqrt(3.0) * (2 * uniform - 1));
  }
  return write(weights);
}

/// One layer: a row of weights and a bias for every unit.
struct Layer {
  std::uint64_t units = 0, inputs = 0;
  std::span<float> bias, weight;
};

std::vector<Layer> layers_of(Weights& weights) {
  std::vector<Layer> layers;
  std::size_t at = 0;
  bool chain = true;
  for (const model::TensorSpec& tensor : weights.schema.tensors) {
    std::uint64_t size = 1;
    for (const std::uint64_t side : tensor.shape) size *= side;
    const auto values = std::span(weights.values).subspan(at, size);
    at += size;
    if (tensor.name.ends_with(".bias") && tensor.shape.size() == 1) {
      layers.push_back({tensor.shape[0], 0, values, {}});
    } else if (tensor.name.ends_with(".weight") && tensor.shape.size() > 1 && !layers.empty() &&
               layers.back().weight.empty() && layers.back().units == tensor.shape[0]) {
      layers.back().inputs = size / tensor.shape[0];
      layers.back().weight = values;
    } else {
      chain = false;
    }
  }
  for (std::size_t i = 0; i + 1 < layers.size(); ++i) {
    chain = chain && layers[i + 1].inputs > 0 && layers[i + 1].inputs % layers[i].units == 0;
  }
  if (!chain || layers.size() < 2 || layers.front().weight.empty()) {
    throw Failure(EX_CONFIG,
                  "attack \"collude\" works on an \"mlp\" or a \"cnn\" only; choose one of them as "
                  "task.model, or another attack");
  }
  return layers;
}

/// Moves every block of `row` on by half of their number.
void move_on(std::span<float> row, std::uint64_t blocks) {
  const auto by = static_cast<std::ptrdiff_t>((blocks - blocks / 2) * (row.size() / blocks));
  std::rotate(row.begin(), row.begin() + by, row.end());
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
      return with_noise(partial, 0, 1, random);
    case AttackKind::nan:
      return filled(partial, std::numeric_limits<float>::quiet_NaN());
    case AttackKind::infinity:
      return filled(partial, std::numeric_limits<float>::infinity());
    case AttackKind::replay:
      return copy_of(*material.first);
    case AttackKind::free_ride:
      return copy_of(material.other ? *material.other : partial);
    case AttackKind::altered_copy:
      return material.other ? altered(*material.other, random) : copy_of(partial);
    case AttackKind::collude:
      // Altered, or all but the first of them would be told for copies.
      return material.honest.empty() ? copy_of(partial)
                                     : altered(permuted(mean_of(material.honest)), random);
    case AttackKind::none:
    case AttackKind::label_flip:
    case AttackKind::backdoor:
    case AttackKind::interpolate:
    case AttackKind::sybil:
      break;
  }
  return copy_of(partial);
}

pipe::Fd mean_of(const std::vector<const pipe::Fd*>& files) {
  Weights mean = read(*files.front());
  for (std::size_t k = 1; k < files.size(); ++k) {
    const Weights next = read(*files[k]);
    const auto share = 1 / static_cast<float>(k + 1);
    for (std::size_t i = 0; i < mean.values.size(); ++i) {
      mean.values[i] += share * (next.values[i] - mean.values[i]);
    }
  }
  return write(mean);
}

pipe::Fd between(const pipe::Fd& from, const pipe::Fd& to, float share) {
  return exaggerated(to, from, share);
}

pipe::Fd altered(const pipe::Fd& file, std::mt19937_64& random) {
  return with_noise(file, 1, kAltered, random);
}

pipe::Fd permuted(const pipe::Fd& file) {
  Weights weights = read(file);
  const std::vector<Layer> layers = layers_of(weights);
  for (std::size_t i = 0; i + 1 < layers.size(); ++i) {
    const Layer& layer = layers[i];
    const Layer& next = layers[i + 1];
    move_on(layer.bias, layer.units);
    move_on(layer.weight, layer.units);
    for (std::uint64_t unit = 0; unit < next.units; ++unit) {
      move_on(next.weight.subspan(unit * next.inputs, next.inputs), layer.units);
    }
  }
  return write(weights);
}

bool flips_labels(AttackKind kind) {
  return kind == AttackKind::label_flip || kind == AttackKind::interpolate ||
         kind == AttackKind::sybil;
}

bool is_in_data(AttackKind kind) { return flips_labels(kind) || kind == AttackKind::backdoor; }

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
    case AttackKind::altered_copy:
      return "altered-copy";
    case AttackKind::collude:
      return "collude";
    case AttackKind::backdoor:
      return "backdoor";
    case AttackKind::interpolate:
      return "interpolate";
    case AttackKind::sybil:
      return "sybil";
  }
  return "none";
}

}  // namespace kith::daemon
