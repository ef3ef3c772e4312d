#include "daemon/api/control.hpp"

#include "daemon/api/events.hpp"
#include "daemon/system/failure.hpp"
#include "tests/daemon/failure_of.hpp"
#include "tests/temporary_directory.hpp"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <fstream>
#include <future>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace control_test {

using namespace kith;
using namespace kith::daemon;
using namespace std::chrono_literals;
using test::contains;
using test::failure_of;
namespace asio = net::asio;
namespace fs = std::filesystem;
namespace data = boost::unit_test::data;
using Protocol = asio::local::stream_protocol;

ControlRoutes some_routes() {
  ControlRoutes routes;
  routes.add("GET", "/v1/status", [](const ControlRequest&) {
    return nlohmann::json{{"round", 3}};
  });
  routes.add("POST", "/v1/echo", [](const ControlRequest& request) {
    return nlohmann::json{{"query", request.query}, {"body", request.body}};
  });
  routes.add("GET", "/v1/why", [](const ControlRequest&) -> nlohmann::json {
    throw Failure(EX_NOINPUT, "there is no such peer; kith peers lists them");
  });
  routes.add("GET", "/v1/bug",
             [](const ControlRequest&) -> nlohmann::json { throw std::out_of_range("map::at"); });
  return routes;
}

Gate guarded_by_token() {
  Gate gate;
  gate.tokens = parse_tokens("read may-only-look-at-things\nadmin may-change-whatever-there-is\n", "here")
                    .hashed();
  return gate;
}

/// The response, if `bytes` were the last that it takes.
std::optional<std::string> answer_after(HttpExchange& exchange, std::string_view bytes) {
  if (!exchange.receive(bytes)) return std::nullopt;
  asio::io_context io;
  auto answer = asio::co_spawn(io, exchange.answer(), asio::use_future);
  io.run();
  return answer.get().bytes;
}

/// What an exchange borrows.
struct Exchange {
  explicit Exchange(ControlLimits limited = {}, Gate guarded = {})
      : limits(limited), gate(std::move(guarded)) {}
  ControlRoutes routes = some_routes();
  ControlLimits limits;
  Gate gate;
  HttpExchange http{routes, limits, gate};
};

/// The response to `bytes`, given all at once.
std::optional<std::string> response_to(std::string_view bytes, ControlLimits limits = {}) {
  Exchange exchange(limits);
  return answer_after(exchange.http, bytes);
}

std::string get(std::string_view target) {
  return response_to("GET " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\n\r\n").value();
}

std::string post(std::string_view target, std::string_view body) {
  return response_to("POST " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " +
                     std::to_string(body.size()) + "\r\n\r\n" + std::string(body))
      .value();
}

unsigned status_of(const std::string& response) {
  BOOST_TEST_REQUIRE(response.starts_with("HTTP/1.1 "));
  return static_cast<unsigned>(std::stoul(response.substr(9, 3)));
}

nlohmann::json body_of(const std::string& response) {
  return nlohmann::json::parse(response.substr(response.find("\r\n\r\n") + 4));
}

BOOST_AUTO_TEST_SUITE(http_exchange_tests)

BOOST_AUTO_TEST_CASE(a_route_answers_in_json) {
  const std::string response = get("/v1/status");
  BOOST_TEST(status_of(response) == 200U);
  BOOST_TEST(response.find("Content-Type: application/json\r\n") != std::string::npos);
  BOOST_TEST(response.find("Cache-Control: no-store\r\n") != std::string::npos);
  BOOST_TEST(body_of(response)["round"] == 3);
}

BOOST_AUTO_TEST_CASE(a_request_may_arrive_byte_by_byte) {
  Exchange exchange;
  const std::string request = "POST /v1/echo HTTP/1.1\r\nContent-Length: 5\r\n\r\n[1,2]";
  std::optional<std::string> response;
  for (const char& byte : request) {
    BOOST_TEST_REQUIRE(!response);
    response = answer_after(exchange.http, {&byte, 1});
  }
  BOOST_TEST((body_of(response.value())["body"] == nlohmann::json{1, 2}));
}

BOOST_AUTO_TEST_CASE(query_and_body_reach_the_handler) {
  const auto answer = body_of(post("/v1/echo?peer=a%20b+c&x=%C3%A5&flag&empty=", R"({"a":[1]})"));
  BOOST_TEST(answer["query"]["peer"] == "a b c");
  BOOST_TEST(answer["query"]["x"] == "å");
  BOOST_TEST(answer["query"]["flag"] == "");
  BOOST_TEST(answer["query"]["empty"] == "");
  BOOST_TEST(answer["body"]["a"][0] == 1);
}

BOOST_AUTO_TEST_CASE(what_a_handler_throws_becomes_an_error_in_json) {
  const std::string unknown = get("/v1/why");
  BOOST_TEST(status_of(unknown) == 404U);
  BOOST_TEST(body_of(unknown)["error"] == "there is no such peer; kith peers lists them");
  BOOST_TEST(body_of(unknown)["code"] == EX_NOINPUT);
  BOOST_TEST(status_of(get("/v1/bug")) == 500U);
}

struct Refused {
  const char* request;
  unsigned status;
};
std::ostream& operator<<(std::ostream& out, const Refused& refused) {
  return out << refused.status << ": " << std::string(refused.request).substr(0, 40);
}
const Refused kRefused[] = {
    {"GET /v1/nothing HTTP/1.1\r\n\r\n", 404},
    {"GET / HTTP/1.1\r\n\r\n", 404},
    {"DELETE /v1/status HTTP/1.1\r\n\r\n", 405},
    {"POST /v1/status HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 405},
    {"\x16\x03\x01\x02TLS", 400},
    {"GET /v1/status\r\n\r\n", 400},
    {"GET /v1/status HTTP/9.9\r\n\r\n", 400},
    {"POST /v1/echo HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400},
    {"POST /v1/echo HTTP/1.1\r\nContent-Length: 1\r\n\r\n{", 400},
    {"POST /v1/echo?a=%4 HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 400},
    {"POST /v1/echo?a=%-1 HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 400},
    {"POST /v1/echo HTTP/1.1\r\nContent-Length: 50331649\r\n\r\n", 413},
    {"POST /v1/echo HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\n", 413},
};
BOOST_DATA_TEST_CASE(what_is_not_served_is_refused_in_json, data::make(kRefused), refused) {
  const std::string response = response_to(refused.request).value();
  BOOST_TEST(status_of(response) == refused.status);
  BOOST_TEST(body_of(response)["error"].is_string());
}

BOOST_AUTO_TEST_CASE(a_header_without_end_is_refused_at_the_limit) {
  Exchange exchange({.header = 1024});
  std::optional<std::string> response = answer_after(exchange.http, "GET /v1/status HTTP/1.1\r\n");
  std::size_t sent = 0;
  for (; !response && sent < 4096; sent += 8) response = answer_after(exchange.http, "a: bcd\r\n");
  BOOST_TEST(status_of(response.value()) == 431U);
  BOOST_TEST(sent <= 1024U);
}

// Some of them fail an assertion in Beast 1.74.
BOOST_AUTO_TEST_CASE(chunks_are_refused_before_they_are_parsed) {
  const std::string header = "POST /v1/echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const char* chunks : {"", "3\r\n[1,\r\n", "0\r\nY1,\r\n"}) {
    BOOST_TEST(status_of(response_to(header + chunks).value()) == 411U);
  }
}

BOOST_AUTO_TEST_CASE(requests_follow_one_another_on_a_connection) {
  Exchange exchange;
  const std::string one = "GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n";
  const std::string two = "POST /v1/echo HTTP/1.1\r\nContent-Length: 3\r\n\r\n[7]";
  const auto first = answer_after(exchange.http, one + two.substr(0, 10));
  BOOST_TEST(body_of(first.value())["round"] == 3);
  BOOST_TEST(!answer_after(exchange.http, ""));
  const auto second = answer_after(exchange.http, two.substr(10) + one);
  BOOST_TEST(body_of(second.value())["body"][0] == 7);
  BOOST_TEST(body_of(answer_after(exchange.http, "").value())["round"] == 3);
}

BOOST_AUTO_TEST_CASE(connection_ends_if_the_client_wants_it_or_is_refused) {
  const auto keeps_alive = [](std::string_view request) {
    Exchange exchange;
    BOOST_TEST_REQUIRE(exchange.http.receive(request));
    asio::io_context io;
    auto answer = asio::co_spawn(io, exchange.http.answer(), asio::use_future);
    io.run();
    return answer.get().keep_alive;
  };
  BOOST_TEST(keeps_alive("GET /v1/status HTTP/1.1\r\n\r\n"));
  BOOST_TEST(keeps_alive("GET /v1/why HTTP/1.1\r\n\r\n"));
  BOOST_TEST(!keeps_alive("GET /v1/status HTTP/1.1\r\nConnection: close\r\n\r\n"));
  BOOST_TEST(!keeps_alive("GET /v1/status HTTP/1.0\r\n\r\n"));
  BOOST_TEST(!keeps_alive("GET /v1/nothing HTTP/1.1\r\n\r\n"));
}

// A stranger's gigabyte is not taken before it is refused.
BOOST_AUTO_TEST_CASE(who_may_not_ask_is_refused_before_its_body) {
  const std::string rest = "\r\nContent-Length: 40000000\r\n\r\n";
  const auto refused = [&](const std::string& line) {
    Exchange exchange({}, guarded_by_token());
    return answer_after(exchange.http, "POST /v1/echo HTTP/1.1\r\nHost: localhost\r\n" + line + rest);
  };
  BOOST_TEST(status_of(refused("X: y").value()) == 401U);
  BOOST_TEST(status_of(refused("Authorization: Bearer may-only-look-at-things").value()) == 403U);
  BOOST_TEST(!refused("Authorization: Bearer may-change-whatever-there-is"));
  Exchange exchange;
  const auto foreign =
      answer_after(exchange.http, "POST /v1/echo HTTP/1.1\r\nHost: evil.example" + rest);
  BOOST_TEST(status_of(foreign.value()) == 421U);
}

BOOST_AUTO_TEST_CASE(page_is_for_everybody_and_may_load_nothing_from_elsewhere) {
  Exchange exchange({}, guarded_by_token());
  exchange.routes.add_text("/", {"text/html", [] { return std::string("<p>"); }});
  const auto page = answer_after(exchange.http, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").value();
  BOOST_TEST(status_of(page) == 200U);
  BOOST_TEST(page.find("Content-Security-Policy: default-src 'none'; script-src 'self'") != page.npos);
  BOOST_TEST(page.ends_with("<p>"));
}

BOOST_AUTO_TEST_CASE(description_has_every_route_that_answers_json) {
  ControlRoutes routes = some_routes();
  routes.add_text("/", {"text/html", [] { return std::string(); }});
  const nlohmann::json description = openapi(routes);
  BOOST_TEST(description["paths"].size() == 4U);
  BOOST_TEST(description["paths"]["/v1/echo"]["post"]["x-access"] == "admin");
  BOOST_TEST(description["paths"]["/v1/status"]["get"]["x-access"] == "read");
}

BOOST_AUTO_TEST_SUITE_END()

/// A server in a folder of its own, on a thread of its own.
struct Served {
  test::TemporaryDirectory directory;
  fs::path folder = directory.path();
  asio::io_context io{1};
  std::optional<ControlServer> server;
  std::thread thread;

  Served() = default;
  ~Served() { stop(); }
  Served(const Served&) = delete;
  Served& operator=(const Served&) = delete;

  [[nodiscard]] fs::path socket() const { return folder / "control.sock"; }
  void start(ControlLimits limits = {}) { start(socket(), some_routes(), limits); }
  void start(const fs::path& at, ControlRoutes routes, ControlLimits limits) {
    server.emplace(io.get_executor(), at, std::move(routes), limits);
    thread = std::thread([this] { io.run(); });
  }
  void stop() {
    if (!thread.joinable()) return;
    asio::post(io, [this] { server.reset(); });
    thread.join();
  }
  [[nodiscard]] Protocol::socket connect(asio::io_context& context) const {
    Protocol::socket client(context);
    client.connect(Protocol::endpoint(socket().string()));
    return client;
  }
};

std::string read_all(Protocol::socket& client) {
  std::string text;
  net::error_code ec;
  asio::read(client, asio::dynamic_buffer(text), ec);
  return text;
}

BOOST_FIXTURE_TEST_SUITE(control_server_tests, Served)

BOOST_AUTO_TEST_CASE(the_client_gets_the_answer) {
  start();
  BOOST_TEST(control_request(socket(), "GET", "/v1/status")["round"] == 3);
  const auto echo =
      control_request(socket(), "POST", "/v1/echo?a=b", {{"x", std::string(60'000, 'y')}});
  BOOST_TEST(echo["query"]["a"] == "b");
  BOOST_TEST(echo["body"]["x"].get<std::string>().size() == 60'000U);
}

BOOST_AUTO_TEST_CASE(the_client_gets_the_failure) {
  start({.body = 64 << 10});
  const Failure failure =
      failure_of([&] { std::ignore = control_request(socket(), "GET", "/v1/why"); });
  BOOST_TEST(failure.code() == EX_NOINPUT);
  BOOST_TEST(failure.what() == std::string("there is no such peer; kith peers lists them"));
  const Failure large = failure_of([&] {
    std::ignore = control_request(socket(), "POST", "/v1/echo", std::string(1'000'000, 'x'));
  });
  BOOST_TEST(large.code() == EX_USAGE);
  BOOST_TEST(contains(large, "the body is too large"));
}

BOOST_AUTO_TEST_CASE(the_socket_is_for_its_owner_alone_and_goes_with_the_server) {
  start();
  BOOST_TEST(
      (fs::status(socket()).permissions() == (fs::perms::owner_read | fs::perms::owner_write)));
  stop();
  BOOST_TEST(!fs::exists(socket()));
}

BOOST_AUTO_TEST_CASE(without_a_node_the_client_says_how_to_start_one) {
  const Failure missing = failure_of([&] { std::ignore = control_request(socket(), "GET", "/"); });
  BOOST_TEST(missing.code() == EX_UNAVAILABLE);
  BOOST_TEST(contains(missing, "no kith is running here"));
  BOOST_TEST(contains(missing, "start it with kith run --dir " + folder.string()));

  { Protocol::acceptor killed(io, Protocol::endpoint(socket().string())); }  // leaves its socket
  const Failure stale = failure_of([&] { std::ignore = control_request(socket(), "GET", "/"); });
  BOOST_TEST(stale.code() == EX_UNAVAILABLE);
  BOOST_TEST(contains(stale, "no kith is running here"));
}

BOOST_AUTO_TEST_CASE(a_node_that_does_not_answer_is_given_up_on) {
  Protocol::acceptor deaf(io, Protocol::endpoint(socket().string()));
  const Failure failure =
      failure_of([&] { std::ignore = control_request(socket(), "GET", "/", nullptr, 50ms); });
  BOOST_TEST(failure.code() == EX_UNAVAILABLE);
  BOOST_TEST(contains(failure, "does not answer"));
}

BOOST_AUTO_TEST_CASE(a_stale_socket_is_replaced) {
  { Protocol::acceptor killed(io, Protocol::endpoint(socket().string())); }
  BOOST_TEST_REQUIRE(fs::exists(socket()));
  start();
  BOOST_TEST(control_request(socket(), "GET", "/v1/status")["round"] == 3);
}

BOOST_AUTO_TEST_CASE(a_living_socket_is_left_alone) {
  start();
  const Failure failure = failure_of([&] {
    asio::io_context other;
    ControlServer second(other.get_executor(), socket(), some_routes());
  });
  BOOST_TEST(failure.code() == EX_TEMPFAIL);
  BOOST_TEST(control_request(socket(), "GET", "/v1/status")["round"] == 3);
}

BOOST_AUTO_TEST_CASE(a_file_in_the_way_is_left_alone) {
  std::ofstream(socket()) << "precious";
  BOOST_TEST(failure_of([&] { start(); }).code() == EX_CANTCREAT);
  BOOST_TEST(fs::file_size(socket()) == 8U);
}

BOOST_AUTO_TEST_CASE(a_path_longer_than_the_kernel_takes_works) {
  fs::path deep = folder;
  while (deep.string().size() < 200) deep /= "a-folder-with-a-long-name";
  fs::create_directories(deep);
  start(deep / "control.sock", some_routes(), {});
  BOOST_TEST(control_request(deep / "control.sock", "GET", "/v1/status")["round"] == 3);
  stop();
  BOOST_TEST(!fs::exists(deep / "control.sock"));
  const Failure failure =
      failure_of([&] { std::ignore = control_request(deep / std::string(100, 'n'), "GET", "/"); });
  BOOST_TEST(failure.code() == EX_CONFIG);
}

BOOST_AUTO_TEST_CASE(nonsense_is_answered_and_the_next_client_is_served) {
  start();
  asio::io_context context;
  auto client = connect(context);
  asio::write(client, asio::buffer(std::string("\0\0\0\0 nonsense", 13)));
  BOOST_TEST(status_of(read_all(client)) == 400U);
  auto gone = connect(context);
  asio::write(gone, asio::buffer(std::string("GET /v1/sta")));
  gone.close();
  BOOST_TEST(control_request(socket(), "GET", "/v1/status")["round"] == 3);
}

BOOST_AUTO_TEST_CASE(silent_clients_do_not_keep_others_out) {
  start({.connections = 2, .request = 1min});
  asio::io_context context;
  std::vector<Protocol::socket> slow;
  for (int i = 0; i < 4; ++i) {
    slow.push_back(connect(context));
    asio::write(slow.back(), asio::buffer(std::string("GET /v1/status HTTP/1.1\r\n")));
  }
  const auto begin = std::chrono::steady_clock::now();
  BOOST_TEST(control_request(socket(), "GET", "/v1/status")["round"] == 3);
  BOOST_TEST((std::chrono::steady_clock::now() - begin < 5s));
  for (int i = 0; i < 3; ++i) BOOST_TEST(read_all(slow[static_cast<std::size_t>(i)]) == "");
}

BOOST_AUTO_TEST_CASE(slow_clients_are_closed) {
  start({.request = 300ms});
  asio::io_context context;
  auto slow = connect(context);
  const auto begin = std::chrono::steady_clock::now();
  asio::write(slow, asio::buffer(std::string("GET /v1/status HTTP/1.1\r\n")));
  BOOST_TEST(read_all(slow) == "");
  BOOST_TEST((std::chrono::steady_clock::now() - begin >= 300ms));
}

BOOST_AUTO_TEST_CASE(a_client_that_does_not_read_is_closed) {
  ControlRoutes routes;
  routes.add("GET", "/large", [](const ControlRequest&) { return std::string(1U << 20, 'x'); });
  start(socket(), std::move(routes), {.connections = 1, .request = 3s});
  asio::io_context context;
  auto deaf = connect(context);
  asio::write(deaf, asio::buffer(std::string("GET /large HTTP/1.1\r\nConnection: close\r\n\r\n")));
  const auto large = control_request(socket(), "GET", "/large");  // when the other is out
  BOOST_TEST(large.get<std::string>().size() == 1U << 20);
  BOOST_TEST(read_all(deaf).size() < 1U << 20);
}

BOOST_AUTO_TEST_CASE(events_reach_who_listens_and_end_with_the_server) {
  EventFeed feed(io.get_executor());
  ControlRoutes routes = some_routes();
  routes.add_events("/v1/events", feed);
  start(socket(), std::move(routes), {.connections = 4, .listeners = 1, .silence = 100ms});
  asio::io_context context;
  auto client = connect(context);
  asio::write(client, asio::buffer(std::string("GET /v1/events HTTP/1.1\r\n\r\n")));
  std::string text;
  asio::read_until(client, asio::dynamic_buffer(text), "\r\n\r\n");
  BOOST_TEST(text.find("Content-Type: text/event-stream\r\n") != text.npos);
  asio::post(io, [&] { feed.publish("round", {{"round", 4}}); });
  asio::read_until(client, asio::dynamic_buffer(text), "{\"round\":4}\n\n");
  BOOST_TEST(text.find("event: round\ndata: ") != text.npos);
  asio::read_until(client, asio::dynamic_buffer(text), "\n\n:\n\n");  // silence is broken
  auto second = connect(context);
  asio::write(second, asio::buffer(std::string("GET /v1/events HTTP/1.1\r\n\r\n")));
  BOOST_TEST(status_of(read_all(second)) == 503U);
  stop();
  read_all(client);
}

BOOST_AUTO_TEST_CASE(who_waits_for_events_wakes_for_each_and_hears_that_the_node_has_gone) {
  EventFeed feed(io.get_executor());
  ControlRoutes routes = some_routes();
  routes.add_events("/v1/events", feed);
  start(socket(), std::move(routes), {.connections = 4, .listeners = 1, .silence = 50ms});
  ControlEvents events(socket());
  BOOST_TEST(!events.wait(300ms));  // silence is no news
  BOOST_TEST(events.connected());
  for (int round = 0; round < 2; ++round) {
    asio::post(io, [&] { feed.publish("round", {{"round", round}}); });
    BOOST_TEST(events.wait(5s));
  }
  ControlEvents crowded(socket());  // one may listen
  BOOST_TEST(!crowded.wait(5s));
  BOOST_TEST(!crowded.connected());
  stop();
  BOOST_TEST(!events.wait(5s));
  BOOST_TEST(!events.connected());
  BOOST_CHECK_THROW(ControlEvents(folder / "nobody.sock"), NoNodeRuns);
}

BOOST_AUTO_TEST_CASE(listener_that_does_not_read_is_closed_and_costs_little) {
  EventFeed feed(io.get_executor());
  ControlRoutes routes;
  routes.add_events("/v1/events", feed);
  start(socket(), std::move(routes), {.request = 500ms});
  asio::io_context context;
  auto deaf = connect(context);
  asio::write(deaf, asio::buffer(std::string("GET /v1/events HTTP/1.1\r\n\r\n")));
  std::string text;
  asio::read_until(deaf, asio::dynamic_buffer(text), "\r\n\r\n");
  for (int i = 0; i < 100; ++i) {
    asio::post(io, [&] { feed.publish("round", std::string(1 << 16, 'x')); });
  }
  std::this_thread::sleep_for(1s);
  BOOST_TEST(read_all(deaf).size() < 2U << 20);
  stop();  // what is still to be told, before the feed ends
}

BOOST_AUTO_TEST_CASE(tcp_is_served_with_its_gate) {
  asio::post(io, [&] {
    Gate gate = guarded_by_token();
    server.emplace(io.get_executor(), ControlServer::Tcp{{"127.0.0.1:0"}, "api.listen"},
                   some_routes(), ControlLimits{}, std::move(gate));
  });
  io.run_for(50ms);
  io.restart();
  const std::string address = server->addresses().front();
  const auto port = static_cast<std::uint16_t>(std::stoul(address.substr(address.find(':') + 1)));
  thread = std::thread([this] { io.run(); });
  const auto ask = [&](const std::string& header) {
    asio::io_context context;
    asio::ip::tcp::socket client(context);
    client.connect({asio::ip::address_v4::loopback(), port});
    asio::write(client, asio::buffer("GET /v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + header + "\r\n"));
    std::string text;
    net::error_code ec;
    asio::read(client, asio::dynamic_buffer(text), ec);
    return text;
  };
  BOOST_TEST(status_of(ask("")) == 401U);
  BOOST_TEST(status_of(ask("Authorization: Bearer may-only-look-at-things\r\n")) == 200U);
  BOOST_TEST(status_of(ask("Authorization: Bearer may-only-look-at-things\r\nOrigin: http://evil.example\r\n")) == 401U);
}

BOOST_AUTO_TEST_CASE(tcp_address_that_cannot_be_is_named) {
  const auto listen = [&](const std::string& address) {
    return failure_of([&] {
      const ControlServer::Tcp tcp{{address}, "api.listen"};
      ControlServer made(io.get_executor(), tcp, some_routes(), {}, {});
    });
  };
  BOOST_TEST(listen("kith.example:7780").code() == EX_CONFIG);
  BOOST_TEST(listen("192.0.2.1:7780").code() == EX_UNAVAILABLE);
  BOOST_TEST(contains(listen("192.0.2.1:7780"), "api.listen"));
}

BOOST_AUTO_TEST_CASE(open_connections_end_with_the_server) {
  start();
  asio::io_context context;
  auto client = connect(context);
  BOOST_TEST(control_request(socket(), "GET", "/v1/status")["round"] == 3);  // it is accepted
  stop();
  BOOST_TEST(read_all(client) == "");
}

boost::test_tools::assertion_result is_root(boost::unit_test::test_unit_id) {
  return ::geteuid() == 0;
}
BOOST_AUTO_TEST_CASE(another_user_is_not_answered, *boost::unit_test::precondition(is_root)) {
  start();
  fs::permissions(folder, fs::perms::all);
  fs::permissions(socket(), fs::perms::all);  // so that only the credentials stand in the way
  std::string answer = "none";
  std::thread([&] {
    // The bare call changes this thread alone.
    BOOST_TEST_REQUIRE(::syscall(SYS_setresuid, 65534, 65534, 65534) == 0);
    asio::io_context context;
    auto client = connect(context);
    net::error_code hung_up;
    asio::write(client, asio::buffer(std::string("GET /v1/status HTTP/1.1\r\n\r\n")), hung_up);
    answer = read_all(client);
  }).join();
  BOOST_TEST(answer == "");
  BOOST_TEST(control_request(socket(), "GET", "/v1/status")["round"] == 3);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace control_test
