#include "daemon/api/routes.hpp"

#include "daemon/system/failure.hpp"

#include <algorithm>
#include <charconv>
#include <future>
#include <optional>
#include <utility>

namespace kith::daemon {
namespace {

using nlohmann::json;

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

json content_of(const char* type, json schema) {
  return {{type, {{"schema", std::move(schema)}}}};
}

json operation_of(const ControlRoute& route, const std::string& path) {
  json operation{{"summary", route.note.summary},
                 {"operationId", path},
                 {"security", json::array({json{{"token", json::array()}}})},
                 {"x-access", route.needs == Access::admin ? "admin" : "read"}};
  for (const auto& [name, meaning] : route.note.query) {
    operation["parameters"].push_back({{"name", name},
                                       {"in", "query"},
                                       {"description", meaning},
                                       {"schema", {{"type", "string"}}}});
  }
  if (!route.note.body.is_null()) {
    operation["requestBody"] = {{"required", true},
                                {"content", content_of("application/json", route.note.body)}};
  }
  const bool events = std::holds_alternative<EventFeed*>(route.what);
  operation["responses"] = {
      {"200",
       {{"description", "the answer"},
        {"content", events ? content_of("text/event-stream", {{"type", "string"}})
                           : content_of("application/json", route.note.answer)}}},
      {"default", {{"$ref", "#/components/responses/Refusal"}}}};
  return operation;
}

}  // namespace

void ControlRoutes::add(std::string_view method, std::string_view path, ControlHandler handler,
                        RouteNote note) {
  SlowControlHandler slow = [handler = std::move(handler)](
                                ControlRequest request) -> net::awaitable<json> {
    co_return handler(request);
  };
  add_slow(method, path, std::move(slow), std::move(note));
}

void ControlRoutes::add_slow(std::string_view method, std::string_view path,
                             SlowControlHandler handler, RouteNote note) {
  const Access needs = method == "GET" ? Access::read : Access::admin;
  by_path_[std::string(path)].insert_or_assign(
      std::string(method), ControlRoute{std::move(note), needs, std::move(handler)});
}

void ControlRoutes::add_text(std::string_view path, ControlText text, RouteNote note) {
  by_path_[std::string(path)].insert_or_assign(
      "GET", ControlRoute{std::move(note), Access::none, std::move(text)});
}

void ControlRoutes::add_events(std::string_view path, EventFeed& feed, RouteNote note) {
  by_path_[std::string(path)].insert_or_assign("GET",
                                               ControlRoute{std::move(note), Access::read, &feed});
}

std::variant<ControlRoutes::Found, ControlRoutes::NotFound> ControlRoutes::find(
    std::string_view method, std::string_view target) const {
  const std::string path(target.substr(0, target.find('?')));
  const auto by_method = by_path_.find(path);
  if (by_method == by_path_.end()) return NotFound{NotFound::Kind::path, "there is no " + path};
  const auto route = by_method->second.find(std::string(method));
  if (route == by_method->second.end()) {
    return NotFound{NotFound::Kind::method, path + " takes " + by_method->second.begin()->first +
                                                ", not " + std::string(method)};
  }
  auto query = parse_query(target.substr(std::min(path.size() + 1, target.size())));
  if (!query) return NotFound{NotFound::Kind::query, "the query is not URL-encoded"};
  return Found{&route->second, {std::move(*query), nullptr}};
}

json control_request(const ControlRoutes& routes, std::string_view method, std::string_view target,
                     const json& body) {
  auto found = routes.find(method, target);
  if (const auto* refused = std::get_if<ControlRoutes::NotFound>(&found)) {
    throw Failure(EX_USAGE, refused->why);
  }
  auto& [route, request] = std::get<ControlRoutes::Found>(found);
  const auto* const handler = std::get_if<SlowControlHandler>(&route->what);
  if (handler == nullptr) throw Failure(EX_USAGE, std::string(target) + " answers no JSON");
  request.body = body;
  net::asio::io_context io;
  auto pending = net::asio::co_spawn(io, (*handler)(std::move(request)), net::asio::use_future);
  io.run();
  return pending.get();
}

json openapi(const ControlRoutes& routes) {
  json paths = json::object();
  for (const auto& [path, by_method] : routes.all()) {
    for (const auto& [method, route] : by_method) {
      if (std::holds_alternative<ControlText>(route.what)) continue;
      std::string lower = method;
      std::ranges::transform(lower, lower.begin(), [](char c) { return c | 0x20; });
      paths[path][lower] = operation_of(route, lower + path);
    }
  }
  const json refusal{
      {"type", "object"},
      {"required", {"error", "code"}},
      {"properties",
       {{"error", {{"type", "string"}, {"description", "a sentence that says what to do"}}},
        {"code", {{"type", "integer"}, {"description", "of sysexits.h"}}}}}};
  return {
      {"openapi", "3.1.0"},
      {"info",
       {{"title", "Kith, the control API of a node"},
        {"version", "1"},
        {"description",
         "What a running node can be asked. Over its unix socket (node.control) no token is needed; "
         "over api.listen each request carries one of api.tokens."}}},
      {"paths", paths},
      {"components",
       {{"responses",
         {{"Refusal",
           {{"description", "why not"}, {"content", content_of("application/json", refusal)}}}}},
        {"securitySchemes",
         {{"token", {{"type", "http"}, {"scheme", "bearer"}}}}}}}};
}

}  // namespace kith::daemon
