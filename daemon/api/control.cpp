#include "daemon/api/control.hpp"

#include "daemon/system/failure.hpp"
#include "model/pipe/fd.hpp"

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <array>
#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <future>
#include <set>
#include <sstream>
#include <utility>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
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

Response json_response(http::status status, const nlohmann::json& body) {
  Response response(status, 11);
  response.set(http::field::content_type, "application/json");
  response.set(http::field::cache_control, "no-store");
  response.keep_alive(false);
  response.body() = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  response.prepare_payload();
  return response;
}

Response error_response(http::status status, int code, std::string_view sentence) {
  return json_response(status, {{"error", sentence}, {"code", code}});
}

http::status status_for(int code) {
  switch (code) {
    case EX_USAGE:
    case EX_DATAERR:
      return http::status::bad_request;
    case EX_NOINPUT:
      return http::status::not_found;
    case EX_NOPERM:
      return http::status::forbidden;
    case EX_UNAVAILABLE:
    case EX_TEMPFAIL:
      return http::status::service_unavailable;
    default:
      return http::status::internal_server_error;
  }
}

http::status status_for(ControlRoutes::NotFound::Kind kind) {
  switch (kind) {
    case ControlRoutes::NotFound::Kind::path:
      return http::status::not_found;
    case ControlRoutes::NotFound::Kind::method:
      return http::status::method_not_allowed;
    case ControlRoutes::NotFound::Kind::query:
      break;
  }
  return http::status::bad_request;
}

Response refusal(error_code ec) {
  if (ec == http::error::body_limit) {
    return error_response(http::status::payload_too_large, EX_USAGE, "the body is too large");
  }
  if (ec == http::error::header_limit) {
    return error_response(http::status::request_header_fields_too_large, EX_USAGE,
                          "the header is too large");
  }
  return error_response(http::status::bad_request, EX_USAGE, "not HTTP: " + ec.message());
}

std::string to_text(const Response& response) {
  std::ostringstream out;
  out << response;
  return std::move(out).str();
}

/// Undoes %XX and '+'; nullopt if a '%' is not followed by two hexadecimal digits.
std::optional<std::string> url_decode(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i] == '+' ? ' ' : text[i];
      continue;
    }
    const std::string_view digits = text.substr(i + 1, 2);
    unsigned char byte = 0;
    const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
    if (digits.size() != 2 || ec != std::errc() || end != digits.data() + 2) return std::nullopt;
    decoded += static_cast<char>(byte);
    i += 2;
  }
  return decoded;
}

std::optional<std::map<std::string, std::string>> parse_query(std::string_view text) {
  std::map<std::string, std::string> query;
  while (!text.empty()) {
    const std::string_view item = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(item.size() + 1, text.size()));
    const std::size_t equals = std::min(item.find('='), item.size());
    const auto key = url_decode(item.substr(0, equals));
    const auto value = url_decode(item.substr(std::min(equals + 1, item.size())));
    if (!key || !value) return std::nullopt;
    query.insert_or_assign(*key, *value);
  }
  return query;
}

/// `handler` must outlive it.
net::awaitable<Response> call(const SlowControlHandler& handler, ControlRequest request) {
  try {
    nlohmann::json answer = co_await handler(std::move(request));
    co_return json_response(http::status::ok, answer);
  } catch (const Failure& failure) {
    co_return error_response(status_for(failure.code()), failure.code(), failure.what());
  } catch (const std::exception& error) {
    co_return error_response(http::status::internal_server_error, EX_SOFTWARE, error.what());
  }
}

}  // namespace

void ControlRoutes::add(std::string_view method, std::string_view path, ControlHandler handler) {
  add_slow(method, path,
           [handler = std::move(handler)](ControlRequest request)
               -> net::awaitable<nlohmann::json> { co_return handler(request); });
}

void ControlRoutes::add_slow(std::string_view method, std::string_view path,
                             SlowControlHandler handler) {
  by_path_[std::string(path)][std::string(method)] = std::move(handler);
}

std::variant<ControlRoutes::Found, ControlRoutes::NotFound> ControlRoutes::find(
    std::string_view method, std::string_view target) const {
  const std::string path(target.substr(0, target.find('?')));
  const auto by_method = by_path_.find(path);
  if (by_method == by_path_.end()) return NotFound{NotFound::Kind::path, "there is no " + path};
  const auto handler = by_method->second.find(std::string(method));
  if (handler == by_method->second.end()) {
    return NotFound{NotFound::Kind::method, path + " takes " + by_method->second.begin()->first +
                                                ", not " + std::string(method)};
  }
  auto query = parse_query(target.substr(std::min(path.size() + 1, target.size())));
  if (!query) return NotFound{NotFound::Kind::query, "the query is not URL-encoded"};
  return Found{&handler->second, {std::move(*query), nullptr}};
}

struct ControlExchange::Parser {
  http::request_parser<http::string_body> request;
  std::string pending;               // received, not yet parsed: at most a header
  std::optional<Response> refusal;  // of what is no request
};

ControlExchange::ControlExchange(const ControlRoutes& routes, const ControlLimits& limits)
    : routes_(routes), parser_(std::make_unique<Parser>()) {
  parser_->request.header_limit(static_cast<std::uint32_t>(limits.header));
  parser_->request.body_limit(limits.body);
}

ControlExchange::~ControlExchange() = default;

bool ControlExchange::receive(std::string_view bytes) {
  auto& [request, pending, refused] = *parser_;
  pending += bytes;
  while (!pending.empty() && !request.is_done()) {
    error_code ec;
    pending.erase(0, request.put(asio::buffer(pending), ec));
    if (ec == http::error::need_more) break;
    if (ec) refused = refusal(ec);
    // Nobody needs it, and some malformed chunks make Beast 1.74 fail an assertion.
    if (!ec && request.chunked()) {
      refused = error_response(http::status::length_required, EX_USAGE,
                               "send the body with a Content-Length, not in chunks");
    }
    if (refused) return true;
  }
  return request.is_done();
}

net::awaitable<std::string> ControlExchange::answer() {
  if (parser_->refusal) co_return to_text(*parser_->refusal);
  const auto& message = parser_->request.get();
  const std::string method(message.method_string()), target(message.target());
  auto found = routes_.find(method, target);
  if (const auto* why = std::get_if<ControlRoutes::NotFound>(&found)) {
    co_return to_text(error_response(status_for(why->kind), EX_USAGE, why->why));
  }
  auto& [handler, request] = std::get<ControlRoutes::Found>(found);
  if (!message.body().empty()) {
    request.body = nlohmann::json::parse(message.body(), nullptr, false);
    if (request.body.is_discarded()) {
      co_return to_text(
          error_response(http::status::bad_request, EX_USAGE, "the body is not JSON"));
    }
  }
  const Response response = co_await call(*handler, std::move(request));
  co_return to_text(response);
}

struct ControlServer::State {
  State(asio::any_io_executor ex, fs::path path, ControlRoutes r, ControlLimits l)
      : executor(ex),
        socket(std::move(path)),
        routes(std::move(r)),
        limits(l),
        acceptor(ex),
        room(ex, net::Instant::max()) {}

  void listen();
  void close();
  static net::awaitable<void> accept_loop(std::shared_ptr<State> self);
  static net::awaitable<void> serve(std::shared_ptr<State> self,
                                    std::shared_ptr<Protocol::socket> client);

  asio::any_io_executor executor;
  fs::path socket;
  ControlRoutes routes;
  ControlLimits limits;
  Protocol::acceptor acceptor;
  asio::steady_timer room;  // never expires; cancelled when a client leaves
  std::set<std::shared_ptr<Protocol::socket>> clients;
};

ControlServer::ControlServer(asio::any_io_executor executor, fs::path socket, ControlRoutes routes,
                             ControlLimits limits)
    : state_(std::make_shared<State>(executor, std::move(socket), std::move(routes), limits)) {
  state_->listen();
  asio::co_spawn(executor, State::accept_loop(state_), asio::detached);
}

ControlServer::~ControlServer() { state_->close(); }

namespace {

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
bool is_trusted(Protocol::socket& client) {
  ucred who{};
  socklen_t size = sizeof who;
  if (::getsockopt(client.native_handle(), SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) return false;
  return who.uid == ::geteuid() || who.uid == 0;
}

}  // namespace

void ControlServer::State::listen() {
  const Address address(socket);
  remove_stale(socket, address);
  try {
    acceptor.open();
    // The new file's mode is the socket's own: never open to others, not even for a moment.
    ::fchmod(acceptor.native_handle(), 0600);
    acceptor.bind(address.endpoint());
    acceptor.listen();
  } catch (const boost::system::system_error& error) {
    throw Failure(EX_CANTCREAT, "cannot create " + socket.string() + ": " + error.code().message() +
                                    "; set node.control to a path where it can be");
  }
}

void ControlServer::State::close() {
  error_code ignored;
  acceptor.close(ignored);
  room.cancel();
  for (const auto& client : clients) client->close(ignored);
  std::error_code also_ignored;
  fs::remove(socket, also_ignored);
}

net::awaitable<void> ControlServer::State::accept_loop(std::shared_ptr<State> self) {
  error_code ec;
  while (self->acceptor.is_open()) {
    if (self->clients.size() >= self->limits.connections) {
      co_await self->room.async_wait(asio::redirect_error(use_awaitable, ec));
      continue;
    }
    const auto client = std::make_shared<Protocol::socket>(self->executor);
    co_await self->acceptor.async_accept(*client, asio::redirect_error(use_awaitable, ec));
    if (ec) {  // closed, or out of descriptors: let some time pass
      asio::steady_timer pause(self->executor, std::chrono::milliseconds(100));
      if (self->acceptor.is_open()) {
        co_await pause.async_wait(asio::redirect_error(use_awaitable, ec));
      }
      continue;
    }
    if (!is_trusted(*client)) continue;
    self->clients.insert(client);
    asio::co_spawn(self->executor, serve(self, client), asio::detached);
  }
}

net::awaitable<void> ControlServer::State::serve(std::shared_ptr<State> self,
                                                 std::shared_ptr<Protocol::socket> client) {
  const auto too_slow = [socket = client.get()] {
    error_code ignored;
    socket->close(ignored);
  };
  const net::Deadline deadline(self->executor, self->limits.request, too_slow);
  ControlExchange exchange(self->routes, self->limits);
  std::array<char, 4096> buffer{};
  bool complete = false;
  error_code ec;
  while (!ec && !complete) {
    const std::size_t size = co_await client->async_read_some(
        asio::buffer(buffer), asio::redirect_error(use_awaitable, ec));
    if (!ec) complete = exchange.receive({buffer.data(), size});
  }
  if (complete) {
    const std::string response = co_await exchange.answer();
    const auto bytes = asio::buffer(response);
    co_await asio::async_write(*client, bytes, asio::redirect_error(use_awaitable, ec));
  }
  client->close(ec);
  self->clients.erase(client);
  self->room.cancel();
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
  request.set(http::field::host, "kith");
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

nlohmann::json control_request(const ControlRoutes& routes, std::string_view method,
                               std::string_view target, const nlohmann::json& body) {
  auto found = routes.find(method, target);
  if (const auto* refused = std::get_if<ControlRoutes::NotFound>(&found)) {
    throw Failure(EX_USAGE, refused->why);
  }
  auto& [handler, request] = std::get<ControlRoutes::Found>(found);
  request.body = body;
  asio::io_context io;
  auto pending = asio::co_spawn(io, (*handler)(std::move(request)), asio::use_future);
  io.run();
  return pending.get();
}

}  // namespace kith::daemon
