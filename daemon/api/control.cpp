#include "daemon/api/control.hpp"

#include "daemon/api/events.hpp"
#include "daemon/system/failure.hpp"
#include "model/pipe/fd.hpp"
#include "net/endpoint.hpp"

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <fcntl.h>
#include <future>
#include <list>
#include <optional>
#include <set>
#include <utility>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <system_error>
#include <unistd.h>

namespace kith::daemon {
namespace {

namespace asio = net::asio;
namespace fs = std::filesystem;
namespace http = boost::beast::http;
using asio::use_awaitable;
using net::error_code;
using Protocol = asio::local::stream_protocol;
using Response = http::response<http::string_body>;

/// Where a unix socket is, for bind() and connect().  The kernel takes at most 107 bytes of path; a
/// longer one is named through its open folder.
class Address {
 public:
  explicit Address(const fs::path& socket) {
    std::string path = socket.string();
    if (path.size() >= kMaxPath) {
      folder_ = pipe::Fd(::open(socket.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
      path = "/proc/self/fd/" + std::to_string(folder_.get()) + "/" + socket.filename().string();
    }
    if (path.size() >= kMaxPath) {
      throw Failure(EX_CONFIG, "the name of the socket " + socket.string() +
                                   " is too long; set node.control to a shorter one");
    }
    endpoint_ = Protocol::endpoint(path);
  }

  /// Valid as long as this object.
  [[nodiscard]] const Protocol::endpoint& endpoint() const { return endpoint_; }

 private:
  static constexpr std::size_t kMaxPath = sizeof(sockaddr_un::sun_path);
  pipe::Fd folder_;
  Protocol::endpoint endpoint_;
};

}  // namespace

using Acceptor = asio::basic_socket_acceptor<asio::generic::stream_protocol>;
using Socket = asio::generic::stream_protocol::socket;

struct ControlServer::State {
  State(asio::any_io_executor ex, ControlRoutes r, ControlLimits l, Gate g)
      : executor(ex),
        routes(std::move(r)),
        limits(l),
        gate(std::make_shared<const Gate>(std::move(g))),
        room(ex, net::Instant::max()) {}

  void listen_at(const fs::path& path);
  void listen_at(const asio::ip::tcp::endpoint& endpoint, const Tcp& tcp);
  void start(const std::shared_ptr<State>& self);
  void close();
  static net::awaitable<void> accept_loop(std::shared_ptr<State> self, Acceptor& acceptor);
  static net::awaitable<void> serve(std::shared_ptr<State> self, std::shared_ptr<Socket> client);
  static net::awaitable<void> talk(std::shared_ptr<State> self, std::shared_ptr<Socket> client);
  static net::awaitable<bool> hear(std::shared_ptr<State> self, std::shared_ptr<Socket> client,
                                   HttpExchange& exchange);
  static net::awaitable<bool> send(std::shared_ptr<State> self, std::shared_ptr<Socket> client,
                                   std::string bytes);
  static net::awaitable<void> tell(std::shared_ptr<State> self, std::shared_ptr<Socket> client,
                                   std::string header, EventFeed& feed);

  asio::any_io_executor executor;
  fs::path socket;  // empty: TCP
  ControlRoutes routes;
  ControlLimits limits;
  std::shared_ptr<const Gate> gate;
  std::list<Acceptor> acceptors;
  std::vector<std::string> addresses;
  asio::steady_timer room;  // never expires; cancelled when a client leaves
  std::set<std::shared_ptr<Socket>> clients;
  std::list<std::shared_ptr<Socket>> silent;  // those whose request is awaited, the longest first
  std::set<std::shared_ptr<EventFeed::Listener>> listeners;
  bool closed = false;
};

ControlServer::ControlServer(asio::any_io_executor executor, const fs::path& socket,
                             ControlRoutes routes, ControlLimits limits, Gate gate)
    : state_(std::make_shared<State>(executor, std::move(routes), limits, std::move(gate))) {
  state_->listen_at(socket);
  state_->start(state_);
}

ControlServer::ControlServer(asio::any_io_executor executor, const Tcp& tcp, ControlRoutes routes,
                             ControlLimits limits, Gate gate)
    : state_(std::make_shared<State>(executor, std::move(routes), limits, std::move(gate))) {
  for (const std::string& address : tcp.addresses) {
    const auto endpoint = net::parse_endpoint(address);
    error_code ec = asio::error::invalid_argument;
    asio::ip::address ip;
    if (endpoint) ip = asio::ip::make_address(endpoint->host, ec);
    if (ec) {
      throw Failure(EX_CONFIG, tcp.key + " has \"" + address +
                                   "\", which is no IP address with a port like 127.0.0.1:7780");
    }
    const auto port = static_cast<std::uint16_t>(std::stoul(endpoint->port));
    state_->listen_at(asio::ip::tcp::endpoint(ip, port), tcp);
  }
  state_->start(state_);
}

ControlServer::~ControlServer() { state_->close(); }

std::vector<std::string> ControlServer::addresses() const { return state_->addresses; }

void ControlServer::set_gate(Gate gate) {
  state_->gate = std::make_shared<const Gate>(std::move(gate));
  // Who was let in by the former one asks again.
  error_code ignored;
  for (const auto& listener : state_->listeners) listener->end();
  for (const auto& client : state_->clients) client->close(ignored);
}

namespace {

constexpr auto kLastWords = std::chrono::seconds(1);

std::function<void()> closer(std::shared_ptr<Socket> client) {
  return [client] {
    error_code ignored;
    client->close(ignored);
  };
}

/// Removes the socket that a killed node left behind; throws if a living one answers there.
void remove_stale(const fs::path& socket, const Address& address) {
  std::error_code ignored;
  const fs::file_type type = fs::symlink_status(socket, ignored).type();
  if (type == fs::file_type::not_found) return;
  if (type != fs::file_type::socket) {
    throw Failure(EX_CANTCREAT, socket.string() +
                                    " is in the way of the control socket; move it, or set "
                                    "node.control to another path");
  }
  asio::io_context io;
  Protocol::socket probe(io);
  error_code ec;
  probe.connect(address.endpoint(), ec);
  if (!ec) {
    throw Failure(EX_TEMPFAIL, "another kith answers at " + socket.string() + "; stop it first");
  }
  if (ec == asio::error::connection_refused) fs::remove(socket, ignored);
}

/// True for a client of our user, or root.
bool is_trusted(Socket& client) {
  ucred who{};
  socklen_t size = sizeof who;
  if (::getsockopt(client.native_handle(), SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) return false;
  return who.uid == ::geteuid() || who.uid == 0;
}

}  // namespace

void ControlServer::State::listen_at(const fs::path& path) {
  socket = path;
  const Address address(path);
  remove_stale(path, address);
  try {
    Acceptor& acceptor = acceptors.emplace_back(executor);
    acceptor.open({AF_UNIX, 0});
    // The new file's mode is the socket's own: never open to others, not even for a moment.
    ::fchmod(acceptor.native_handle(), 0600);
    acceptor.bind(address.endpoint());
    acceptor.listen();
  } catch (const boost::system::system_error& error) {
    throw Failure(EX_CANTCREAT, "cannot create " + path.string() + ": " + error.code().message() +
                                    "; set node.control to a path where it can be");
  }
}

void ControlServer::State::listen_at(const asio::ip::tcp::endpoint& endpoint, const Tcp& tcp) {
  const auto text = [](const asio::ip::tcp::endpoint& where) {
    const std::string ip = where.address().to_string();
    return (where.address().is_v6() ? "[" + ip + "]" : ip) + ":" + std::to_string(where.port());
  };
  try {
    Acceptor& acceptor = acceptors.emplace_back(executor);
    acceptor.open(endpoint.protocol());
    acceptor.set_option(asio::socket_base::reuse_address(true));
    acceptor.bind(endpoint);
    acceptor.listen();
    asio::ip::tcp::endpoint bound;
    bound.resize(acceptor.local_endpoint().size());
    std::memcpy(bound.data(), acceptor.local_endpoint().data(), bound.size());
    addresses.push_back(text(bound));
  } catch (const boost::system::system_error& error) {
    throw Failure(EX_UNAVAILABLE, "cannot listen at " + text(endpoint) + ": " +
                                      error.code().message() + "; change " + tcp.key);
  }
}

void ControlServer::State::start(const std::shared_ptr<State>& self) {
  for (Acceptor& acceptor : acceptors) {
    asio::co_spawn(executor, accept_loop(self, acceptor), asio::detached);
  }
}

void ControlServer::State::close() {
  error_code ignored;
  closed = true;
  for (Acceptor& acceptor : acceptors) acceptor.close(ignored);
  room.cancel();
  for (const auto& listener : listeners) listener->end();
  for (const auto& client : clients) client->close(ignored);
  std::error_code also_ignored;
  if (!socket.empty()) fs::remove(socket, also_ignored);
}

net::awaitable<void> ControlServer::State::accept_loop(std::shared_ptr<State> self,
                                                       Acceptor& acceptor) {
  error_code ec;
  while (!self->closed) {
    if (self->clients.size() >= self->limits.connections) {
      // Who says nothing must not keep out who would.
      if (!self->silent.empty()) self->silent.front()->close(ec);
      co_await self->room.async_wait(asio::redirect_error(use_awaitable, ec));
      continue;
    }
    const auto client = std::make_shared<Socket>(self->executor);
    co_await acceptor.async_accept(*client, asio::redirect_error(use_awaitable, ec));
    if (ec) {  // closed, or out of descriptors: let some time pass
      asio::steady_timer pause(self->executor, std::chrono::milliseconds(100));
      if (!self->closed) co_await pause.async_wait(asio::redirect_error(use_awaitable, ec));
      continue;
    }
    if (!self->socket.empty() && !is_trusted(*client)) continue;
    self->clients.insert(client);
    asio::co_spawn(self->executor, serve(self, client), asio::detached);
  }
}

net::awaitable<void> ControlServer::State::serve(std::shared_ptr<State> self,
                                                 std::shared_ptr<Socket> client) {
  co_await talk(self, client);
  error_code ignored;
  client->close(ignored);
  self->clients.erase(client);
  self->room.cancel();
}

net::awaitable<void> ControlServer::State::talk(std::shared_ptr<State> self,
                                                std::shared_ptr<Socket> client) {
  const std::shared_ptr<const Gate> gate = self->gate;
  HttpExchange exchange(self->routes, self->limits, *gate);
  for (;;) {
    const bool complete = co_await hear(self, client, exchange);
    if (!complete) co_return;
    const HttpExchange::Answer answer = co_await exchange.answer();
    if (answer.events != nullptr) {
      co_await tell(self, client, answer.bytes, *answer.events);
      co_return;
    }
    const bool sent = co_await send(self, client, answer.bytes);
    if (!sent) co_return;
    if (!answer.keep_alive) break;
  }
  // What it still sends of a request that was refused is taken, or it would not hear why.
  error_code ec;
  client->shutdown(asio::socket_base::shutdown_send, ec);
  const net::Deadline deadline(self->executor, kLastWords, closer(client));
  std::array<char, 4096> buffer{};
  while (!ec) {
    co_await client->async_read_some(asio::buffer(buffer), asio::redirect_error(use_awaitable, ec));
  }
}

/// Until a request is there; false if it does not come in time, or the client has gone.
net::awaitable<bool> ControlServer::State::hear(std::shared_ptr<State> self,
                                                std::shared_ptr<Socket> client,
                                                HttpExchange& exchange) {
  const net::Deadline deadline(self->executor, self->limits.request, closer(client));
  const auto place = self->silent.insert(self->silent.end(), client);
  std::array<char, 4096> buffer{};
  error_code ec;
  bool complete = exchange.receive("");
  while (!ec && !complete) {
    const std::size_t size = co_await client->async_read_some(
        asio::buffer(buffer), asio::redirect_error(use_awaitable, ec));
    if (!ec) complete = exchange.receive({buffer.data(), size});
  }
  self->silent.erase(place);
  co_return complete;
}

/// False if it did not take all in time.
net::awaitable<bool> ControlServer::State::send(std::shared_ptr<State> self,
                                                std::shared_ptr<Socket> client,
                                                std::string bytes) {
  const net::Deadline deadline(self->executor, self->limits.request, closer(client));
  error_code ec;
  const auto all = asio::buffer(bytes);
  co_await asio::async_write(*client, all, asio::redirect_error(use_awaitable, ec));
  co_return !ec;
}

net::awaitable<void> ControlServer::State::tell(std::shared_ptr<State> self,
                                                std::shared_ptr<Socket> client,
                                                std::string header, EventFeed& feed) {
  if (self->listeners.size() >= self->limits.listeners) {
    std::string full = refusal_503("too many pages listen to events here already; close one");
    co_await send(self, client, std::move(full));
    co_return;
  }
  const auto listener = feed.listen();
  self->listeners.insert(listener);
  // It has nothing more to say: what comes is its end.
  const auto none = std::make_shared<char>();
  client->async_read_some(asio::buffer(none.get(), 1),
                          [listener, none](error_code, std::size_t) { listener->end(); });
  std::optional<std::string> next = std::move(header);
  while (next) {
    const bool sent = co_await send(self, client, std::move(*next));
    if (!sent) break;
    next = co_await listener->next(self->limits.silence);
  }
  self->listeners.erase(listener);
}

namespace {

using Request = http::request<http::string_body>;

net::awaitable<Response> exchange(Protocol::endpoint endpoint, Request request) {
  const auto executor = co_await asio::this_coro::executor;
  Protocol::socket socket(executor);
  co_await socket.async_connect(endpoint, use_awaitable);
  error_code refused_early;  // then the reason is in the response
  co_await http::async_write(socket, request, asio::redirect_error(use_awaitable, refused_early));
  boost::beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(64U << 20);
  co_await http::async_read(socket, buffer, parser, use_awaitable);
  co_return parser.release();
}

[[noreturn]] void unreachable(const fs::path& socket, error_code ec) {
  if (ec == asio::error::access_denied) {
    throw Failure(EX_NOPERM, "the node at " + socket.string() +
                                 " belongs to another user; run this command as that user");
  }
  if (ec == http::error::end_of_stream || ec == http::error::partial_message ||
      ec == asio::error::connection_reset) {
    throw Failure(EX_UNAVAILABLE, "the node at " + socket.string() +
                                      " hung up; look at its log, it may be stopping");
  }
  throw NoNodeRuns(EX_UNAVAILABLE,
                   "no kith is running here: " + socket.string() + ": " + ec.message() +
                       "; start it with kith run --dir " +
                       fs::absolute(socket).parent_path().string());
}

Request request_for(std::string_view method, std::string_view target,
                    const nlohmann::json& body) {
  Request request;
  request.version(11);
  request.method_string({method.data(), method.size()});
  request.target({target.data(), target.size()});
  request.set(http::field::host, "localhost");
  request.keep_alive(false);
  if (!body.is_null()) request.body() = body.dump();
  request.prepare_payload();
  return request;
}

nlohmann::json answer_in(const Response& response) {
  auto answer = nlohmann::json::parse(response.body(), nullptr, false);
  if (response.result() == http::status::ok && !answer.is_discarded()) return answer;
  if (!answer.is_object()) answer = nlohmann::json::object();
  throw Failure(answer.value("code", EX_SOFTWARE),
                answer.value("error",
                             "the node's answer is not what this kith expects; "
                             "use the same version for both"));
}

}  // namespace

nlohmann::json control_request(const fs::path& socket, std::string_view method,
                               std::string_view target, const nlohmann::json& body,
                               std::chrono::milliseconds timeout) {
  const Address address(socket);
  asio::io_context io;
  auto pending =
      asio::co_spawn(io, exchange(address.endpoint(), request_for(method, target, body)),
                     asio::use_future);
  io.run_for(timeout);
  if (pending.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
    throw Failure(EX_UNAVAILABLE, "the node at " + socket.string() +
                                      " does not answer; if it stays so, look at its log");
  }
  try {
    return answer_in(pending.get());
  } catch (const boost::system::system_error& error) {
    unreachable(socket, error.code());
  }
}

// --- Events --------------------------------------------------------------------------------------

struct ControlEvents::State {
  asio::io_context io{};
  Protocol::socket socket{io};
  std::array<char, 4096> buffer{};
  std::size_t lines = 0;  // of events, not of the header nor the comments that keep the line open
  char last = '\n';
  bool in_body = false, connected = true;
  std::string head{};

  void listen() {
    socket.async_read_some(asio::buffer(buffer), [this](error_code ec, std::size_t size) {
      connected = !ec;
      if (ec) return;
      take({buffer.data(), size});
      if (connected) listen();
    });
  }
  void take(std::string_view text) {
    constexpr std::size_t kMostHead = 16 << 10;
    if (!in_body) {
      head += text;
      const std::size_t end = head.find("\r\n\r\n");
      if (end == std::string::npos) {
        if (head.size() > kMostHead) connected = false;
        return;
      }
      in_body = true;
      if (!head.starts_with("HTTP/1.1 200 ")) {  // there may be too many who listen
        connected = false;
        return;
      }
      const std::string rest = head.substr(end + 4);
      return take(rest);
    }
    for (const char c : text) {
      if (last == '\n' && c != ':' && c != '\n') ++lines;
      last = c;
    }
  }
};

ControlEvents::ControlEvents(const fs::path& socket) : state_(std::make_unique<State>()) {
  const Address address(socket);
  error_code ec;
  state_->socket.connect(address.endpoint(), ec);
  if (!ec) http::write(state_->socket, request_for("GET", "/v1/events", nullptr), ec);
  if (ec) unreachable(socket, ec);
  state_->listen();
}

ControlEvents::~ControlEvents() = default;

bool ControlEvents::wait(std::chrono::milliseconds most) {
  const auto end = std::chrono::steady_clock::now() + most;
  state_->lines = 0;
  state_->io.restart();
  while (state_->lines == 0 && std::chrono::steady_clock::now() < end) {
    if (!state_->connected) return false;
    state_->io.run_one_until(end);
  }
  return state_->lines > 0;
}

bool ControlEvents::connected() const { return state_->connected; }

}  // namespace kith::daemon
