#include "net/asio/dial.hpp"

#include "net/endpoint.hpp"
#include "net/limits.hpp"

#include <algorithm>

namespace kith::net {

namespace {

std::vector<tcp::endpoint> by_turns(const std::vector<tcp::endpoint>& endpoints) {
  std::vector<tcp::endpoint> same, other, ordered;
  for (const tcp::endpoint& endpoint : endpoints) {
    const bool like_first = endpoint.protocol() == endpoints.front().protocol();
    (like_first ? same : other).push_back(endpoint);
  }
  for (std::size_t i = 0; i < std::max(same.size(), other.size()); ++i) {
    if (i < same.size()) ordered.push_back(same[i]);
    if (i < other.size()) ordered.push_back(other[i]);
  }
  return ordered;
}

}  // namespace

std::string text(const tcp::endpoint& endpoint) {
  const std::string address = endpoint.address().to_string();
  const std::string host = endpoint.address().is_v6() ? "[" + address + "]" : address;
  return host + ":" + std::to_string(endpoint.port());
}

awaitable<std::vector<tcp::endpoint>> resolve(asio::any_io_executor executor,
                                              std::vector<std::string> addresses) {
  error_code ec;
  std::vector<tcp::endpoint> endpoints;
  for (const std::string& address : addresses) {
    const auto endpoint = parse_endpoint(address);
    if (!endpoint) continue;
    tcp::resolver resolver(executor);
    const Deadline deadline(executor, limits::kConnect, [&] { resolver.cancel(); });
    const auto results = co_await resolver.async_resolve(endpoint->host, endpoint->port,
                                                         asio::redirect_error(use_awaitable, ec));
    if (ec) continue;
    for (const auto& result : results) endpoints.push_back(result.endpoint());
  }
  co_return by_turns(endpoints);
}

awaitable<error_code> connect(tcp::socket& socket, tcp::endpoint endpoint) {
  error_code ec;
  const Deadline deadline(socket.get_executor(), limits::kConnect, [&] {
    error_code ignored;
    socket.close(ignored);
  });
  co_await socket.async_connect(endpoint, asio::redirect_error(use_awaitable, ec));
  if (ec == asio::error::operation_aborted) ec = asio::error::timed_out;
  co_return ec;
}

}  // namespace kith::net
