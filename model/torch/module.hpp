#pragma once

#include "model/task.hpp"

#include <torch/types.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace kith::worker {

/// A network as LibTorch computes it: of the zoo, or the operator's own.
class Module {
 public:
  struct Named {
    std::string name;
    torch::Tensor tensor;   ///< of floating-point numbers; set in place
    bool parameter = true;  ///< false: a buffer
  };
  virtual ~Module() = default;
  /// The outputs for a batch: for each example, or for each word of each, one a class.
  virtual torch::Tensor forward(const torch::Tensor& inputs) = 0;
  /// Each tensor once, sorted by name.
  [[nodiscard]] virtual std::vector<Named> tensors() = 0;
  /// Whether it is trained at present, for what acts otherwise then, as dropout does.
  virtual void train(bool on) = 0;
};

/// The network that the task declares, on the device.  Throws c10::Error, or WorkerError if the
/// operator's own cannot be used.
[[nodiscard]] std::unique_ptr<Module> build_module(const model::Task& task, torch::Device device);

/// The operator's own, from a file that torch.jit.save() wrote.  Throws WorkerError with what is
/// wrong with it.
[[nodiscard]] std::unique_ptr<Module> load_script(const std::filesystem::path& file,
                                                  torch::Device device);

}  // namespace kith::worker
