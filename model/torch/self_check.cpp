#include "model/torch/self_check.hpp"

#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <dlfcn.h>
#include <nlohmann/json.hpp>

namespace kith::worker {
namespace {

/// Which one is there is settled when the program starts, by the system's alternatives.
std::string linear_algebra_library() {
  if (void* const config = dlsym(RTLD_DEFAULT, "openblas_get_config")) {
    return reinterpret_cast<const char* (*)()>(config)();
  }
  if (dlsym(RTLD_DEFAULT, "mkl_get_version_string") != nullptr) return "MKL";
  if (dlsym(RTLD_DEFAULT, "bli_info_get_version_str") != nullptr) return "BLIS";
  return "a plain BLAS";
}

}  // namespace

std::string self_check() {
  using Clock = std::chrono::steady_clock;
  constexpr std::int64_t kSide = 384;
  constexpr auto kLong = std::chrono::milliseconds(100);
  at::set_num_threads(1);
  // OpenBLAS built on plain threads has a pool of its own.
  if (void* const set = dlsym(RTLD_DEFAULT, "openblas_set_num_threads")) {
    reinterpret_cast<void (*)(int)>(set)(1);
  }
  const torch::NoGradGuard no_gradients;
  const auto one = torch::rand({kSide, kSide}), other = torch::rand({kSide, kSide});
  auto product = torch::mm(one, other);  // what is done once only
  std::int64_t times = 0;
  const auto begin = Clock::now();
  const std::clock_t worked =
      std::clock();  // what others do meanwhile on this machine does not count
  do {
    torch::mm_out(product, one, other);
    ++times;
  } while (Clock::now() - begin < kLong);
  const double seconds =
      static_cast<double>(std::max<std::clock_t>(std::clock() - worked, 1)) / CLOCKS_PER_SEC;
  const double operations = 2.0 * kSide * kSide * kSide * static_cast<double>(times);
  return nlohmann::json{{"library", linear_algebra_library()},
                        {"operations_per_second", operations / seconds}}
      .dump();
}

}  // namespace kith::worker
