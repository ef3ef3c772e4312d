#include "model/torch/error.hpp"
#include "model/torch/module.hpp"

#include <boost/algorithm/string/trim.hpp>
#include <torch/script.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>
#include <string>

namespace kith::worker {
namespace {

namespace fs = std::filesystem;
using pipe::FailureKind;

[[noreturn]] void unusable(const fs::path& file, const std::string& why) {
  throw WorkerError(FailureKind::config, file.string() + " " + why);
}

/// The first line of LibTorch's words, without where in its source they were said.
std::string words_of(const std::string& what) {
  std::string line = what.substr(0, what.find('\n'));
  return line.substr(0, std::min<std::size_t>(line.size(), 300));
}

torch::jit::Module loaded(const fs::path& file, torch::Device device) {
  if (!std::ifstream(file, std::ios::binary)) {
    throw WorkerError(
        errno == EACCES || errno == EPERM ? FailureKind::permission : FailureKind::config,
        file.string() + ": " + std::strerror(errno) +
            "; task.script names the model's file, which every node has on its own disk");
  }
  try {
    return torch::jit::load(file.string(), device);
  } catch (const c10::Error& error) {
    const std::string what = error.what_without_backtrace();
    if (what.find("supported version") != std::string::npos) {
      unusable(file, "was written by a newer LibTorch than this one, " TORCH_VERSION
                     "; save it with that version, or update: " +
                         words_of(what));
    }
    unusable(file,
             "is no TorchScript module, as torch.jit.script(model).save() writes it (a state dict "
             "or a pickled model is none): " +
                 words_of(what));
  } catch (const std::exception& error) {
    unusable(file,
             std::string("cannot be read as a TorchScript module: ") + words_of(error.what()));
  }
}

class Script : public Module {
 public:
  Script(const fs::path& file, torch::Device device) : module_(loaded(file, device)) {
    // Its optimiser compiles kernels while it runs, for which it would open files.
    torch::jit::setGraphExecutorOptimize(false);
    const auto method = module_.find_method("forward");
    if (!method) unusable(file, "has no method forward");
    std::size_t inputs = 0;
    for (const auto& argument : method->function().getSchema().arguments()) {
      inputs += !argument.default_value().has_value();
    }
    if (inputs != 2) {  // itself, and one more
      unusable(file, "has a forward() of " + std::to_string(inputs - 1) +
                         " inputs, and gets one: the batch; wrap it in a module that takes one");
    }
    std::set<c10::TensorImpl*> seen;
    const auto add = [&](const std::string& name, const torch::Tensor& tensor, bool parameter) {
      if (!seen.insert(tensor.unsafeGetTensorImpl()).second) return;  // tied: it is there already
      if (tensor.is_complex() || tensor.is_quantized()) {
        unusable(file, "has the tensor " + name + " of " + std::string(tensor.dtype().name()) +
                           ", which cannot be averaged");
      }
      if (!tensor.is_floating_point()) {
        if (parameter) unusable(file, "has the parameter " + name + " of whole numbers");
        return;  // a counter: it stays in the module
      }
      if (parameter && tensor.scalar_type() != torch::kFloat32) {
        unusable(file, "has the parameter " + name + " in " + std::string(tensor.dtype().name()) +
                           "; save the module with float32 parameters: model.float()");
      }
      if (tensor.numel() == 0) return;
      named_.push_back({name, tensor, parameter});
    };
    for (const auto& each : module_.named_parameters()) add(each.name, each.value, true);
    for (const auto& each : module_.named_buffers()) add(each.name, each.value, false);
    if (std::ranges::none_of(named_, &Named::parameter))
      unusable(file, "has no parameters to train");
    for (Named& each : named_) {
      if (each.parameter) each.tensor.set_requires_grad(true);
    }
    std::ranges::sort(named_, {}, &Named::name);
  }

  torch::Tensor forward(const torch::Tensor& inputs) override {
    const auto answer = run(inputs);
    if (answer.isTensor()) return answer.toTensor();
    if (answer.isTuple()) {  // what else it answers with is for others
      const auto tuple = answer.toTuple();
      if (!tuple->elements().empty() && tuple->elements()[0].isTensor()) {
        return tuple->elements()[0].toTensor();
      }
    }
    throw WorkerError(FailureKind::config,
                      "the model answers with " + answer.tagKind() +
                          ", not with a tensor; wrap it in a module that does");
  }

  std::vector<Named> tensors() override { return named_; }
  void train(bool on) override { module_.train(on); }

 private:
  torch::IValue run(const torch::Tensor& inputs) {
    try {
      return module_.forward({inputs});
    } catch (const std::exception& error) {
      // A traceback in its own language; the last line says what was wrong.
      const std::string what = boost::algorithm::trim_copy(std::string(error.what()));
      throw WorkerError(FailureKind::config, "the model fails on a batch of " +
                                                 c10::str(inputs.sizes()) + ": " +
                                                 words_of(what.substr(what.rfind('\n') + 1)));
    }
  }

  torch::jit::Module module_;
  std::vector<Named> named_;
};

}  // namespace

std::unique_ptr<Module> load_script(const fs::path& file, torch::Device device) {
  return std::make_unique<Script>(file, device);
}

}  // namespace kith::worker
