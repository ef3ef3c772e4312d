#pragma once

#include "net/asio/asio.hpp"

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <variant>

/// What can be asked of a node, without a network: over HTTP (daemon/api/control.hpp), or in this
/// process.
namespace kith::daemon {

class EventFeed;

/// What somebody may do.  Each may do all that those before it may.
enum class Access {
  none,   ///< see the page
  read,   ///< look
  admin,  ///< change
};

struct ControlRequest {
  std::map<std::string, std::string> query{};  ///< what follows '?', decoded
  nlohmann::json body{};                       ///< null if there was none
};

/// Answers a request.  May throw Failure: its sentence and code reach the client, see
/// control_request().
using ControlHandler = std::function<nlohmann::json(const ControlRequest&)>;
/// Answers a request as ControlHandler does, for what waits: for the disk, say.
using SlowControlHandler = std::function<net::awaitable<nlohmann::json>(ControlRequest)>;

/// What a text that is no JSON is, and how it comes about: a page, or numbers for another program.
struct ControlText {
  std::string content_type;
  std::function<std::string()> text;
};

/// What the documentation of the API says of a route.
struct RouteNote {
  std::string summary;
  nlohmann::json answer = nlohmann::json::object();  ///< JSON schema
  nlohmann::json body{};  ///< JSON schema of the request's body; null if it has none
  std::map<std::string, std::string> query{};  ///< what each parameter means
};

struct ControlRoute {
  RouteNote note;
  Access needs = Access::admin;
  std::variant<SlowControlHandler, ControlText, EventFeed*> what;  ///< the feed is borrowed
};

/// Which handler answers what.  A value.
class ControlRoutes {
 public:
  /// GET is for whoever may read, all else for admins.
  void add(std::string_view method, std::string_view path, ControlHandler handler,
           RouteNote note = {});
  void add_slow(std::string_view method, std::string_view path, SlowControlHandler handler,
                RouteNote note = {});
  /// A text that says nothing about this node, or is served where everybody may ask.
  void add_text(std::string_view path, ControlText text, RouteNote note = {});
  /// Server-sent events.  Borrows `feed`.
  void add_events(std::string_view path, EventFeed& feed, RouteNote note = {});

  /// Who answers, and what it is to be told but for the body.
  struct Found {
    const ControlRoute* route = nullptr;  ///< borrowed
    ControlRequest request{};
  };
  struct NotFound {
    enum class Kind { path, method, query } kind{};
    std::string why;  ///< a sentence
  };
  [[nodiscard]] std::variant<Found, NotFound> find(std::string_view method,
                                                   std::string_view target) const;

  /// All, by path, then by method.
  [[nodiscard]] const std::map<std::string, std::map<std::string, ControlRoute>>& all() const {
    return by_path_;
  }

 private:
  std::map<std::string, std::map<std::string, ControlRoute>> by_path_;
};

/// Has `routes` answer in this process, without a socket.  Throws what the handler does, and
/// Failure(EX_USAGE) if there is no such route.
[[nodiscard]] nlohmann::json control_request(const ControlRoutes& routes, std::string_view method,
                                             std::string_view target,
                                             const nlohmann::json& body = nullptr);

/// The API as a description for programs (OpenAPI 3.1), made from the routes: what JSON answers.
[[nodiscard]] nlohmann::json openapi(const ControlRoutes& routes);

}  // namespace kith::daemon
