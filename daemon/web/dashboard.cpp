#include "daemon/web/dashboard.hpp"

#include "daemon/web/dashboard_files.hpp"

#include <string_view>

namespace kith::daemon {

void add_dashboard(ControlRoutes& routes) {
  const auto add = [&](const char* path, const char* type, std::string_view file) {
    routes.add_text(path, {std::string(type) + "; charset=utf-8", [file] { return std::string(file); }});
  };
  add("/", "text/html", kDashboardHtml);
  add("/dashboard.css", "text/css", kDashboardCss);
  add("/dashboard.js", "text/javascript", kDashboardJs);
}

}  // namespace kith::daemon
