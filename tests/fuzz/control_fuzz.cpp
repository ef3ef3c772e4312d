// Whatever a local client sends, cut anywhere, is answered with HTTP and JSON or waited for.
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

std::string answer_of(ControlExchange& exchange) {
  kith::net::asio::io_context io;
  auto answer = kith::net::asio::co_spawn(io, exchange.answer(), kith::net::asio::use_future);
  io.run();
  return answer.get();
}

void check(std::string_view response) {
  const std::size_t end = response.find("\r\n\r\n");
  if (!response.starts_with("HTTP/1.1 ") || end == response.npos) std::abort();
  if (!nlohmann::json::accept(response.substr(end + 4))) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t piece = data[0] + 1U;  // bytes that arrive at once
  std::string_view rest(reinterpret_cast<const char*>(data + 1), size - 1);
  ControlExchange exchange(routes(), {.header = 512, .body = 1024});
  while (!rest.empty()) {
    if (exchange.receive(rest.substr(0, piece))) {
      check(answer_of(exchange));
      break;
    }
    rest.remove_prefix(std::min(piece, rest.size()));
  }
  return 0;
}
