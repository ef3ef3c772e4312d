#pragma once

#include "model/task.hpp"

#include <torch/nn/modules/container/sequential.h>

namespace kith::worker {

/// The network that a task declares, with weights of no meaning yet.
///
/// "mlp": a linear layer with ReLU for each of task.sizes.  "cnn": for each a 3x3 convolution with
/// ReLU, each followed by 2x2 max pooling while the picture is large enough.  "cnn1d": for each a
/// convolution over 5 steps with ReLU, each followed by max pooling of 2 while there are two.  "resnet": a 3x3
/// convolution to the first size and pooling, then for each size a residual block of two
/// convolutions, each but the first halving the picture, and the mean over the picture.  All end in
/// a linear layer with one output a class.  "gru-lm": an embedding, a GRU, and that linear layer at
/// every word of a sentence.  "text-classifier": an embedding of the first size, its mean over the words
/// of a text, then a linear layer with ReLU for each further size.
///
/// Normalised by groups of channels, not by batches: a snapshot carries parameters only, and the
/// running statistics of batch normalisation are none.
[[nodiscard]] torch::nn::Sequential build_network(const model::Task& task);

}  // namespace kith::worker
