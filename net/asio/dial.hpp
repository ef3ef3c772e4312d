#pragma once

#include "net/asio/asio.hpp"

#include <string>
#include <vector>

/// From a member's addresses to a socket.  Threads: the executor's.
namespace kith::net {

using asio::ip::tcp;

/// "192.0.2.7:7700", "[2001:db8::7]:7700"
[[nodiscard]] std::string text(const tcp::endpoint& endpoint);

/// Where "host:port"s lead: IPv6 and IPv4 by turns, each in the order given, so that a family that
/// leads nowhere costs one attempt.  Those that cannot be resolved within limits::kConnect are left
/// out.
awaitable<std::vector<tcp::endpoint>> resolve(asio::any_io_executor executor,
                                              std::vector<std::string> addresses);

/// Connects `socket`, which must outlive this, within limits::kConnect.
awaitable<error_code> connect(tcp::socket& socket, tcp::endpoint endpoint);

}  // namespace kith::net
