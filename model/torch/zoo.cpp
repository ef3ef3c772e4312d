#include "model/torch/zoo.hpp"

#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>
#include <torch/nn/modules/pooling.h>
#include <torch/nn/modules/rnn.h>

#include <cstdint>
#include <span>
#include <string>
#include <tuple>

namespace kith::worker {
namespace {

namespace nn = torch::nn;

nn::Conv2d convolution(std::int64_t from, std::int64_t to, std::int64_t side,
                       std::int64_t stride = 1) {
  return nn::Conv2d(nn::Conv2dOptions(from, to, side).padding(side / 2).stride(stride).bias(false));
}

// With a group for each channel the mean over the picture would be a constant.
nn::GroupNorm norm(std::int64_t channels) {
  constexpr std::int64_t kGroup = 8;  // channels
  return nn::GroupNorm(
      nn::GroupNormOptions(channels % kGroup == 0 ? channels / kGroup : 1, channels));
}

/// Two convolutions beside a shortcut (He, Zhang, Ren, Sun 2016), with the normalisation first.
struct ResidualBlockImpl : nn::Module {
  ResidualBlockImpl(std::int64_t from, std::int64_t to, std::int64_t stride)
      : norm1(register_module("norm1", norm(from))),
        conv1(register_module("conv1", convolution(from, to, 3, stride))),
        norm2(register_module("norm2", norm(to))),
        conv2(register_module("conv2", convolution(to, to, 3))) {
    if (from != to || stride != 1) {
      shortcut = register_module("shortcut", convolution(from, to, 1, stride));
    }
  }

  torch::Tensor forward(const torch::Tensor& x) {
    const auto inner = conv1(norm1(x).relu());
    return (shortcut ? shortcut(x) : x) + conv2(norm2(inner).relu());
  }

  nn::GroupNorm norm1;
  nn::Conv2d conv1;
  nn::GroupNorm norm2;
  nn::Conv2d conv2;
  nn::Conv2d shortcut = nullptr;
};
TORCH_MODULE(ResidualBlock);

/// A GRU that gives its state at every word.
struct StatesImpl : nn::GRUImpl {
  using nn::GRUImpl::GRUImpl;
  torch::Tensor forward(const torch::Tensor& words) {
    return std::get<0>(nn::GRUImpl::forward(words));
  }
};
TORCH_MODULE(States);

/// Examples of (length, channels) as convolutions take them: (channels, length).
struct ChannelsFirstImpl : nn::Module {
  torch::Tensor forward(const torch::Tensor& x) { return x.transpose(1, 2).contiguous(); }
};
TORCH_MODULE(ChannelsFirst);

/// The mean of the words of each text; below zero there is none.
struct MeanOfWordsImpl : nn::Module {
  MeanOfWordsImpl(std::int64_t words, std::int64_t size)
      : embedding(register_module("embedding", nn::Embedding(words, size))) {}

  torch::Tensor forward(const torch::Tensor& texts) {
    const auto words = texts.to(torch::kInt64);
    const auto there = words.ge(0).unsqueeze(2).to(torch::kFloat32);
    const auto sums = (embedding(words.clamp_min(0)) * there).sum(1);
    return sums / there.sum(1).clamp_min(1);
  }

  nn::Embedding embedding;
};
TORCH_MODULE(MeanOfWords);

/// Linear layers with ReLU, and the output.
void add_linear(nn::Sequential& net, std::int64_t inputs, std::span<const unsigned> sizes,
                std::int64_t outputs) {
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const std::int64_t size = sizes[i];
    net->push_back("linear" + std::to_string(i + 1), nn::Linear(inputs, size));
    net->push_back("relu" + std::to_string(i + 1), nn::ReLU());
    inputs = size;
  }
  net->push_back("output", nn::Linear(inputs, outputs));
}

nn::Sequential perceptron(const model::Task& task) {
  nn::Sequential net;
  std::int64_t inputs = 1;
  if (model::data_kind(task) == model::DataKind::table) {
    inputs = 0;
    for (const auto& column : task.columns) {
      inputs += static_cast<std::int64_t>(model::features(column));
    }
  } else {
    for (const unsigned side : task.input) inputs *= side;
  }
  net->push_back("flatten", nn::Flatten());
  add_linear(net, inputs, task.sizes, model::outputs(task));
  return net;
}

nn::Sequential convolutional(const model::Task& task) {
  nn::Sequential net;
  std::int64_t channels = task.input[0];
  std::int64_t height = task.input[1];
  std::int64_t width = task.input[2];
  for (std::size_t i = 0; i < task.sizes.size(); ++i) {
    const std::int64_t size = task.sizes[i];
    const std::string number = std::to_string(i + 1);
    net->push_back("conv" + number, nn::Conv2d(nn::Conv2dOptions(channels, size, 3).padding(1)));
    net->push_back("relu" + number, nn::ReLU());
    if (height >= 2 && width >= 2) {
      net->push_back("pool" + number, nn::MaxPool2d(2));
      height /= 2;
      width /= 2;
    }
    channels = size;
  }
  net->push_back("flatten", nn::Flatten());
  net->push_back("output", nn::Linear(channels * height * width, model::outputs(task)));
  return net;
}

nn::Sequential convolutional_1d(const model::Task& task) {
  constexpr std::int64_t kSteps = 5;
  nn::Sequential net;
  std::int64_t length = task.input[0];
  std::int64_t channels = task.input[1];
  net->push_back("channels_first", ChannelsFirst());
  for (std::size_t i = 0; i < task.sizes.size(); ++i) {
    const std::int64_t size = task.sizes[i];
    const std::string number = std::to_string(i + 1);
    net->push_back("conv" + number,
                   nn::Conv1d(nn::Conv1dOptions(channels, size, kSteps).padding(kSteps / 2)));
    net->push_back("relu" + number, nn::ReLU());
    if (length >= 2) {
      net->push_back("pool" + number, nn::MaxPool1d(2));
      length /= 2;
    }
    channels = size;
  }
  net->push_back("flatten", nn::Flatten());
  net->push_back("output", nn::Linear(channels * length, model::outputs(task)));
  return net;
}

nn::Sequential text_classifier(const model::Task& task) {
  nn::Sequential net;
  const std::int64_t size = task.sizes[0];
  net->push_back("words", MeanOfWords(task.words, size));
  add_linear(net, size, std::span(task.sizes).subspan(1), model::outputs(task));
  return net;
}

nn::Sequential residual(const model::Task& task) {
  nn::Sequential net;
  std::int64_t channels = task.sizes.front();
  net->push_back("conv", convolution(task.input[0], channels, 3));
  if (task.input[1] >= 2 && task.input[2] >= 2) net->push_back("pool", nn::MaxPool2d(2));
  for (std::size_t i = 0; i < task.sizes.size(); ++i) {
    const std::int64_t size = task.sizes[i];
    net->push_back("block" + std::to_string(i + 1), ResidualBlock(channels, size, i == 0 ? 1 : 2));
    channels = size;
  }
  net->push_back("norm", norm(channels));
  net->push_back("relu", nn::ReLU());
  net->push_back("mean", nn::AdaptiveAvgPool2d(1));
  net->push_back("flatten", nn::Flatten());
  net->push_back("output", nn::Linear(channels, model::outputs(task)));
  return net;
}

nn::Sequential recurrent(const model::Task& task) {
  const std::int64_t embedding = task.sizes[0];
  const std::int64_t hidden = task.sizes[1];
  nn::Sequential net;
  net->push_back("embedding", nn::Embedding(task.classes, embedding));
  net->push_back("gru", States(nn::GRUOptions(embedding, hidden).batch_first(true)));
  net->push_back("output", nn::Linear(hidden, task.classes));
  return net;
}

}  // namespace

nn::Sequential build_network(const model::Task& task) {
  if (task.model == "gru-lm") return recurrent(task);
  if (task.model == "resnet") return residual(task);
  if (task.model == "cnn1d") return convolutional_1d(task);
  if (task.model == "text-classifier") return text_classifier(task);
  if (task.model == "cnn") return convolutional(task);
  return perceptron(task);
}

}  // namespace kith::worker
