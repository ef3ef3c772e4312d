#pragma once

#include "daemon/api/routes.hpp"

namespace kith::daemon {

/// Serves the dashboard: a page at "/", its style and its script.  They say nothing about the node:
/// the page asks the API, with the token that its user has.
void add_dashboard(ControlRoutes& routes);

}  // namespace kith::daemon
