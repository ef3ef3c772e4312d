#pragma once

#include "net/asio/asio.hpp"
#include "net/endpoint.hpp"

#include <atomic>
#include <optional>
#include <string>
#include <vector>

/// From a member's addresses to a socket.  Threads: the executor's.
namespace kith::net {

using asio::ip::tcp;

/// "192.0.2.7:7700", "[2001:db8::7]:7700"
[[nodiscard]] std::string text(const tcp::endpoint& endpoint);

/// Where a "host:port" leads if its host is an IP address; nullopt if it is a name.
[[nodiscard]] std::optional<tcp::endpoint> numeric(const std::string& address);

/// Where "host:port"s lead: IPv6 and IPv4 by turns, each in the order given, so that a family that
/// leads nowhere costs one attempt.  Those that cannot be resolved within limits::kConnect are left
/// out.
///
/// An IP address needs no resolver.  A name is looked up on a thread of its own, which nobody waits
/// for: a dead DNS server holds up only those names, and neither other peers nor the end of the
/// process.  While limits::kLookups hang, further names are left out at once.
awaitable<std::vector<tcp::endpoint>> resolve(asio::any_io_executor executor,
                                              std::vector<std::string> addresses);

namespace detail {
/// How a name is looked up: by getaddrinfo(3), unless a test has it otherwise.
using AskSystem = std::vector<tcp::endpoint> (*)(const Endpoint&);
extern std::atomic<AskSystem> ask_system;
}  // namespace detail

/// Whether a card may make us dial it: not what is never another machine's (multicast, link-local,
/// unspecified addresses), and this machine itself only if `loopback`.
[[nodiscard]] bool may_dial(const tcp::endpoint& endpoint, bool loopback);

/// Connects `socket`, which must outlive this, within limits::kConnect.
awaitable<error_code> connect(tcp::socket& socket, tcp::endpoint endpoint);

}  // namespace kith::net
