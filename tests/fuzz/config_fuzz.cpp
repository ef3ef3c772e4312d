// A configuration is read or refused with a place; one that was read is written and read the same.
#include "daemon/config.hpp"
#include "daemon/failure.hpp"

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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto once = normalised({reinterpret_cast<const char*>(data), size});
  if (once && normalised(*once)->empty()) std::abort();
  return 0;
}
