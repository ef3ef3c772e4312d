#include "daemon/api/ask_node.hpp"

#include "daemon/api/control.hpp"
#include "daemon/system/failure.hpp"
#include "daemon/state/store.hpp"

#include <chrono>
#include <thread>

namespace kith::daemon {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 10s;
constexpr auto kPause = 200ms;

/// Between two lives of a node nobody holds its lock, for a moment.
bool is_running(const std::filesystem::path& state) {
  if (is_in_use(state)) return true;
  std::this_thread::sleep_for(kPause);
  return is_in_use(state);
}

}  // namespace

nlohmann::json ask_node(const Config& config, std::string_view method, std::string_view target,
                        const nlohmann::json& body) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  for (;;) {
    try {
      return control_request(config.node.control, method, target, body);
    } catch (const Failure& failure) {
      if (failure.code() != EX_UNAVAILABLE || !is_running(config.node.state)) throw;
    }
    if (std::chrono::steady_clock::now() > end) {
      throw Failure(EX_UNAVAILABLE,
                    "a kith runs here, but does not answer yet: it does once its worker has read "
                    "the data; look at its log");
    }
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace kith::daemon
