#pragma once

#include <optional>
#include <string>
#include <vector>

namespace kith::net {

/// Where a node listens or is dialled.
struct Endpoint {
  std::string host, port;  ///< a name or an IP address without brackets; a number up to 65535
};

/// Splits "host:port" or "[v6]:port"; nullopt if it is not of that form.
[[nodiscard]] std::optional<Endpoint> parse_endpoint(const std::string& text);

/// At most limits::kAddresses, each "host:port" in at most limits::kAddress visible ASCII characters.
[[nodiscard]] bool are_addresses(const std::vector<std::string>& addresses);

}  // namespace kith::net
