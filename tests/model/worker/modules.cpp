#include "tests/model/worker/modules.hpp"

#include <torch/script.h>

#include <memory>

namespace kith::test {
namespace {

constexpr std::int64_t kHidden = 8;

}  // namespace

void Modules::save(const std::filesystem::path& file) const {
  torch::manual_seed(seed);
  const auto units = std::make_shared<torch::jit::CompilationUnit>();
  const auto module = [&](const char* name) {
    torch::jit::Module made(c10::QualifiedName(name), units);
    made.register_attribute("training", c10::BoolType::get(), true);
    return made;
  };
  const auto add = [&](torch::jit::Module& to, const char* name, const torch::Tensor& value) {
    to.register_parameter(name, half ? value.to(torch::kHalf) : value, false);
  };
  torch::jit::Module backbone = module("Backbone"), norm = module("Norm"), head = module("Head");
  add(backbone, "weight", torch::randn({kHidden, inputs}) * 0.5);
  add(backbone, "bias", torch::zeros(kHidden));
  add(norm, "weight", torch::ones(kHidden));
  add(norm, "bias", torch::zeros(kHidden));
  norm.register_buffer("running_mean", torch::zeros(kHidden));
  norm.register_buffer("running_var", torch::ones(kHidden));
  norm.register_buffer("num_batches_tracked", torch::zeros({}, torch::kInt64));
  add(head, "weight", torch::randn({2, kHidden}) * 0.1);
  add(head, "bias", torch::zeros(2));
  torch::jit::Module net = module("Net");
  net.register_module("backbone", backbone);
  net.register_module("norm", norm);
  net.register_module("head", head);
  net.define("def forward(self, x):\n" + forward);
  net.save(file.string());
}

}  // namespace kith::test
