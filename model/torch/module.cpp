#include "model/torch/module.hpp"

#include "model/torch/zoo.hpp"

#include <algorithm>

namespace kith::worker {
namespace {

namespace nn = torch::nn;

/// A network of the zoo.
class OfTheZoo : public Module {
 public:
  OfTheZoo(const model::Task& task, torch::Device device) : net_(build_network(task)) {
    net_->to(device);
    if (device.is_cpu()) put_channels_last();
  }
  torch::Tensor forward(const torch::Tensor& inputs) override { return net_->forward(inputs); }
  std::vector<Named> tensors() override {
    std::vector<Named> all;
    for (const auto& item : net_->named_parameters()) all.push_back({item.key(), item.value()});
    std::ranges::sort(all, {}, &Named::name);
    return all;
  }
  void train(bool on) override { net_->train(on); }

 private:
  /// Pictures then go through the network with the channels of a pixel side by side: LibTorch pools
  /// and normalises them several times as fast.
  void put_channels_last() {
    for (torch::Tensor& parameter : net_->parameters()) {
      if (parameter.dim() != 4) continue;
      parameter.set_data(parameter.contiguous(torch::MemoryFormat::ChannelsLast));
    }
  }

  nn::Sequential net_;
};

}  // namespace

std::unique_ptr<Module> build_module(const model::Task& task, torch::Device device) {
  if (task.model == "script") return load_script(task.script, device);
  return std::make_unique<OfTheZoo>(task, device);
}

}  // namespace kith::worker
