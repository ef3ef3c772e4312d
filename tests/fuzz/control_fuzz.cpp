// Whatever a client sends, cut anywhere, is answered with HTTP and JSON or waited for, request after request; and only
// who has the token gets in.
#include "daemon/api/control.hpp"

#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace {

using namespace kith::daemon;

const ControlRoutes& routes() {
  static const ControlRoutes instance = [] {
    ControlRoutes made;
    made.add("GET", "/v1/status", [](const ControlRequest&) { return nlohmann::json::object(); });
    made.add("POST", "/v1/echo", [](const ControlRequest& request) {
      return nlohmann::json{{"query", request.query}, {"body", request.body}};
    });
    return made;
  }();
  return instance;
}

HttpExchange::Answer answer_of(HttpExchange& exchange) {
  kith::net::asio::io_context io;
  auto answer = kith::net::asio::co_spawn(io, exchange.answer(), kith::net::asio::use_future);
  io.run();
  return answer.get();
}

void check(std::string_view response, bool keep_alive) {
  const std::size_t end = response.find("\r\n\r\n");
  if (!response.starts_with("HTTP/1.1 ") || end == response.npos) std::abort();
  if (!nlohmann::json::accept(response.substr(end + 4))) std::abort();
  if (keep_alive && response.find("Content-Length: ") > end) std::abort();
}

constexpr std::string_view kToken = "an-admin-token-of-some-length";

const Gate& gate(bool open) {
  static const Gate anybody{};
  static const Gate guarded = [] {
    Gate made{.hosts = std::vector<std::string>{"kith.example"}};
    made.tokens = parse_tokens("admin " + std::string(kToken), "here").hashed();
    return made;
  }();
  return open ? anybody : guarded;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const bool open = data[0] % 2 == 0;
  const std::size_t piece = data[0] + 1U;  // bytes that arrive at once
  std::string_view rest(reinterpret_cast<const char*>(data + 1), size - 1);
  const bool has_token = rest.find(kToken) != rest.npos;
  const ControlLimits limits{.header = 512, .body = 1024};
  HttpExchange exchange(routes(), limits, gate(open));
  while (!rest.empty()) {
    bool complete = exchange.receive(rest.substr(0, piece));
    rest.remove_prefix(std::min(piece, rest.size()));
    while (complete) {
      const HttpExchange::Answer answer = answer_of(exchange);
      check(answer.bytes, answer.keep_alive);
      if (!open && !has_token && answer.bytes.starts_with("HTTP/1.1 200")) std::abort();
      if (!answer.keep_alive) return 0;
      complete = exchange.receive("");
    }
  }
  return 0;
}
