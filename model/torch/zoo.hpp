#pragma once

#include "model/task.hpp"

#include <torch/nn/modules/container/sequential.h>

namespace kith::worker {

/// The network that a task declares, with weights of no meaning yet.
///
/// "mlp": a linear layer with ReLU for each of task.sizes.  "cnn": for each a 3x3 convolution with
/// ReLU, each followed by 2x2 max pooling while the picture is large enough.  Both end in a linear
/// layer with one output a class.
[[nodiscard]] torch::nn::Sequential build_network(const model::Task& task);

}  // namespace kith::worker
