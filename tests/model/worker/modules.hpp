#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace kith::test {

/// TorchScript modules as their owners would save them.
struct Modules {
  /// backbone.{weight,bias}, norm.{weight,bias,running_mean,running_var}, head.{weight,bias}.
  std::string forward;  ///< the body of forward(self, x), in TorchScript
  std::int64_t inputs = 4;
  std::uint64_t seed = 1;  ///< of the weights
  bool half = false;       ///< parameters in half precision

  void save(const std::filesystem::path& file) const;
};

/// Linear, batch normalisation, ReLU, dropout, linear: two classes.
inline const std::string kSound =
    "    h = torch.linear(x, self.backbone.weight, self.backbone.bias)\n"
    "    h = torch.batch_norm(h, self.norm.weight, self.norm.bias, self.norm.running_mean, "
    "self.norm.running_var, self.training, 0.1, 1e-5, False)\n"
    "    h = torch.dropout(torch.relu(h), 0.2, self.training)\n"
    "    return torch.linear(h, self.head.weight, self.head.bias)\n";

}  // namespace kith::test
