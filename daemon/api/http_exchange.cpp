#include "daemon/api/http_exchange.hpp"

#include "daemon/system/failure.hpp"

#include <boost/beast/http.hpp>

#include <sstream>
#include <utility>

namespace kith::daemon {
namespace {

namespace asio = net::asio;
namespace http = boost::beast::http;
using net::error_code;
using Response = http::response<http::string_body>;

/// What a page of ours may do in a browser: use what this node serves, and nothing else.
constexpr const char* kPagePolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'";

Response response_of(http::status status, const std::string& content_type) {
  Response response(status, 11);
  response.set(http::field::content_type, content_type);
  response.set(http::field::cache_control, "no-store");
  response.set("X-Content-Type-Options", "nosniff");
  response.set("Referrer-Policy", "no-referrer");
  response.set("Cross-Origin-Resource-Policy", "same-origin");
  response.set("Content-Security-Policy", kPagePolicy);
  return response;
}

Response json_response(http::status status, const nlohmann::json& body) {
  Response response = response_of(status, "application/json");
  response.body() = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
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

std::string to_text(Response response, bool keep_alive) {
  response.keep_alive(keep_alive);
  response.prepare_payload();
  std::ostringstream out;
  out << response;
  return std::move(out).str();
}

std::string field_in(const http::fields& header, http::field name) {
  return std::string(header[name]);
}

Caller caller_of(const http::fields& header) {
  return {.host = field_in(header, http::field::host),
          .origin = field_in(header, http::field::origin),
          .site = std::string(header["Sec-Fetch-Site"]),
          .authorization = field_in(header, http::field::authorization)};
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

struct HttpExchange::Parser {
  explicit Parser(const ControlLimits& limits) {
    request.header_limit(static_cast<std::uint32_t>(limits.header));
    request.body_limit(limits.body);
  }
  http::request_parser<http::string_body> request;
  std::string pending;                     // received, not yet parsed: at most a header
  bool judged = false;                     // by its header
  Access access = Access::none;            // that it has
  std::optional<ControlRoutes::Found> found;
  std::optional<Response> refusal;         // of what is no request, or is not heard
};

HttpExchange::HttpExchange(const ControlRoutes& routes, const ControlLimits& limits,
                           const Gate& gate)
    : routes_(routes), limits_(limits), gate_(gate), parser_(std::make_unique<Parser>(limits)) {}

HttpExchange::~HttpExchange() = default;

bool HttpExchange::receive(std::string_view bytes) {
  Parser& parser = *parser_;
  parser.pending += bytes;
  while (!parser.pending.empty() && !parser.request.is_done()) {
    error_code ec;
    parser.pending.erase(0, parser.request.put(asio::buffer(parser.pending), ec));
    if (ec == http::error::need_more) break;
    if (ec) parser.refusal = refusal(ec);
    if (!ec && parser.request.is_header_done() && !std::exchange(parser.judged, true)) {
      judge_header();
    }
    if (parser.refusal) return true;
  }
  return parser.request.is_done();
}

// Before any of the body is taken.
void HttpExchange::judge_header() {
  const auto refuse = [&](http::status status, int code, std::string_view sentence) {
    parser_->refusal = error_response(status, code, sentence);
  };
  const auto& message = parser_->request.get();
  // Nobody needs it, and some malformed chunks make Beast 1.74 fail an assertion.
  if (parser_->request.chunked()) {
    return refuse(http::status::length_required, EX_USAGE,
                  "send the body with a Content-Length, not in chunks");
  }
  const Gate::Verdict verdict = gate_.judge(caller_of(message));
  if (!verdict.foreign.empty()) {
    return refuse(http::status::misdirected_request, EX_NOPERM, verdict.foreign);
  }
  auto found = routes_.find(std::string(message.method_string()), std::string(message.target()));
  if (const auto* why = std::get_if<ControlRoutes::NotFound>(&found)) {
    return refuse(status_for(why->kind), EX_USAGE, why->why);
  }
  parser_->access = verdict.access;
  parser_->found = std::get<ControlRoutes::Found>(std::move(found));
  if (parser_->found->route->needs <= verdict.access) return;
  if (verdict.access == Access::none) {
    return refuse(http::status::unauthorized, EX_NOPERM, verdict.unknown);
  }
  refuse(http::status::forbidden, EX_NOPERM,
         "this token may only look; kith dashboard --admin prints one that may change things");
}

net::awaitable<HttpExchange::Answer> HttpExchange::answer() {
  const std::unique_ptr<Parser> parser = std::exchange(parser_, std::make_unique<Parser>(limits_));
  Answer answer;
  if (parser->refusal) {
    answer.bytes = to_text(std::move(*parser->refusal), false);
    co_return answer;
  }
  parser_->pending = std::move(parser->pending);
  const auto& message = parser->request.get();
  answer.keep_alive = message.keep_alive();
  auto& [route, request] = *parser->found;
  if (const auto* const text = std::get_if<ControlText>(&route->what)) {
    Response response = response_of(http::status::ok, text->content_type);
    response.body() = text->text();
    answer.bytes = to_text(std::move(response), answer.keep_alive);
    co_return answer;
  }
  if (const auto* const events = std::get_if<EventFeed*>(&route->what)) {
    answer.events = *events;
    answer.keep_alive = false;
    Response response = response_of(http::status::ok, "text/event-stream");
    response.keep_alive(false);
    std::ostringstream out;
    out << response.base();  // a body without a length: until the connection ends
    answer.bytes = std::move(out).str();
    co_return answer;
  }
  if (!message.body().empty()) {
    request.body = nlohmann::json::parse(message.body(), nullptr, false);
    if (request.body.is_discarded()) {
      answer.bytes = to_text(
          error_response(http::status::bad_request, EX_USAGE, "the body is not JSON"),
          answer.keep_alive);
      co_return answer;
    }
  }
  Response response =
      co_await call(std::get<SlowControlHandler>(route->what), std::move(request));
  response.set("Kith-Access", parser->access == Access::admin ? "admin" : "read");  // for the page
  answer.bytes = to_text(std::move(response), answer.keep_alive);
  co_return answer;
}

std::string refusal_503(std::string_view sentence) {
  return to_text(
      error_response(http::status::service_unavailable, EX_UNAVAILABLE, sentence), false);
}

}  // namespace kith::daemon
