// A configuration is read or refused with a place; one that was read is written and read the same.
#include "daemon/config/config.hpp"
#include "daemon/system/failure.hpp"

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

namespace {

using namespace kith::daemon;

std::optional<std::string> normalised(std::string_view text) {
  try {
    return to_toml(parse_config(text, "fuzz/kith.toml"));
  } catch (const Failure& failure) {
    if (!std::string_view(failure.what()).starts_with("fuzz/kith.toml:")) std::abort();
    return std::nullopt;
  }
}

/// What an inviter hands over.
void hand_over(std::string_view text) {
  try {
    const auto task = parse_task(text, "task");
    const std::string written = task_toml(task);
    if (task_toml(parse_task(written, "task")) != written) std::abort();
  } catch (const Failure& failure) {
    if (!std::string_view(failure.what()).starts_with("task:")) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  hand_over(text);
  const auto once = normalised(text);
  if (once && normalised(*once)->empty()) std::abort();
  return 0;
}
