#include "net/endpoint.hpp"

#include "net/limits.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace kith::net {

std::optional<Endpoint> parse_endpoint(const std::string& address) {
  const auto colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0) return std::nullopt;
  Endpoint endpoint{address.substr(0, colon), address.substr(colon + 1)};
  if (endpoint.host.front() == '[' && endpoint.host.back() == ']' && endpoint.host.size() > 2) {
    endpoint.host = endpoint.host.substr(1, endpoint.host.size() - 2);
  } else if (endpoint.host.find_first_of("[]:") != std::string::npos) {
    return std::nullopt;
  }
  std::uint16_t port = 0;
  const char* end = endpoint.port.data() + endpoint.port.size();
  const auto parsed = std::from_chars(endpoint.port.data(), end, port);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return endpoint;
}

bool are_addresses(const std::vector<std::string>& addresses) {
  return addresses.size() <= limits::kAddresses &&
         std::ranges::all_of(addresses, [](const std::string& text) {
           const auto visible = [](char c) { return c > 0x20 && c < 0x7f; };
           return text.size() <= limits::kAddress && std::ranges::all_of(text, visible) &&
                  parse_endpoint(text).has_value();
         });
}

}  // namespace kith::net
