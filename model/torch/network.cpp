#include "model/torch/network.hpp"

#include "model/data/sampling.hpp"
#include "model/torch/error.hpp"
#include "model/torch/zoo.hpp"

#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <dlfcn.h>
#include <map>
#include <utility>

namespace kith::worker {
namespace {

namespace nn = torch::nn;
using pipe::FailureKind;

/// The one place where LibTorch's exceptions become ours.
template <class Body>
auto guarded(Body body) {
  try {
    return body();
  } catch (const c10::Error& error) {
    const std::string what = error.what_without_backtrace();
    throw WorkerError(FailureKind::software, "LibTorch failed: " + what.substr(0, what.find('\n')));
  }
}

void use_threads(std::uint64_t threads) {
  at::set_num_threads(static_cast<int>(threads));
  static const bool once = (at::set_num_interop_threads(1), true);  // LibTorch allows one call
  static_cast<void>(once);
  // OpenBLAS built on plain threads has a pool of its own, which LibTorch's setting misses.
  if (void* const set = dlsym(RTLD_DEFAULT, "openblas_set_num_threads")) {
    reinterpret_cast<void (*)(int)>(set)(static_cast<int>(threads));
  }
}

torch::Device device_called(const std::string& name) {
  const bool gpu = torch::cuda::is_available();
  if (name == "cpu" || (name == "auto" && !gpu)) return torch::kCPU;
  if (name != "cuda" && name != "auto") {
    throw WorkerError(FailureKind::config,
                      "the device \"" + name + "\" is not known; use cpu, cuda or auto");
  }
  if (!gpu) {
    throw WorkerError(FailureKind::config,
                      "this LibTorch finds no CUDA device; set device to cpu or auto");
  }
  return torch::kCUDA;
}

/// Examples as the network takes them: pixels from -1 to 1.
struct Tensors {
  torch::Tensor images;
  torch::Tensor labels;
};

Tensors tensors_of(const data::Examples& examples, torch::Device device) {
  const auto size = [](std::size_t n) { return static_cast<std::int64_t>(n); };
  const data::Images& of = examples.images;
  // from_blob() wants a mutable pointer; to() copies, so nothing is written through it.
  const auto pixels = torch::from_blob(
      const_cast<std::uint8_t*>(of.pixels.data()),
      {size(of.count), size(of.channels), size(of.height), size(of.width)}, torch::kUInt8);
  const auto labels = torch::from_blob(const_cast<std::uint8_t*>(examples.labels.data()),
                                       {size(of.count)}, torch::kUInt8);
  return {pixels.to(torch::kFloat32).div_(127.5).sub_(1).to(device),
          labels.to(torch::kInt64).to(device)};
}

bool all_finite(const Params& params) {
  return std::ranges::all_of(params, [](float value) { return std::isfinite(value); });
}

}  // namespace

struct Network::Impl {
  Impl(const model::Task& its_task, const Dataset& dataset, torch::Device where)
      : task(its_task),
        device(where),
        net(build_network(task)),
        parts{tensors_of(dataset.train, device), tensors_of(dataset.validation, device),
              tensors_of(dataset.scored, device), tensors_of(dataset.test, device)} {
    net->to(device);
    for (const auto& [name, shape] : shapes()) schema.tensors.push_back({name, shape});
  }

  /// Sorted by name, as the schema is.
  std::map<std::string, std::vector<std::uint64_t>> shapes() {
    std::map<std::string, std::vector<std::uint64_t>> result;
    for (const auto& item : net->named_parameters()) {
      const auto sizes = item.value().sizes();
      result[item.key()].assign(sizes.begin(), sizes.end());
    }
    return result;
  }

  void set(const Params& params) {
    assert(params.size() == schema.parameters());
    const torch::NoGradGuard no_grad;
    const auto flat = torch::from_blob(const_cast<float*>(params.data()),
                                       {static_cast<std::int64_t>(params.size())});
    auto named = net->named_parameters();
    std::int64_t at = 0;
    for (const auto& [name, shape] : schema.tensors) {
      torch::Tensor& tensor = named[name];
      tensor.copy_(flat.narrow(0, at, tensor.numel()).view(tensor.sizes()));
      at += tensor.numel();
    }
  }

  Params get() {
    const torch::NoGradGuard no_grad;
    const auto named = net->named_parameters();
    std::vector<torch::Tensor> flat;
    for (const auto& [name, shape] : schema.tensors) flat.push_back(named[name].flatten());
    const auto all = torch::cat(flat).to(torch::kCPU).contiguous();
    return {all.data_ptr<float>(), all.data_ptr<float>() + all.numel()};
  }

  struct Outcome {
    torch::Tensor losses;  ///< of each example, on the CPU
    std::int64_t correct = 0;
  };

  Outcome judge(Part part) {
    constexpr std::int64_t kAtOnce = 512;  // examples; bounds the memory for activations
    const torch::NoGradGuard no_grad;
    const auto& [images, labels] = parts[static_cast<std::size_t>(part)];
    std::vector<torch::Tensor> losses;
    Outcome outcome;
    for (std::int64_t from = 0; from < images.size(0); from += kAtOnce) {
      const auto count = std::min(kAtOnce, images.size(0) - from);
      const auto wanted = labels.narrow(0, from, count);
      const auto logits = net->forward(images.narrow(0, from, count));
      const auto each = nn::functional::CrossEntropyFuncOptions().reduction(torch::kNone);
      losses.push_back(nn::functional::cross_entropy(logits, wanted, each));
      outcome.correct += logits.argmax(1).eq(wanted).sum().item<std::int64_t>();
    }
    outcome.losses = torch::cat(losses).to(torch::kCPU).contiguous();
    return outcome;
  }

  pipe::Evaluation evaluate(Part part) {
    const Outcome outcome = judge(part);
    const auto count = static_cast<double>(outcome.losses.numel());
    return {.loss = outcome.losses.to(torch::kFloat64).mean().item<double>(),
            .accuracy = static_cast<double>(outcome.correct) / count,
            .examples = static_cast<std::uint64_t>(outcome.losses.numel())};
  }

  /// One pass over the training examples; returns the mean loss on the way.
  double one_epoch(torch::optim::SGD& sgd, data::Random random) {
    const auto& [images, labels] = parts[static_cast<std::size_t>(Part::train)];
    const auto count = static_cast<std::size_t>(images.size(0));
    const auto order = data::sample(count, count, random);
    const std::vector<std::int64_t> indices(order.begin(), order.end());
    double sum = 0;
    for (std::size_t from = 0; from < count; from += task.batch) {
      const auto size = std::min<std::size_t>(task.batch, count - from);
      const auto batch =
          torch::tensor(c10::ArrayRef<std::int64_t>(indices.data() + from, size)).to(device);
      sgd.zero_grad();
      const auto logits = net->forward(images.index_select(0, batch));
      const auto loss = nn::functional::cross_entropy(logits, labels.index_select(0, batch));
      loss.backward();
      sgd.step();
      sum += loss.item<double>() * static_cast<double>(size);
    }
    return sum / static_cast<double>(count);
  }

  model::Task task;
  torch::Device device;
  nn::Sequential net;
  model::Schema schema;
  std::array<Tensors, 4> parts;  // by Part
};

Network::Network(const model::Task& task, const Dataset& dataset, const std::string& device,
                 std::uint64_t threads) {
  impl_ = guarded([&] {
    use_threads(threads);
    return std::make_unique<Impl>(task, dataset, device_called(device));
  });
}
Network::~Network() = default;
Network::Network(Network&&) noexcept = default;
Network& Network::operator=(Network&&) noexcept = default;

const model::Schema& Network::schema() const { return impl_->schema; }

std::uint64_t Network::examples(Part part) const {
  return static_cast<std::uint64_t>(impl_->parts[static_cast<std::size_t>(part)].images.size(0));
}

pipe::Evaluation Network::evaluate(const Params& params, Part part) {
  return guarded([&] {
    impl_->set(params);
    return impl_->evaluate(part);
  });
}

std::vector<float> Network::losses(const Params& params, Part part) {
  return guarded([&] {
    impl_->set(params);
    const torch::Tensor losses = impl_->judge(part).losses;
    return std::vector<float>(losses.data_ptr<float>(), losses.data_ptr<float>() + losses.numel());
  });
}

Network::Training Network::train(const Params& start, const Plan& plan,
                                 const std::function<void(const Epoch&)>& after_each_epoch) {
  assert(plan.epochs > 0);
  return guarded([&] {
    impl_->set(start);
    torch::optim::SGD sgd(impl_->net->parameters(),
                          torch::optim::SGDOptions(impl_->task.learning_rate)
                              .momentum(impl_->task.momentum)
                              .weight_decay(impl_->task.weight_decay));
    Training result;
    for (std::uint64_t number = 1; number <= plan.epochs; ++number) {
      result.last.number = number;
      result.last.train_loss =
          impl_->one_epoch(sgd, data::random_for({plan.seed, plan.round, number}));
      result.last.validation = impl_->evaluate(Part::validation);
      Params params = impl_->get();
      if (!std::isfinite(result.last.validation.loss) || !all_finite(params)) {
        throw WorkerError(FailureKind::config, "training diverged in epoch " +
                                                   std::to_string(number) +
                                                   "; lower the task's learning_rate");
      }
      if (number == 1 || result.last.validation.loss < result.best.validation.loss) {
        result.best = result.last;
        result.params = std::move(params);
      }
      after_each_epoch(result.last);
    }
    return result;
  });
}

}  // namespace kith::worker
