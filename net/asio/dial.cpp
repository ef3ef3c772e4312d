#include "net/asio/dial.hpp"

#include "net/endpoint.hpp"
#include "net/limits.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>

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

/// What a thread that looks a name up and whoever waits for it have in common.  It may outlive
/// everybody else, so it knows no executor.
struct Lookup {
  explicit Lookup(Endpoint what) : endpoint(std::move(what)), done(::eventfd(0, EFD_CLOEXEC)) {}
  ~Lookup() {
    if (done >= 0) ::close(done);
  }
  Lookup(const Lookup&) = delete;
  Lookup& operator=(const Lookup&) = delete;

  const Endpoint endpoint;
  const int done;  // becomes readable
  std::mutex mutex;
  std::vector<tcp::endpoint> found;  // under the mutex
};

std::atomic<std::size_t> lookups = 0;  // under way, of the whole process

std::vector<tcp::endpoint> ask_system_now(const Endpoint& endpoint) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  std::vector<tcp::endpoint> found;
  if (::getaddrinfo(endpoint.host.c_str(), endpoint.port.c_str(), &hints, &list) != 0) return found;
  for (const addrinfo* each = list; each != nullptr; each = each->ai_next) {
    tcp::endpoint& made = found.emplace_back();
    if (each->ai_addrlen > made.capacity()) {
      found.pop_back();
      continue;
    }
    std::memcpy(made.data(), each->ai_addr, each->ai_addrlen);
    made.resize(each->ai_addrlen);
  }
  ::freeaddrinfo(list);
  return found;
}

void look_up(const std::shared_ptr<Lookup>& lookup) {
  auto found = detail::ask_system.load()(lookup->endpoint);
  {
    const std::lock_guard lock(lookup->mutex);
    lookup->found = std::move(found);
  }
  ::eventfd_write(lookup->done, 1);
  --lookups;
}

/// False if too many hang already, or there can be no further thread.
bool start(const std::shared_ptr<Lookup>& lookup) {
  if (lookup->done < 0) return false;
  if (++lookups > limits::kLookups) {
    --lookups;
    return false;
  }
  try {
    std::thread(look_up, lookup).detach();
    return true;
  } catch (const std::system_error&) {
    --lookups;
    return false;
  }
}

awaitable<std::vector<tcp::endpoint>> resolve_name(asio::any_io_executor executor,
                                                   Endpoint endpoint) {
  const auto lookup = std::make_shared<Lookup>(std::move(endpoint));
  if (!start(lookup)) co_return std::vector<tcp::endpoint>();
  error_code ec;
  asio::posix::stream_descriptor done(executor, ::dup(lookup->done));
  const Deadline deadline(executor, limits::kConnect, [&] { done.close(ec); });
  co_await done.async_wait(asio::posix::stream_descriptor::wait_read,
                           asio::redirect_error(use_awaitable, ec));
  const std::lock_guard lock(lookup->mutex);
  co_return lookup->found;
}

}  // namespace

std::atomic<detail::AskSystem> detail::ask_system = ask_system_now;

std::string text(const tcp::endpoint& endpoint) {
  const std::string address = endpoint.address().to_string();
  const std::string host = endpoint.address().is_v6() ? "[" + address + "]" : address;
  return host + ":" + std::to_string(endpoint.port());
}

std::optional<tcp::endpoint> numeric(const std::string& address) {
  const auto endpoint = parse_endpoint(address);
  if (!endpoint) return std::nullopt;
  error_code ec;
  const auto host = asio::ip::make_address(endpoint->host, ec);
  if (ec) return std::nullopt;
  return tcp::endpoint(host, static_cast<std::uint16_t>(std::stoul(endpoint->port)));
}

awaitable<std::vector<tcp::endpoint>> resolve(asio::any_io_executor executor,
                                              std::vector<std::string> addresses) {
  std::vector<tcp::endpoint> endpoints;
  for (const std::string& address : addresses) {
    if (const auto known = numeric(address)) {
      endpoints.push_back(*known);
      continue;
    }
    auto endpoint = parse_endpoint(address);
    if (!endpoint) continue;
    const auto found = co_await resolve_name(executor, *std::move(endpoint));
    endpoints.insert(endpoints.end(), found.begin(), found.end());
  }
  co_return by_turns(endpoints);
}

bool may_dial(const tcp::endpoint& endpoint, bool loopback) {
  auto address = endpoint.address();
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
  }
  if (endpoint.port() == 0 || address.is_multicast() || address.is_unspecified()) return false;
  if (address.is_loopback()) return loopback;
  if (address.is_v6()) return !address.to_v6().is_link_local();
  const auto bytes = address.to_v4().to_bytes();
  const bool link_local = bytes[0] == 169 && bytes[1] == 254;
  return bytes[0] != 0 && bytes[0] < 240 && !link_local;
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
