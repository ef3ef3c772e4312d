#include "model/torch/zoo.hpp"

#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/pooling.h>

#include <cstdint>
#include <string>

namespace kith::worker {

namespace nn = torch::nn;

nn::Sequential build_network(const model::Task& task) {
  nn::Sequential net;
  std::int64_t channels = task.input[0];
  std::int64_t height = task.input[1];
  std::int64_t width = task.input[2];
  const bool convolutions = task.model == "cnn";
  if (!convolutions) net->push_back("flatten", nn::Flatten());
  std::int64_t inputs = channels * height * width;
  for (std::size_t i = 0; i < task.sizes.size(); ++i) {
    const std::int64_t size = task.sizes[i];
    const std::string number = std::to_string(i + 1);
    if (convolutions) {
      net->push_back("conv" + number, nn::Conv2d(nn::Conv2dOptions(channels, size, 3).padding(1)));
    } else {
      net->push_back("linear" + number, nn::Linear(inputs, size));
    }
    net->push_back("relu" + number, nn::ReLU());
    if (convolutions && height >= 2 && width >= 2) {
      net->push_back("pool" + number, nn::MaxPool2d(2));
      height /= 2;
      width /= 2;
    }
    channels = size;
    inputs = convolutions ? channels * height * width : size;
  }
  if (convolutions) net->push_back("flatten", nn::Flatten());
  net->push_back("output", nn::Linear(inputs, task.classes));
  return net;
}

}  // namespace kith::worker
